//! The requests of one client on their way to the daemon and back. Pure: time comes in, texts come
//! out; the loop around it reads, writes and waits.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::config::Bridge as Settings;
use crate::failure::{Category, Failure};
use crate::protocol::caller::fresh_correlation_id;
use crate::protocol::reply;
use crate::transport::envelope::Envelope;
use crate::transport::lines::BadLine;

/// Nesting of a client's message.
const DEPTH: usize = 64;

/// The daemon's own codes of refusals that pass: over a rate, and ending.
const PASSING: [i64; 2] = [-32029, -32030];

/// The longest wait that is taken upon the bridge; a longer one is the client's to decide.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The wait after a refusal that names none.
const WAIT: Duration = Duration::from_millis(500);

/// Where an idempotency key stands in the parameters of a call.
const KEY: &str = "dev.exai/idempotency-key";

/// What is to be done with a line of the client.
#[derive(Debug, PartialEq)]
pub enum Accepted {
    /// Nothing now; a request waits for its turn.
    Nothing,
    /// This goes back to the client.
    Answer(String),
    /// This goes to the daemon, if it is there.
    Note(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// To be sent, not before then.
    Waiting(Instant),
    /// At the daemon.
    Sent,
}

#[derive(Debug)]
struct Entry {
    /// The client's own id.
    id: Value,
    /// The message under the bridge's id.
    text: String,
    is_greeting: bool,
    state: State,
    asked_at: Instant,
}

/// All requests that were not answered yet.
#[derive(Debug)]
pub struct Ledger {
    session: String,
    next: u64,
    entries: BTreeMap<u64, Entry>,
    /// The bridge's number of each of the client's ids, as JSON text.
    ids: HashMap<String, u64>,
    in_flight: usize,
    most: usize,
    window: Duration,
    /// What any request may take; None is no wall clock.
    wall: Option<Duration>,
    /// The parameters of the client's `initialize`, and whether it was answered.
    greeting: Option<(Value, bool)>,
    lost_at: Option<Instant>,
}

/// A JSON-RPC error object with the one failure object as its data.
pub fn error(code: i32, failure: &Failure) -> Value {
    let data = reply::error_object(failure, &fresh_correlation_id());
    json!({"code": code, "message": failure.message, "data": data})
}

/// A JSON-RPC error for one request of the client.
pub fn answer(id: &Value, error: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string()
}

/// The answer to a line that was passed over.
pub fn unread(bad: BadLine) -> String {
    let (code, failure) = bad.failure();
    answer(&Value::Null, &error(code, &failure))
}

impl Ledger {
    /// Nothing asked yet, and no daemon found.
    pub fn new(settings: &Settings, session: &str, now: Instant) -> Self {
        Self {
            session: session.to_owned(),
            next: 0,
            entries: BTreeMap::new(),
            ids: HashMap::new(),
            in_flight: settings.in_flight,
            most: settings.queue + settings.in_flight,
            window: settings.reconnect,
            wall: settings.wall,
            greeting: None,
            lost_at: Some(now),
        }
    }

    /// Whether every request was answered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The client's `initialize`, once the daemon has answered it.
    pub fn greeting(&self) -> Option<Value> {
        let (params, is_answered) = self.greeting.as_ref()?;
        is_answered.then(|| params.clone())
    }

    /// A line of the client.
    pub fn accept(&mut self, line: &str, now: Instant) -> Accepted {
        let envelope = match Envelope::read(line.as_bytes(), DEPTH) {
            Ok(envelope) => envelope,
            Err(bad) => {
                return Accepted::Answer(answer(&bad.id, &error(bad.code, &bad.failure())));
            }
        };
        let message = serde_json::from_str(line);
        let Ok(Value::Object(mut message)) = message else {
            return Accepted::Nothing;
        };
        if envelope.is_request() {
            return match self.ask(&envelope, message, now) {
                Ok(()) => Accepted::Nothing,
                Err(error) => Accepted::Answer(answer(&envelope.id, &error)),
            };
        }
        if envelope.method.as_deref() == Some("notifications/cancelled")
            && let Some(id) = message
                .get("params")
                .and_then(|params| params.get("requestId"))
        {
            return self.cancel(id).map_or(Accepted::Nothing, |id| {
                let params = json!({ "requestId": id });
                message.insert("params".to_owned(), params);
                Accepted::Note(Value::Object(message).to_string())
            });
        }
        Accepted::Note(line.to_owned())
    }

