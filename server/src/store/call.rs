//! What is kept of a call that outlives the request it came with. What the call is and how it ended
//! are texts of the tools' own; the store knows when it ended, who may see it and whether somebody
//! still works on it.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::record::NotAThreadId;

/// Without a sign of life for so long, nobody works on a call any more: three beats of the worker
/// and a store that was slow once.
pub const ALIVE_MS: u64 = 10_000;

/// What every handle of a call begins with, which no handle of a thread does.
pub const CALL_PREFIX: &str = "call-";

/// The handle of a call: 122 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId(Uuid);

impl CallId {
    /// A fresh id from the operating system's generator.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CALL_PREFIX}{}", self.0.hyphenated())
    }
}

impl FromStr for CallId {
    type Err = NotAThreadId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = text.strip_prefix(CALL_PREFIX).ok_or(NotAThreadId)?;
        let id = Self(Uuid::parse_str(id).map_err(|_| NotAThreadId)?);
        // Only the printed form is accepted, so that one call has one spelling.
        (id.to_string() == text).then_some(id).ok_or(NotAThreadId)
    }
}

/// One change of a kept call, which alone its owner can make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallChange {
    /// The verified principal.
    pub owner: String,
    /// The call's handle.
    pub id: CallId,
    /// Unix milliseconds.
    pub now_ms: i64,
    /// What changes.
    pub step: CallStep,
}

/// What changes of a kept call. Each may be repeated; all but the first need a call that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallStep {
    /// It is kept from now on, and worked on.
    Begin {
        /// What it is, as JSON text.
        facts: String,
    },
    /// Somebody works on it.
    Beat,
    /// It ended; of several ends the first stays.
    Settle {
        /// How, as JSON text.
        outcome: String,
    },
    /// Whoever works on it should stop.
    AskCancel,
}

/// A kept call as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCall {
    /// What it is, as JSON text.
    pub facts: String,
    /// How it ended; `None` while it has not.
    pub outcome: Option<String>,
    /// Whether its owner asked to stop it.
    pub is_cancel_asked: bool,
    /// Whether a sign of life is younger than [`ALIVE_MS`].
    pub is_alive: bool,
    /// Unix milliseconds of the first keeping.
    pub created_ms: i64,
    /// Unix milliseconds of the last change other than a beat.
    pub updated_ms: i64,
    /// Milliseconds until it is forgotten.
    pub ttl_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_has_one_spelling_and_is_never_that_of_a_thread() {
        let id = CallId::fresh();
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        assert!(text.parse::<super::super::ThreadId>().is_err());
        for other in [
            text.to_uppercase(),
            text.replace("call-", ""),
            format!(" {text}"),
        ] {
            assert_eq!(other.parse::<CallId>(), Err(NotAThreadId), "{other}");
        }
    }
}
