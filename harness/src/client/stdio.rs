//! Standard input and output: many requests at once on one pair of pipes, told apart by id.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::task::JoinHandle;

use super::duplex::{Duplex, Written};
use super::exchange::Exchange;
use super::request::{Request, Revision, initialize};
use super::trouble::io_words;
use super::{ClientError, Identity};
use crate::history::Now;
use crate::process::{Pair, Process};

/// A line longer than this ends the reading.
const LINE_BYTES: u64 = 64 * 1024 * 1024;

/// A client on a pair of pipes.
pub struct Stdio {
    identity: Identity,
    revision: Revision,
    now: Now,
    ids: AtomicU64,
    input: tokio::sync::Mutex<Box<dyn AsyncWrite + Send + Unpin>>,
    duplex: Arc<Duplex>,
    reader: JoinHandle<()>,
    process: Option<Process>,
}

impl Drop for Stdio {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Stdio {
    /// A client on pipes that someone else owns; `input` is the server's standard input.
    pub fn over(
        input: impl AsyncWrite + Send + Unpin + 'static,
        output: impl AsyncRead + Send + Unpin + 'static,
        revision: Revision,
        identity: Identity,
        now: Now,
    ) -> Self {
        let duplex = Arc::new(Duplex::new(Arc::clone(&now)));
        let reader = tokio::spawn(listen(output, Arc::clone(&duplex)));
        Self {
            identity,
            revision,
            now,
            ids: AtomicU64::new(1),
            input: tokio::sync::Mutex::new(Box::new(input)),
            duplex,
            reader,
            process: None,
        }
    }

    /// A client on the pipes of `process`, which is killed when the client is dropped.
    ///
    /// # Errors
    /// When its input or output is no pipe, or was taken before.
    pub fn of(
        process: Process,
        revision: Revision,
        identity: Identity,
        now: Now,
    ) -> Result<Self, ClientError> {
        let pipes = process.take_stdin().zip(process.take_stdout());
        let (input, output) = pipes.ok_or(ClientError::NoPipe)?;
        let mut client = Self::over(input, output, revision, identity, now);
        client.process = Some(process);
        Ok(client)
    }

    /// The process on the other end, where this client owns it.
    #[must_use]
    pub fn pair(&self) -> Option<Pair> {
        self.process.as_ref().map(Process::pair)
    }

    /// Who speaks.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The revision spoken.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The run's clock.
    pub(super) fn now(&self) -> u64 {
        (self.now)()
    }

    /// Second replies that came after their request had stopped listening for one.
    #[must_use]
    pub fn late_doubles(&self) -> u64 {
        self.duplex.late_doubles()
    }

    /// Lines on standard output that are no JSON message; an MCP server writes none.
    #[must_use]
    pub fn noise(&self) -> u64 {
        self.duplex.noise()
    }

    /// Performs the handshake of 2025-11-25; the newer revision needs none.
    ///
    /// # Errors
    /// When the handshake is not answered as the revision asks.
    pub async fn greet(&self, wait: Duration) -> Result<(), ClientError> {
        if self.revision == Revision::V2026 {
            return Ok(());
        }
        let until = self.now() + u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let exchange = self
            .exchange(&initialize(self.identity.software), until)
            .await;
        if exchange.result().is_none() {
            return Err(ClientError::handshake(&exchange));
        }
        let done = self.notify("notifications/initialized").await;
        if done.trouble.is_some() {
            return Err(ClientError::handshake(&done));
        }
        Ok(())
    }

    /// Sends a notification.
    pub async fn notify(&self, method: &str) -> Exchange {
        let message = Request::new(method, Value::Null);
        let mut exchange = Exchange::begun(self.now());
        let line = message.message(None, self.revision, self.identity.software);
        let (at, written) = self.write(&line).await;
        exchange.sent_at = at;
        if let Err(trouble) = written {
            exchange.fail(self.now(), trouble);
        }
        exchange
    }

    /// Sends a request and reads all that comes back for it until `until`, ns on the run's clock.
    pub async fn exchange(&self, request: &Request, until: u64) -> Exchange {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let message = request.message(Some(id), self.revision, self.identity.software);
        let write = self.write(&message);
        self.duplex.exchange(id, until, write).await
    }

    /// Writes one line; when its first byte went out, and what came of it.
    async fn write(&self, message: &Value) -> Written {
        let line = format!("{message}\n");
        let mut input = self.input.lock().await;
        let at = self.now();
        let written = async {
            input.write_all(line.as_bytes()).await?;
            input.flush().await
        };
        (at, written.await.map_err(|error| io_words(&error)))
    }
}

async fn listen(output: impl AsyncRead + Unpin, duplex: Arc<Duplex>) {
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    let end = loop {
        line.clear();
        let mut bounded = (&mut lines).take(LINE_BYTES);
        match bounded.read_until(b'\n', &mut line).await {
            Ok(0) => break "connection closed".to_owned(),
            Ok(_) if line.last() != Some(&b'\n') => break "connection closed".to_owned(),
            Ok(_) => duplex.hear(&line),
            Err(error) => break io_words(&error),
        }
    };
    duplex.end(&end);
}

#[cfg(test)]
mod tests;
