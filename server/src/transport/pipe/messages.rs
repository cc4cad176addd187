//! JSON-RPC, one message a line: read as strictly as over the network, and refused with the same
//! words. What is refused never reaches the protocol, and the conversation goes on.

use std::io;

use rmcp::RoleServer;
use rmcp::service::TxJsonRpcMessage;
use rmcp::transport::Transport;
use serde_json::Value;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

use super::super::envelope::Envelope;
use super::super::lines::{BadLine, Lines};
use super::super::open::Open;
use super::super::open::rpc::Incoming;
use super::super::refusal::Refusal;
use crate::config::Limits;
use crate::protocol::caller::fresh_correlation_id;

/// Open requests for each call there may be in flight: lists and cancelled calls count too.
const OPEN_PER_CALL: usize = 2;

/// The protocol library's end of a pair of pipes.
pub(super) struct Messages<R> {
    lines: Lines<R>,
    out: mpsc::Sender<String>,
    open: Open<()>,
    depth: usize,
    /// A refusal that waits for the writer; the library may give up waiting with us.
    unsaid: Option<String>,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    pub(super) fn new(input: R, out: mpsc::Sender<String>, limits: &Limits) -> Self {
        Self {
            lines: Lines::new(input),
            out,
            open: Open::new(limits.in_flight * OPEN_PER_CALL),
            depth: limits.json_depth,
            unsaid: None,
        }
    }

    /// A message for the protocol, nothing, or the refusal to send back.
    fn take(&self, line: Result<String, BadLine>) -> Result<Option<Incoming>, String> {
        let line = line.map_err(|bad| told(&Refusal::line(bad), &Value::Null))?;
        if line.trim().is_empty() {
            return Ok(None);
        }
        let envelope = Envelope::read(line.as_bytes(), self.depth)
            .map_err(|bad| told(&Refusal::message(&bad), &bad.id))?;
        let begun = self.open.read(line.as_bytes(), |_| Ok(()));
        begun.map(Some).or_else(|refusal| {
            // A notification has no answer, not even a refusal.
            let is_answered = envelope.is_request() || envelope.method.is_none();
            is_answered
                .then(|| told(&refusal, &envelope.id))
                .map_or(Ok(None), Err)
        })
    }
}

fn told(refusal: &Refusal, id: &Value) -> String {
    refusal.to_json(id, &fresh_correlation_id()).to_string()
}

impl<R: AsyncRead + Send + Unpin> Transport<RoleServer> for Messages<R> {
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let (out, open) = (self.out.clone(), self.open.clone());
        async move {
            let text = serde_json::to_string(&message)?;
            // The id is free from here on.
            drop(open.answered(&message));
            let sent = out.send(text).await;
            sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
        }
    }

    async fn receive(&mut self) -> Option<Incoming> {
        loop {
            if self.unsaid.is_some() {
                let room = self.out.reserve().await.ok()?;
                if let Some(text) = self.unsaid.take() {
                    room.send(text);
                }
            }
            let line = self.lines.next().await.ok()??;
            match self.take(line) {
                Ok(Some(message)) => return Some(message),
                Ok(None) => {}
                Err(refusal) => self.unsaid = Some(refusal),
            }
        }
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        Ok(())
    }
}
