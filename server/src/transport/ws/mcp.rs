//! Subprotocol `mcp`: one JSON-RPC message a text frame, both revisions, answered by the handler
//! that answers HTTP.
//!
//! A message that the gate or the envelope refuses is answered with its JSON-RPC error and the
//! connection goes on; a notification that is refused has no answer.

use std::io;

use http::HeaderValue;
use http::request::Parts;
use rmcp::model::GetExtensions as _;
use rmcp::service::TxJsonRpcMessage;
use rmcp::transport::Transport;
use rmcp::{RoleServer, ServiceExt as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::super::envelope::Envelope;
use super::super::gate::SESSION;
use super::super::open::Open;
use super::super::open::rpc::Incoming;
use super::super::refusal::Refusal;
use super::Ws;
use super::close::Farewell;
use super::guest::Guest;
use super::line::{Line, Outbox};
use crate::protocol;
use crate::protocol::caller::Caller;

type Requests = Open<Held>;

/// What is held for an open request.
struct Held {
    /// The drain waits for it.
    _call: TaskTrackerToken,
}

/// Open requests for each call a session may have in flight: lists and cancelled calls count too.
const OPEN_PER_CALL: usize = 2;

/// Serves one client until it leaves, breaks the protocol or the process ends.
pub async fn talk(ws: &Ws, guest: Guest, line: &mut Line, out: Outbox) -> Farewell {
    // Ends the conversation at once; the library would wait five seconds after the input's end.
    let cancel = CancellationToken::new();
    let _guard = cancel.clone().drop_guard();
    let (messages, inbox) = mpsc::channel(1);
    let open = Open::new(ws.gate.limits.in_flight_per_session * OPEN_PER_CALL);
    let pipe = Pipe {
        inbox,
        out: out.clone(),
        open: open.clone(),
    };
    let handler = protocol::handler(ws.toolbox.clone());
    let mut serving = Box::pin(async move {
        match handler.serve_with_ct(pipe, cancel).await {
            Ok(running) => drop(running.waiting().await),
            Err(error) => tracing::debug!(cause = %error, "a conversation did not begin"),
        }
    });
    let mut reader = Reader {
        ws,
        guest,
        out,
        open,
    };
    tokio::select! {
        farewell = reader.read(line, &messages) => farewell,
        () = &mut serving => {
            Farewell::protocol("begin with initialize or a request of 2026-07-28")
        }
    }
}

struct Reader<'a> {
    ws: &'a Ws,
    guest: Guest,
    out: Outbox,
    open: Requests,
}

impl Reader<'_> {
    async fn read(&mut self, line: &mut Line, messages: &mpsc::Sender<Incoming>) -> Farewell {
        loop {
            let text = match line.next_before(self.drained(), &self.ws.ending).await {
                Ok(text) => text,
                Err(farewell) => return farewell,
            };
            if let Some(message) = self.take(text.as_bytes()).await
                && messages.send(message).await.is_err()
            {
                return Farewell::gone();
            }
        }
    }

    async fn drained(&self) {
        self.ws.stop.cancelled().await;
        self.open.is_empty().await;
    }

    /// A message for the protocol, or `None` after its refusal was sent.
    async fn take(&mut self, text: &[u8]) -> Option<Incoming> {
        let gate = &self.ws.gate;
        let (envelope, refused) = match Envelope::read(text, gate.limits.json_depth) {
            Ok(envelope) => (envelope, None),
            Err(bad) => {
                let envelope = Envelope {
                    id: bad.id.clone(),
                    ..Envelope::default()
                };
                (envelope, Some(Refusal::message(&bad)))
            }
        };
        let mut asked = self.guest.asked(envelope.id.clone());
        // Nonsense counts for the rate like anything else.
        let checked = self.guest.check(&envelope, &mut asked);
        let taken = match (checked, &refused) {
            (Err(refusal), _) => Err(refusal),
            (Ok(()), Some(refusal)) => Err(refusal.clone()),
            (Ok(()), None) => self.begin(text, self.guest.caller(&asked)),
        };
        match taken {
            Ok(message) => Some(message),
            Err(refusal) => {
                gate.desk.record(&refusal, &asked).await;
                if envelope.is_request() || refused.is_some() {
                    let error = refusal.to_json(&asked.id, &asked.correlation_id);
                    self.out.say(error.to_string()).await;
                }
                None
            }
        }
    }

    fn begin(&self, text: &[u8], caller: Caller) -> Result<Incoming, Refusal> {
        self.open.read(text, |request| {
            if self.ws.stop.is_cancelled() {
                return Err(Refusal::draining());
            }
            let parts = self.parts(caller);
            request.request.extensions_mut().insert(parts);
            Ok(Held {
                _call: self.ws.gate.calls.token(),
            })
        })
    }

    /// What the handler would find in the extensions of a request over HTTP.
    fn parts(&self, caller: Caller) -> Parts {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        if let Ok(session) = HeaderValue::from_str(&self.guest.session()) {
            parts.headers.insert(SESSION, session);
        }
        parts.extensions.insert(caller);
        parts
    }
}

/// The protocol library's end of the connection.
struct Pipe {
    inbox: mpsc::Receiver<Incoming>,
    out: Outbox,
    open: Requests,
}

impl Transport<RoleServer> for Pipe {
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let (out, open) = (self.out.clone(), self.open.clone());
        async move {
            let text = serde_json::to_string(&message)?;
            // The id is free from here on; the drain waits until the answer is on its way.
            let _ended = open.answered(&message);
            // A client that has gone is noticed by whoever reads; its answer may be wanted later.
            out.say(text).await;
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<Incoming> {
        self.inbox.recv().await
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        self.inbox.close();
        Ok(())
    }
}