    fn ask(
        &mut self,
        envelope: &Envelope,
        mut message: Map<String, Value>,
        now: Instant,
    ) -> Result<(), Value> {
        if self.entries.len() >= self.most {
            let text = "Too many requests wait for the daemon; let one end and try again.";
            let failure = Failure::new(Category::RateLimitError, "bridge_queue_full", text);
            return Err(error(
                -32029,
                &failure.with_retry_after(Duration::from_secs(1)),
            ));
        }
        let key = envelope.id.to_string();
        if self.ids.contains_key(&key) {
            let text = "This id belongs to a request that is still open; use another one.";
            let failure = Failure::new(Category::ClientError, "id_in_use", text);
            return Err(error(-32600, &failure));
        }
        let number = self.next;
        self.next += 1;
        let own = format!("{}-{number}", self.session);
        let is_greeting = envelope.method.as_deref() == Some("initialize");
        if is_greeting {
            let params = message.get("params").cloned().unwrap_or_default();
            self.greeting = Some((params, false));
        }
        if envelope.method.as_deref() == Some("tools/call") {
            add_key(&mut message, &own);
        }
        message.insert("id".to_owned(), own.into());
        self.ids.insert(key, number);
        let entry = Entry {
            id: envelope.id.clone(),
            text: Value::Object(message).to_string(),
            is_greeting,
            state: State::Waiting(now),
            asked_at: now,
        };
        self.entries.insert(number, entry);
        Ok(())
    }

    /// Forgets a request; its id at the daemon, if it is there.
    fn cancel(&mut self, id: &Value) -> Option<String> {
        let number = *self.ids.get(&id.to_string())?;
        let entry = self.remove(number)?;
        (entry.state == State::Sent).then(|| format!("{}-{number}", self.session))
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        self.ids.remove(&entry.id.to_string());
        Some(entry)
    }

    /// The oldest request whose turn it is; it counts as sent from now on.
    pub fn next_to_send(&mut self, now: Instant) -> Option<String> {
        let sent = self.entries.values().filter(|e| e.state == State::Sent);
        if sent.count() >= self.in_flight {
            return None;
        }
        let is_due = |entry: &&mut Entry| match entry.state {
            State::Waiting(due) => due <= now,
            State::Sent => false,
        };
        let entry = self.entries.values_mut().find(is_due)?;
        entry.state = State::Sent;
        Some(entry.text.clone())
    }

    /// A message of the daemon; what the client is told of it.
    pub fn answer(&mut self, mut message: Value, now: Instant) -> Option<String> {
        if message.get("method").is_some() {
            return Some(message.to_string());
        }
        let own = message.get("id").and_then(Value::as_str);
        let number = own.and_then(|id| id.strip_prefix(&self.session)?.strip_prefix('-'));
        // An answer to nobody: its request was cancelled, or told that it came too late.
        let number: u64 = number?.parse().ok()?;
        let entry = self.entries.get_mut(&number)?;
        if let Some(wait) = passing(&message)
            && now.duration_since(entry.asked_at) < self.window
        {
            entry.state = State::Waiting(now + wait);
            return None;
        }
        let entry = self.remove(number)?;
        let has_result = message
            .get("result")
            .is_some_and(|result| !result.is_null());
        if !has_result && message.get("error").is_none() {
            let text = "The daemon answered with neither a result nor an error.";
            let failure = Failure::new(Category::ServerError, "empty_answer", text);
            return Some(answer(&entry.id, &error(-32603, &failure)));
        }
        if let Some((_, is_answered)) = self.greeting.as_mut().filter(|_| entry.is_greeting) {
            *is_answered = has_result;
        }
        message["id"] = entry.id;
        Some(message.to_string())
    }

