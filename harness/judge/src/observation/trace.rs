//! What a trace of system calls shows of appends to the store's file (judging.md §7.6).

use serde::{Deserialize, Serialize};

/// A trace of the process that writes the store's file, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceSeen {
    /// The criterion it was taken for.
    pub criterion: String,
    /// Whose system calls: `store`, or `server` where the store is inside it.
    pub process: String,
    /// Why there is no trace, for people; None when there is one.
    pub refused: Option<String>,
    /// The acknowledged appends, in order; empty without a trace.
    pub appends: Vec<AppendTraced>,
}

/// One acknowledged append. Places are lines of the trace, from 0: a call holds the two places
/// where it began and where it had returned, and what caused another comes before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendTraced {
    /// The client's operation.
    pub op: u64,
    /// Where its first write to the store's file had returned; None when none was seen.
    pub written: Option<u64>,
    /// Begin and return of the first sync of that file that began after that write; None when none
    /// was seen.
    pub synced: Option<(u64, u64)>,
    /// Where its acknowledgement began to leave; None when that was not seen.
    pub acknowledged: Option<u64>,
}

impl AppendTraced {
    /// Whether the trace shows both its write and its acknowledgement.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.written.is_some() && self.acknowledged.is_some()
    }

    /// What was wrong with it; None when a sync that began after its write had returned before its
    /// acknowledgement left, and where the trace does not show it whole.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let (written, left) = (self.written?, self.acknowledged?);
        if written > left {
            return Some("was acknowledged before it was written to the store's file");
        }
        match self.synced {
            Some((began, returned)) if began > written && returned < left => None,
            Some(_) => Some("was acknowledged before its write was synced"),
            None => Some("was acknowledged and its write never synced"),
        }
    }
}
