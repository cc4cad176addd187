//! Subprotocol `exai.v1`: frames with an `op`. The first is a hello that says who is there; calls
//! then run side by side, each answered once, under the `request_id` that it was sent with.
//!
//! A frame that cannot be taken gets an error frame and the connection goes on. What is closed:
//! text that is no JSON, frames before the hello, a second hello, another dialect.

pub mod answer;
mod call;
mod chunks;
mod frame;

use std::sync::Arc;

use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::super::envelope::Envelope;
use super::super::open::{Open, Unopened};
use super::super::refusal::{Asked, Refusal};
use super::Ws;
use super::close::Farewell;
use super::guest::{Guest, NoHello};
use super::line::{Line, Outbox};
use super::names::Name;
use call::Running;
use frame::{CallTool, Frame, Hello, Unframed};

/// Open calls for each that a session may have in flight: those over the permits wait for their
/// refusal to be read.
const OPEN_PER_CALL: usize = 2;

/// What is held for an open call.
struct Held {
    /// Stops the work.
    cancel: CancellationToken,
    /// The drain waits for it.
    _call: TaskTrackerToken,
}

/// Serves one client until it leaves, breaks the protocol or the process ends.
pub async fn talk(ws: &Ws, mut guest: Guest, line: &mut Line, out: Outbox) -> Farewell {
    let name = match greet(ws, (&mut guest, |_| Ok(())), line, &out).await {
        Ok(name) => name,
        Err(farewell) => return farewell,
    };
    let daemon = Daemon {
        ws,
        session: Arc::clone(name.id()),
        out,
        open: Open::new(ws.gate.limits.in_flight_per_session * OPEN_PER_CALL),
    };
    daemon.listen(guest, line).await
}

/// Somebody who may say hello, and what more is asked of whoever said it.
pub type Entrant<'a> = (&'a mut Guest, fn(&mut Guest) -> Result<(), Refusal>);

/// Waits for the hello and answers it.
///
/// # Errors
/// What the connection is closed with.
pub async fn greet(
    ws: &Ws,
    (guest, may_stay): Entrant<'_>,
    line: &mut Line,
    out: &Outbox,
) -> Result<Name, Farewell> {
    let due = Instant::now() + ws.gate.limits.hello_timeout;
    let text = tokio::select! {
        text = line.next() => text?,
        () = tokio::time::sleep_until(due) => {
            return Err(Farewell::no_hello());
        }
        () = ws.stop.cancelled() => return Err(Farewell::ending()),
    };
    let mut asked = guest.asked(Value::Null);
    asked.action = "hello".to_owned();
    let refused = match Frame::read(text.as_bytes(), ws.gate.limits.json_depth) {
        Ok(Frame::Hello(hello)) => match enter(ws, (guest, may_stay), &hello, &mut asked) {
            Ok(name) => {
                let ack = answer::welcome(name.id(), ws.toolbox.surroundings());
                out.say(ack).await;
                return Ok(name);
            }
            Err(refused) => refused,
        },
        Ok(_) => NoHello::missing(),
        Err(Unframed::Fatal(farewell)) => return Err(farewell),
        Err(Unframed::Refused { refusal, .. }) => NoHello::malformed(*refusal),
    };
    ws.gate.desk.record(&refused.refusal, &asked).await;
    out.say(answer::unwelcome(&refused, &asked)).await;
    Err(refused.farewell)
}

fn enter(
    ws: &Ws,
    (guest, may_stay): Entrant<'_>,
    hello: &Hello,
    asked: &mut Asked,
) -> Result<Name, NoHello> {
    let tokens = [hello.jwt.as_deref(), hello.token.as_deref()];
    guest.identify(&tokens, asked)?;
    may_stay(guest).map_err(NoHello::refused)?;
    let id: Arc<str> = match &hello.session_id {
        Some(id) => id.as_str().into(),
        None => guest.session(),
    };
    // A name that another principal uses is refused like a bad credential.
    let name = ws.names.take(&id, guest.name());
    name.ok_or_else(|| NoHello::refused(Refusal::unauthorized("session")))
}

struct Daemon<'a> {
    ws: &'a Ws,
    session: Arc<str>,
    out: Outbox,
    open: Open<Held>,
}

