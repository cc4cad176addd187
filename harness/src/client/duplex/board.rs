//! Who waits for which id on one connection.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;
use tokio::sync::mpsc;

/// Replies to nobody that are remembered.
const STRAYS: usize = 1024;

/// What a waiting request is told.
pub(super) enum Heard {
    /// A message, read at a moment.
    Message(u64, Value),
    /// The connection ended.
    End(String),
}

/// The waiting requests of one connection.
#[derive(Default)]
pub(super) struct Board {
    waiting: HashMap<u64, mpsc::Sender<Heard>>,
    strays: VecDeque<u64>,
    abandoned: VecDeque<u64>,
    highest: u64,
    ended: Option<String>,
    pub(super) noise: u64,
    pub(super) late_doubles: u64,
}

impl Board {
    /// Registers a request; gives the reason when the connection has ended already.
    pub(super) fn expect_reply(&mut self, id: u64, heard: mpsc::Sender<Heard>) -> Option<String> {
        if self.ended.is_none() {
            self.waiting.insert(id, heard);
            self.highest = self.highest.max(id);
        }
        self.ended.clone()
    }

    /// Stops waiting; the late reply of an abandoned request is nobody's fault.
    pub(super) fn forget(&mut self, id: u64, answered: bool) {
        self.waiting.remove(&id);
        if !answered {
            self.abandoned.truncate(STRAYS - 1);
            self.abandoned.push_front(id);
        }
    }

    /// Routes what was read at `at`; None is something that was not JSON.
    pub(super) fn hear(&mut self, at: u64, message: Option<Value>) {
        match message {
            None => self.noise += 1,
            Some(Value::Array(batch)) => {
                batch
                    .into_iter()
                    .for_each(|message| self.hear(at, Some(message)));
            }
            Some(message) => self.route(at, message),
        }
    }

    fn route(&mut self, at: u64, message: Value) {
        let is_reply = message.get("result").is_some() || message.get("error").is_some();
        if !is_reply {
            let token = message["params"]["progressToken"].as_str();
            let id = token.and_then(|token| token.strip_prefix('r')?.parse().ok());
            return self.tell(id, at, message);
        }
        let id = &message["id"];
        let named: Option<u64> = id.as_u64().or_else(|| id.as_str()?.parse().ok());
        if named.is_some_and(|id| self.waiting.contains_key(&id)) {
            return self.tell(named, at, message);
        }
        if named.is_some_and(|id| self.abandoned.contains(&id)) {
            return;
        }
        let is_known = named.is_some_and(|id| (1..=self.highest).contains(&id));
        match self.waiting.keys().next().copied() {
            Some(only) if self.waiting.len() == 1 && !is_known => {
                self.tell(Some(only), at, message);
            }
            _ => {
                self.late_doubles += u64::from(is_known);
                self.strays.truncate(STRAYS - 1);
                self.strays.push_front(at);
            }
        }
    }

    fn tell(&self, id: Option<u64>, at: u64, message: Value) {
        if let Some(waiting) = id.and_then(|id| self.waiting.get(&id)) {
            // A request with this much unread is past its own end.
            drop(waiting.try_send(Heard::Message(at, message)));
        }
    }

    /// Takes one reply to nobody that came after `since`.
    pub(super) fn claim_stray(&mut self, since: u64) -> bool {
        let found = self.strays.iter().position(|at| *at >= since);
        found.is_some_and(|index| self.strays.remove(index).is_some())
    }

    pub(super) fn end(&mut self, trouble: &str) {
        self.ended = Some(trouble.to_owned());
        for (_, waiting) in self.waiting.drain() {
            drop(waiting.try_send(Heard::End(trouble.to_owned())));
        }
    }
}
