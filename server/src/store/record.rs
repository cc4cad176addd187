//! What a store keeps: threads, exchanges, claims. Plain values, the same in both homes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// The handle of a thread: 122 random bits, never derived from time or owner, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ThreadId(Uuid);

impl ThreadId {
    /// A fresh id from the operating system's generator.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Text that is not a thread id. To a caller this is the same as an unknown id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("parse a thread id")]
pub struct NotAThreadId;

impl FromStr for ThreadId {
    type Err = NotAThreadId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Only the printed form is accepted, so that one thread has one spelling.
        let id = Uuid::parse_str(text).map_err(|_| NotAThreadId)?;
        if id.hyphenated().to_string() == text {
            Ok(Self(id))
        } else {
            Err(NotAThreadId)
        }
    }
}

/// One exchange (a turn): the caller's message and the whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Fresh per exchange; makes a repeated append of the same exchange harmless.
    pub id: Uuid,
    /// The tool that was called.
    pub tool: String,
    /// The caller's message, exactly as sent.
    pub user: String,
    /// File contents that went with the message, as shown to the model; empty when none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub attached: String,
    /// The answer, exactly as returned.
    pub assistant: String,
    /// What the model thought, as its provider wants it back; empty where it wants nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thoughts: Vec<Value>,
    /// The model that answered; empty where none was asked.
    pub model: String,
    /// The provider that answered; empty where none was asked.
    pub provider: String,
    /// The id of the call that made it, as in log, reply and metric; empty in older records.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub correlation_id: String,
    /// Unix milliseconds of the append.
    pub created_ms: i64,
}

/// A thread as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredThread {
    /// Its handle.
    pub id: ThreadId,
    /// The first sixty printable characters of its first message.
    pub title: String,
    /// All exchanges, oldest first.
    pub exchanges: Vec<Exchange>,
    /// What a workflow keeps between its steps, as JSON text.
    pub state: Option<String>,
    /// Milliseconds until the thread expires.
    pub ttl_ms: u64,
}

/// One line of a principal's own list of threads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ThreadSummary {
    /// Its handle, printed.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Exchanges held.
    pub turns: u32,
    /// Unix milliseconds of the last append.
    pub updated_ms: i64,
}

/// An idempotency key with the digest of the arguments it was used with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The caller's key.
    pub key: String,
    /// Hex digest of tool name and normalised arguments.
    pub digest: String,
}

/// What a claimed call answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    /// Digest of the arguments of the call that was answered.
    pub digest: String,
    /// The thread the exchange went to.
    pub thread: ThreadId,
    /// The number of the exchange.
    pub turn: u32,
    /// The stored reply, as JSON text.
    pub reply: String,
}

/// Where an exchange goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A thread that begins with this exchange.
    New {
        /// Its title.
        title: String,
    },
    /// A thread that exists. `expected` is the number of exchanges the caller computed on; `None`
    /// accepts any.
    Existing {
        /// Refuse with `Moved` when the thread holds another number of exchanges.
        expected: Option<u32>,
    },
}

/// One atomic append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The verified principal.
    pub owner: String,
    /// The thread's handle; fresh for a new thread.
    pub thread: ThreadId,
    /// New or existing.
    pub target: Target,
    /// What is appended.
    pub exchange: Exchange,
    /// Replaces the workflow state when given.
    pub state: Option<String>,
    /// Idempotency key and the reply to keep under it.
    pub claim: Option<(Claim, String)>,
}

/// How an append ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// Durable, as exchange number `turn` (from 1).
    Stored {
        /// The number of the exchange.
        turn: u32,
    },
    /// The key was used before with the same arguments; nothing was appended.
    Replayed(Recalled),
}

/// Bounds of a thread, from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadLimits {
    /// Exchanges in one thread.
    pub exchanges: u32,
    /// Life after the last append, in milliseconds.
    pub ttl_ms: u64,
    /// Copies that may wait for the archive: of all on SQLite, of one owner on Redis. 0: none wait.
    pub queue: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_id_has_exactly_one_spelling() {
        let id = ThreadId::fresh();
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        for other in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
        ] {
            if other != text {
                assert_eq!(other.parse::<ThreadId>(), Err(NotAThreadId), "{other}");
            }
        }
    }
}
