//! The WebSocket edge: MCP over an upgraded connection, message by message. HTTP beside it passes
//! as it is, and so does every frame that is no call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::impostor::call::Call;
use crate::impostor::message::{MAX_BYTES, is_reply_to};
use crate::impostor::spoiler::{Before, Stage};

type Socket = WebSocketStream<TokioIo<Upgraded>>;
type Output = Mutex<SplitSink<Socket, Message>>;
/// Calls under way by the text of their id.
type Pending = StdMutex<HashMap<String, (Call, Option<OwnedMutexGuard<()>>)>>;

/// Both ends of one upgraded connection.
struct Relay {
    stage: Arc<Stage>,
    caller: String,
    pending: Pending,
    to_client: Output,
    to_server: Output,
}

/// Passes frames both ways until either side ends.
pub async fn relay(stage: Arc<Stage>, caller: String, client: Upgraded, server: Upgraded) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_BYTES))
        .max_frame_size(Some(MAX_BYTES));
    let socket = |io, role| WebSocketStream::from_raw_socket(TokioIo::new(io), role, Some(config));
    let (to_client, from_client) = socket(client, Role::Server).await.split();
    let (to_server, from_server) = socket(server, Role::Client).await.split();
    let relay = Arc::new(Relay {
        stage,
        caller,
        pending: Pending::default(),
        to_client: Mutex::new(to_client),
        to_server: Mutex::new(to_server),
    });
    tokio::select! {
        () = Arc::clone(&relay).inward(from_client) => {}
        () = Arc::clone(&relay).outward(from_server) => {}
    }
}

impl Relay {
    /// Client to server.
    async fn inward(self: Arc<Self>, mut from: SplitStream<Socket>) {
        let mut late = JoinSet::new();
        while let Some(Ok(message)) = from.next().await {
            let mut acting = Box::pin(Arc::clone(&self).call(message));
            // Done at once unless the spoiler makes this call wait: then the later ones go first.
            if futures::poll!(&mut acting).is_pending() {
                late.spawn(acting);
            }
        }
    }

    async fn call(self: Arc<Self>, message: Message) {
        let text = match &message {
            Message::Text(text) => serde_json::from_str::<Value>(text).ok(),
            _ => None,
        };
        let Some(call) = text.and_then(|text| Call::read(text, &self.caller)) else {
            return send(&self.to_server, message).await;
        };
        match self.stage.before(&call).await {
            Before::Answer(reply) => self.say(&reply).await,
            Before::Forward(held) => {
                let key = call.id().to_string();
                self.pending
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(key, (call, held));
                send(&self.to_server, message).await;
            }
        }
    }

    /// Server to client.
    async fn outward(self: Arc<Self>, mut from: SplitStream<Socket>) {
        let mut late = JoinSet::new();
        while let Some(Ok(message)) = from.next().await {
            let mut acting = Box::pin(Arc::clone(&self).reply(message));
            if futures::poll!(&mut acting).is_pending() {
                late.spawn(acting);
            }
        }
    }

    async fn reply(self: Arc<Self>, message: Message) {
        let taken = match &message {
            Message::Text(text) => self.taken(text),
            _ => None,
        };
        let Some((mut reply, call, _held)) = taken else {
            return send(&self.to_client, message).await;
        };
        if self.stage.after(&call, &mut reply).await {
            self.say(&reply).await;
        } else {
            send(&self.to_client, message).await;
        }
    }

    /// The call that a message answers.
    fn taken(&self, text: &str) -> Option<(Value, Call, Option<OwnedMutexGuard<()>>)> {
        let reply: Value = serde_json::from_str(text).ok()?;
        let key = reply.get("id")?.to_string();
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let is_reply = pending
            .get(&key)
            .is_some_and(|(call, _)| is_reply_to(&reply, call.id()));
        let (call, held) = pending.remove(&key).filter(|_| is_reply)?;
        Some((reply, call, held))
    }

    async fn say(&self, reply: &Value) {
        send(&self.to_client, Message::text(reply.to_string())).await;
    }
}

/// A side that takes no more has closed, which the reading of it sees.
async fn send(to: &Output, message: Message) {
    let _ = to.lock().await.send(message).await;
}
