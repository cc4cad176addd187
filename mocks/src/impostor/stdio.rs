//! The stdio edge: the impostor starts the server as its child and stands between its input and
//! output, line by line. Lines that are no calls, and all lines for a spoiler that reads nothing,
//! pass as they are and in order.

use std::collections::HashMap;
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::impostor::call::Call;
use crate::impostor::message::is_reply_to;
use crate::impostor::spoiler::{Before, Stage};

/// Calls under way by the text of their id.
type Pending = StdMutex<HashMap<String, (Call, Option<OwnedMutexGuard<()>>)>>;

struct Edge<W> {
    stage: Arc<Stage>,
    pending: Pending,
    to_client: Mutex<W>,
    to_server: Mutex<Option<ChildStdin>>,
}

/// Runs the child until it ends; its exit status.
///
/// # Errors
/// When it cannot be started or waited for.
pub async fn run<R, W>(
    stage: Arc<Stage>,
    command: &[OsString],
    input: R,
    output: W,
) -> std::io::Result<ExitStatus>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let missing = || std::io::Error::from(std::io::ErrorKind::InvalidInput);
    let (program, arguments) = command.split_first().ok_or_else(missing)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let from_server = child.stdout.take().ok_or_else(missing)?;
    let edge = Arc::new(Edge {
        stage,
        pending: Pending::default(),
        to_client: Mutex::new(output),
        to_server: Mutex::new(child.stdin.take()),
    });
    let inward = tokio::spawn(Arc::clone(&edge).inward(input));
    Arc::clone(&edge).outward(from_server).await;
    let status = child.wait().await;
    inward.abort();
    status
}

impl<W: tokio::io::AsyncWrite + Send + Unpin + 'static> Edge<W> {
    /// Client to server, until the client closes.
    async fn inward<R: AsyncRead + Unpin>(self: Arc<Self>, input: R) {
        let mut lines = BufReader::new(input);
        let mut late = tokio::task::JoinSet::new();
        let mut line = Vec::new();
        while lines
            .read_until(b'\n', &mut line)
            .await
            .is_ok_and(|read| read > 0)
        {
            let this = std::mem::take(&mut line);
            let mut acting = Box::pin(Arc::clone(&self).call(this));
            // Done at once unless the spoiler makes this call wait: then the later lines go first.
            if futures::poll!(&mut acting).is_pending() {
                late.spawn(acting);
            }
        }
        while late.join_next().await.is_some() {}
        self.to_server.lock().await.take();
    }

    async fn call(self: Arc<Self>, line: Vec<u8>) {
        let call = if self.stage.reads_messages() {
            let message = serde_json::from_slice(&line).ok();
            message.and_then(|message: Value| Call::read(message, "session stdio"))
        } else {
            None
        };
        let Some(call) = call else {
            return self.forward(&line).await;
        };
        match self.stage.before(&call).await {
            Before::Answer(reply) => self.answer(&reply).await,
            Before::Forward(held) => {
                let key = call.id().to_string();
                self.remember(key, call, held);
                self.forward(&line).await;
            }
        }
    }

    fn remember(&self, key: String, call: Call, held: Option<OwnedMutexGuard<()>>) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.insert(key, (call, held));
    }

    async fn forward(&self, line: &[u8]) {
        if let Some(to_server) = self.to_server.lock().await.as_mut() {
            // A child that has closed its input is about to end, which `outward` sees.
            let _ = to_server.write_all(line).await;
            let _ = to_server.flush().await;
        }
    }

    async fn answer(&self, reply: &Value) {
        self.say(format!("{reply}\n").as_bytes()).await;
    }

    async fn say(&self, line: &[u8]) {
        let mut to_client = self.to_client.lock().await;
        // A client that reads no more has closed its side, which `inward` sees.
        let _ = to_client.write_all(line).await;
        let _ = to_client.flush().await;
    }

    /// Server to client, until the server closes.
    async fn outward<R: AsyncRead + Unpin>(self: Arc<Self>, output: R) {
        let mut lines = BufReader::new(output);
        let mut line = Vec::new();
        let mut late = tokio::task::JoinSet::new();
        while lines
            .read_until(b'\n', &mut line)
            .await
            .is_ok_and(|read| read > 0)
        {
            let this = std::mem::take(&mut line);
            let mut acting = Box::pin(Arc::clone(&self).reply(this));
            if futures::poll!(&mut acting).is_pending() {
                late.spawn(acting);
            }
        }
        while late.join_next().await.is_some() {}
    }

    async fn reply(self: Arc<Self>, line: Vec<u8>) {
        let taken = serde_json::from_slice::<Value>(&line)
            .ok()
            .and_then(|message| {
                let key = message.get("id")?.to_string();
                let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
                let is_reply = pending
                    .get(&key)
                    .is_some_and(|(call, _)| is_reply_to(&message, call.id()));
                let (call, held) = pending.remove(&key).filter(|_| is_reply)?;
                Some((message, call, held))
            });
        let Some((mut message, call, _held)) = taken else {
            return self.say(&line).await;
        };
        if self.stage.after(&call, &mut message).await {
            self.answer(&message).await;
        } else {
            self.say(&line).await;
        }
    }
}
