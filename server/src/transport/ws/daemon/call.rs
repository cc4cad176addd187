//! One call of the daemon: progress and pieces while it runs, and exactly one outcome.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::super::open::Open;
use super::super::line::Outbox;
use super::chunks::{Chunks, Standing};
use super::frame::CallTool;
use super::{Held, answer};
use crate::failure::{Category, Failure};
use crate::protocol::caller::Caller;
use crate::protocol::progress::{Next, Progress, QUEUE, Sign, label, wants_text};
use crate::protocol::reply;
use crate::tool::{Call, Reply, Toolbox};

/// A call and its way back.
pub struct Running {
    pub toolbox: Toolbox,
    pub caller: Caller,
    pub session: Arc<str>,
    pub out: Outbox,
    pub open: Open<Held>,
    pub cancel: CancellationToken,
}

impl Running {
    /// Runs the tool and says how it ended.
    pub async fn run(self, asked: CallTool) {
        let started = Instant::now();
        let id = asked.request_id.value().clone();
        let (sender, texts) = mpsc::channel(QUEUE);
        let is_streamed = wants_text(&asked.arguments);
        let mut progress = Progress::new(label(&asked.name, &asked.arguments), texts);
        let call = Call {
            name: asked.name,
            arguments: asked.arguments,
            caller: self.caller.clone(),
            idempotency_key: asked.idempotency_key,
            is_fresh: asked.no_cache,
            session: Some(self.session.to_string()),
            cancel: self.cancel.clone(),
            on_text: is_streamed.then_some(sender),
            parent: None,
        };
        let mut chunks = Chunks::default();
        let mut frames = Vec::new();
        let mut work = pin!(self.toolbox.call(call));
        let ended = loop {
            let frame = match progress.next(work.as_mut()).await {
                Next::Sign(Sign::Working(message)) => answer::progress(&id, &message),
                Next::Sign(Sign::Text(text)) => answer::chunk(&id, chunks.number(&text), &text),
                Next::Done(ended, rest) => {
                    let rest = rest.map(|text| answer::chunk(&id, chunks.number(&text), &text));
                    frames.extend(rest);
                    break ended;
                }
            };
            // A client that has gone is noticed by its connection.
            self.out.say(frame).await;
        };
        if is_streamed {
            end_stream(&id, chunks, ended.as_ref().ok(), &mut frames);
        }
        frames.push(self.outcome(&id, ended, started));
        // The id is free from here on; the drain waits until the outcome is on its way.
        let _held = self.open.end(&asked.request_id.key());
        for frame in frames {
            self.out.say(frame).await;
        }
    }

    fn outcome(&self, id: &Value, ended: Result<Reply, Failure>, started: Instant) -> String {
        let correlation_id = &*self.caller.correlation_id;
        let failure = match ended {
            Err(failure) if failure.code == "cancelled" => return answer::cancelled(id),
            Err(failure) => failure,
            Ok(reply) => {
                let around = self.toolbox.surroundings();
                let origin = reply::Origin {
                    instance: around.identity.instance(),
                    correlation_id,
                };
                let result = reply::result(reply, &around.settings, origin);
                let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                match answer::outcome(id, &result, latency_ms) {
                    Ok(frame) => return frame,
                    Err(error) => {
                        let message = "The answer could not be written.";
                        Failure::new(Category::ServerError, "reply_form", message).with_cause(error)
                    }
                }
            }
        };
        answer::error(id, &failure, correlation_id)
    }
}

/// The rest of the answer, if pieces are missing, and the last piece.
fn end_stream(id: &Value, mut chunks: Chunks, reply: Option<&Reply>, frames: &mut Vec<String>) {
    let standing = reply.map_or(Standing::Other, |reply| chunks.against(&reply.text));
    if let Standing::Rest(rest) = &standing {
        frames.push(answer::chunk(id, chunks.number(rest), rest));
    }
    let is_complete = standing != Standing::Other;
    frames.push(answer::last_chunk(id, chunks.number(""), is_complete));
}