    /// The daemon is lost: what was sent is to be sent again.
    pub fn lost(&mut self, now: Instant) {
        self.lost_at.get_or_insert(now);
        for entry in self.entries.values_mut() {
            entry.state = State::Waiting(now);
        }
    }

    /// The daemon is there.
    pub fn found(&mut self) {
        self.lost_at = None;
    }

    /// Ends every request with the daemon's refusal.
    pub fn refuse(&mut self, error: &Value) -> Vec<String> {
        self.ids.clear();
        let entries = std::mem::take(&mut self.entries);
        entries
            .values()
            .map(|entry| answer(&entry.id, error))
            .collect()
    }

    /// Ends what has waited too long for a daemon that is lost, or for any answer.
    pub fn expire(&mut self, now: Instant) -> Vec<String> {
        let due: Vec<u64> = self
            .entries
            .iter()
            .filter(|(_, entry)| self.end_of(entry).is_some_and(|end| end <= now))
            .map(|(number, _)| *number)
            .collect();
        let (category, code, what) = match self.lost_at {
            Some(_) => (
                Category::NetworkError,
                "daemon_unreachable",
                "The daemon cannot be reached; see bridge.url.",
            ),
            None => (
                Category::TimeoutError,
                "bridge_timeout",
                "No answer came within timeouts.classic.bridge.",
            ),
        };
        let message = format!(
            "{what} The call may have been made: sent again with the same idempotency key it is \
             made once."
        );
        let failure = Failure::new(category, code, message);
        due.into_iter()
            .filter_map(|number| self.remove(number))
            .map(|entry| answer(&entry.id, &error(-32050, &failure)))
            .collect()
    }

    fn end_of(&self, entry: &Entry) -> Option<Instant> {
        let lost = self.lost_at.map(|at| at.max(entry.asked_at) + self.window);
        let wall = self.wall.map(|wall| entry.asked_at + wall);
        lost.into_iter().chain(wall).min()
    }

    /// When to look at the clock again.
    pub fn due(&self) -> Option<Instant> {
        let ends = self.entries.values().filter_map(|entry| self.end_of(entry));
        if self.lost_at.is_some() {
            return ends.min();
        }
        let waits = |entry: &Entry| match entry.state {
            State::Waiting(due) => Some(due),
            State::Sent => None,
        };
        let full = self
            .entries
            .values()
            .filter(|e| e.state == State::Sent)
            .count();
        let is_held = full >= self.in_flight;
        let turns = self.entries.values().filter(|_| !is_held);
        turns.filter_map(waits).chain(ends).min()
    }
}

/// How long until a refusal that passes has passed.
fn passing(message: &Value) -> Option<Duration> {
    let error = message.get("error")?;
    let code = error.get("code")?.as_i64()?;
    if !PASSING.contains(&code) {
        return None;
    }
    let wait = error
        .pointer("/data/retry_after_ms")
        .and_then(Value::as_u64);
    let wait = wait.map_or(WAIT, Duration::from_millis);
    (wait <= LONGEST_WAIT).then_some(wait)
}

/// Gives a call an idempotency key, unless the client gave one.
fn add_key(message: &mut Map<String, Value>, key: &str) {
    let params = message.get_mut("params").and_then(Value::as_object_mut);
    let Some(params) = params else { return };
    let meta = params.entry("_meta").or_insert_with(|| json!({}));
    if let Some(meta) = meta.as_object_mut() {
        meta.entry(KEY)
            .or_insert_with(|| format!("bridge-{key}").into());
    }
}

#[cfg(test)]
#[path = "ledger/tests.rs"]
mod tests;
