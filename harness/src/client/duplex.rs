//! Many requests at once on one connection of two directions, told apart by id.
//!
//! A reply whose id nobody waits for is kept: a request that reaches its deadline meanwhile learns
//! that something else came in its place.

mod board;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use self::board::{Board, Heard};
use super::exchange::Exchange;
use crate::history::Now;

/// Messages for one request that may wait to be taken.
const HEARD: usize = 64;

/// How long a request listens on behind its terminal reply for a second one.
const LINGER: Duration = Duration::from_millis(20);

/// When the first byte went out, and the trouble with writing it.
pub(super) type Written = (u64, Result<(), String>);

/// The requests on one connection, whatever carries it.
pub(super) struct Duplex {
    board: Mutex<Board>,
    now: Now,
}

impl Duplex {
    pub(super) fn new(now: Now) -> Self {
        Self {
            board: Mutex::default(),
            now,
        }
    }

    /// Takes one message as it came, JSON or not.
    pub(super) fn hear(&self, message: &[u8]) {
        let message = serde_json::from_slice::<Value>(message).ok();
        let at = (self.now)();
        self.lock().hear(at, message);
    }

    /// Takes a message of a kind that carries no JSON.
    pub(super) fn hear_noise(&self) {
        let at = (self.now)();
        self.lock().hear(at, None);
    }

    /// Tells every waiting request, and each one to come, that the connection ended.
    pub(super) fn end(&self, trouble: &str) {
        self.lock().end(trouble);
    }

    /// Second replies that came after their request had stopped listening for one.
    pub(super) fn late_doubles(&self) -> u64 {
        self.lock().late_doubles
    }

    /// Messages that were no JSON.
    pub(super) fn noise(&self) -> u64 {
        self.lock().noise
    }

    /// Writes the request `id` and reads all that comes back for it until `until`, ns on the run's
    /// clock. Nothing is written on a connection that has ended.
    pub(super) async fn exchange(
        &self,
        id: u64,
        until: u64,
        write: impl Future<Output = Written>,
    ) -> Exchange {
        let mut exchange = Exchange::begun((self.now)());
        let (heard, mut messages) = mpsc::channel(HEARD);
        if let Some(end) = self.lock().expect_reply(id, heard) {
            exchange.fail((self.now)(), end);
            return exchange;
        }
        let mut listening = Listening {
            board: &self.board,
            id,
            answered: false,
        };
        let left = Duration::from_nanos(until.saturating_sub((self.now)()));
        let attempt = self.attempt(id, write, &mut messages, &mut exchange);
        let is_late = tokio::time::timeout(left, attempt).await.is_err();
        if is_late && exchange.reply.is_none() {
            exchange.fail((self.now)(), "deadline");
            if self.lock().claim_stray(exchange.sent_at) {
                exchange.belongs = Some(false);
            }
        }
        listening.answered = exchange.reply.is_some();
        exchange
    }

    async fn attempt(
        &self,
        id: u64,
        write: impl Future<Output = Written>,
        messages: &mut mpsc::Receiver<Heard>,
        exchange: &mut Exchange,
    ) {
        let (at, written) = write.await;
        exchange.sent_at = at;
        if let Err(trouble) = written {
            return exchange.fail((self.now)(), trouble);
        }
        let id = Value::from(id);
        while exchange.reply.is_none() {
            match messages.recv().await {
                Some(Heard::Message(at, message)) => {
                    exchange.first_byte_at.get_or_insert(at);
                    exchange.take(&id, at, message);
                }
                Some(Heard::End(trouble)) => return exchange.fail((self.now)(), trouble),
                None => return exchange.fail((self.now)(), "connection closed"),
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

    fn lock(&self) -> MutexGuard<'_, Board> {
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