impl Daemon<'_> {
    async fn listen(&self, mut guest: Guest, line: &mut Line) -> Farewell {
        loop {
            let text = match line.next_before(self.drained(), &self.ws.ending).await {
                Ok(text) => text,
                Err(farewell) => return farewell,
            };
            if let Err(farewell) = self.take(&mut guest, text.as_bytes()).await {
                return farewell;
            }
        }
    }

    async fn drained(&self) {
        self.ws.stop.cancelled().await;
        self.open.is_empty().await;
    }

    /// Answers one frame, or begins to.
    async fn take(&self, guest: &mut Guest, text: &[u8]) -> Result<(), Farewell> {
        let (frame, id) = match Frame::read(text, self.ws.gate.limits.json_depth) {
            Ok(Frame::Hello(_)) => return Err(Farewell::protocol("hello was said already")),
            Ok(frame) => {
                let id = frame.request_id();
                (Ok(frame), id)
            }
            Err(Unframed::Refused { refusal, id }) => (Err(*refusal), id),
            Err(Unframed::Fatal(farewell)) => return Err(farewell),
        };
        let mut asked = guest.asked(id);
        let envelope = match &frame {
            Ok(frame) => frame.envelope(),
            Err(_) => Envelope::default(),
        };
        // Nonsense counts for the rate like anything else.
        let checked = guest.check(&envelope, &mut asked);
        let answered = match (checked, frame) {
            (Err(refusal), _) | (Ok(_), Err(refusal)) => Err(refusal),
            (Ok(_), Ok(frame)) => self.answer(guest, frame, &asked).await,
        };
        if let Err(refusal) = answered {
            self.ws.gate.desk.record(&refusal, &asked).await;
            let error = answer::error(&asked.id, &refusal.failure, &asked.correlation_id);
            self.out.say(error).await;
        }
        Ok(())
    }

    async fn answer(&self, guest: &mut Guest, frame: Frame, asked: &Asked) -> Result<(), Refusal> {
        let said = match frame {
            Frame::CallTool(call) => return self.begin(guest, call, asked),
            Frame::ToolCall(call) => return self.begin(guest, call.into(), asked),
            Frame::Cancel(cancel) => {
                let is_open = self
                    .open
                    .look(&cancel.request_id.key(), |held| held.cancel.cancel());
                // The call itself says that it was cancelled, once the work has stopped.
                return is_open.ok_or_else(|| {
                    let message = "No open call has this request_id; it may have been answered.";
                    Refusal::invalid("call_not_found", message)
                });
            }
            Frame::ListTools(_) => {
                let may = |tool: &str| guest.may_call(tool);
                answer::tools(&asked.id, self.ws.toolbox.registry(), may)
            }
            Frame::Ping(_) => answer::pong(&asked.id),
            Frame::Health(_) => {
                let detail = self.ws.health.detail();
                let is_ready = self.ws.health.is_ready();
                let all = guest.may_administer().then_some(detail.components);
                answer::health(&asked.id, (detail.status, is_ready), all)
            }
            Frame::RotateToken(rotate) => {
                guest.rotate(&rotate.old, &rotate.new)?;
                self.ws.gate.desk.record_allowed(asked).await;
                answer::rotated(&asked.id)
            }
            // Met before; a second one never comes here.
            Frame::Hello(_) => return Ok(()),
        };
        self.out.say(said).await;
        Ok(())
    }

    fn begin(&self, guest: &Guest, call: CallTool, asked: &Asked) -> Result<(), Refusal> {
        if self.ws.stop.is_cancelled() {
            return Err(Refusal::draining());
        }
        // The caller's wish alone; a lost connection leaves an answer that is paid for.
        let cancel = self.ws.ending.child_token();
        let held = Held {
            cancel: cancel.clone(),
            _call: self.ws.gate.calls.token(),
        };
        self.open
            .begin(&call.request_id.key(), held)
            .map_err(Unopened::refusal)?;
        let running = Running {
            toolbox: self.ws.toolbox.clone(),
            caller: guest.caller(asked),
            session: Arc::clone(&self.session),
            out: self.out.clone(),
            open: self.open.clone(),
            cancel,
        };
        self.ws.connections.spawn(running.run(call));
        Ok(())
    }
}
