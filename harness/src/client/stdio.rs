//! Standard input and output: many requests at once on one pair of pipes, told apart by id.
//!
//! A reply whose id nobody waits for is kept: a request that reaches its deadline meanwhile learns
//! that something else came in its place.

mod board;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::board::{Board, Heard};
use super::exchange::Exchange;
use super::request::{Request, Revision, initialize};
use super::trouble::io_words;
use super::{ClientError, Identity};
use crate::history::Now;
use crate::process::{Pair, Process};

/// A line longer than this ends the reading.
const LINE_BYTES: u64 = 64 * 1024 * 1024;

/// Messages for one request that may wait to be taken.
const HEARD: usize = 64;

/// How long a request listens on behind its terminal reply for a second one.
const LINGER: Duration = Duration::from_millis(20);

/// A client on a pair of pipes.
pub struct Stdio {
    identity: Identity,
    revision: Revision,
    now: Now,
    ids: AtomicU64,
    input: tokio::sync::Mutex<Box<dyn AsyncWrite + Send + Unpin>>,
    board: Arc<Mutex<Board>>,
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
        let board = Arc::new(Mutex::new(Board::default()));
        let reader = tokio::spawn(listen(output, Arc::clone(&board), Arc::clone(&now)));
        Self {
            identity,
            revision,
            now,
            ids: AtomicU64::new(1),
            input: tokio::sync::Mutex::new(Box::new(input)),
            board,
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
        self.lock().late_doubles
    }

    /// Lines on standard output that are no JSON message; an MCP server writes none.
    #[must_use]
    pub fn noise(&self) -> u64 {
        self.lock().noise
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
        if let Err(error) = self.write(&line, &mut exchange).await {
            exchange.fail(self.now(), io_words(&error));
        }
        exchange
    }

    /// Sends a request and reads all that comes back for it until `until`, ns on the run's clock.
    pub async fn exchange(&self, request: &Request, until: u64) -> Exchange {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let mut exchange = Exchange::begun(self.now());
        let (heard, mut messages) = mpsc::channel(HEARD);
        let mut listening = Listening {
            board: &self.board,
            id,
            answered: false,
        };
        if let Some(end) = self.lock().expect_reply(id, heard) {
            exchange.fail(self.now(), end);
            return exchange;
        }
        let left = Duration::from_nanos(until.saturating_sub(self.now()));
        let attempt = self.attempt(request, id, &mut messages, &mut exchange);
        let is_late = tokio::time::timeout(left, attempt).await.is_err();
        if is_late && exchange.reply.is_none() {
            exchange.fail(self.now(), "deadline");
            if self.lock().claim_stray(exchange.sent_at) {
                exchange.belongs = Some(false);
            }
        }
        listening.answered = exchange.reply.is_some();
        exchange
    }

    async fn attempt(
        &self,
        request: &Request,
        id: u64,
        messages: &mut mpsc::Receiver<Heard>,
        exchange: &mut Exchange,
    ) {
        let message = request.message(Some(id), self.revision, self.identity.software);
        if let Err(error) = self.write(&message, exchange).await {
            return exchange.fail(self.now(), io_words(&error));
        }
        let id = Value::from(id);
        while exchange.reply.is_none() {
            match messages.recv().await {
                Some(Heard::Message(at, message)) => {
                    exchange.first_byte_at.get_or_insert(at);
                    exchange.take(&id, at, message);
                }
                Some(Heard::End(trouble)) => return exchange.fail(self.now(), trouble),
                None => return exchange.fail(self.now(), "connection closed"),
            }
        }
        while let Ok(Some(heard)) = tokio::time::timeout(LINGER, messages.recv()).await {
            match heard {
                Heard::Message(at, message) => {
                    exchange.take(&id, at, message);
                }
                Heard::End(_) => return,
            }
        }
    }

    async fn write(&self, message: &Value, exchange: &mut Exchange) -> std::io::Result<()> {
        let line = format!("{message}\n");
        let mut input = self.input.lock().await;
        exchange.sent_at = self.now();
        input.write_all(line.as_bytes()).await?;
        input.flush().await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a request off the board however its waiting ends.
struct Listening<'a> {
    board: &'a Mutex<Board>,
    id: u64,
    answered: bool,
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        board.forget(self.id, self.answered);
    }
}

async fn listen(output: impl AsyncRead + Unpin, board: Arc<Mutex<Board>>, now: Now) {
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    let end = loop {
        line.clear();
        let mut bounded = (&mut lines).take(LINE_BYTES);
        match bounded.read_until(b'\n', &mut line).await {
            Ok(0) => break "connection closed".to_owned(),
            Ok(_) if line.last() != Some(&b'\n') => break "connection closed".to_owned(),
            Ok(_) => {
                let message = serde_json::from_slice::<Value>(&line).ok();
                let at = now();
                board
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .hear(at, message);
            }
            Err(error) => break io_words(&error),
        }
    };
    board
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .end(&end);
}

#[cfg(test)]
mod tests;
