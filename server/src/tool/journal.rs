//! The last calls of this process, for the tools that look back. Held in memory and bounded; what
//! was asked and answered is not in it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use super::run::Run;
use crate::failure::{Category, Severity};
use crate::observe::call_log::CallLog;

/// One call that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When it ended, UTC.
    pub at: Timestamp,
    /// The tool; `unknown` for a name that is none, `hidden` for one that is not available.
    pub tool: &'static str,
    /// `ok`, `error` or `cancelled`.
    pub status: &'static str,
    /// The failure's category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// The failure's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// How bad the failure is for whoever runs the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Whether the same call may succeed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// How long it took.
    pub elapsed_ms: u64,
    /// The model that answered, where one did.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// How it came.
    pub transport: &'static str,
    /// The id that is in reply, log and metric as well.
    pub correlation_id: Arc<str>,
    /// Who called.
    pub principal: Arc<str>,
}

impl Entry {
    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let what = match (self.category, self.code) {
            (Some(category), Some(code)) => format!(" {}/{code}", category.name()),
            _ => String::new(),
        };
        let model = if self.model.is_empty() {
            String::new()
        } else {
            format!(" {}", self.model)
        };
        format!(
            "{:.3} {} {} {} {} ms{what}{model} {} {}",
            self.at,
            self.status,
            self.tool,
            self.transport,
            self.elapsed_ms,
            self.principal,
            self.correlation_id
        )
    }
}

/// The last calls; cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal {
    entries: Arc<Mutex<VecDeque<Entry>>>,
    most: usize,
    log: Option<CallLog>,
}

impl Journal {
    /// A journal of at most so many calls, with room for them, or the first 10 000, from the start.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            entries: Arc::new(Mutex::new(room(most.min(ROOM)))),
            most,
            log: None,
        }
    }

    /// Writes each call to a file as well.
    #[must_use]
    pub fn with_log(self, log: Option<CallLog>) -> Self {
        Self { log, ..self }
    }

    /// Waits until every call is in the file. Blocks for two seconds at most.
    pub fn flush(&self) {
        if let Some(log) = &self.log {
            log.flush();
        }
    }

    /// Adds a call; the oldest goes.
    pub fn add(&self, entry: Entry) {
        if let Some(log) = &self.log {
            // JSON escapes what could end a line.
            log.add(serde_json::to_string(&entry).unwrap_or_default());
        }
        if self.most == 0 {
            return;
        }
        let mut entries = self.lock();
        // Before the push: one more than there is room for would double the room.
        while entries.len() >= self.most {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    /// The last `most` calls that the caller may see and `is_wanted` takes, oldest first: its own,
    /// or everybody's where the policy makes it an administrator.
    #[must_use]
    pub fn seen_by(
        &self,
        run: &Run<'_>,
        most: usize,
        is_wanted: impl Fn(&Entry) -> bool,
    ) -> Vec<Entry> {
        let sees_all = run.is_administrator();
        let mut found: Vec<Entry> = self
            .lock()
            .iter()
            .rev()
            .filter(|entry| sees_all || *entry.principal == *run.owner())
            .filter(|entry| is_wanted(entry))
            .take(most)
            .cloned()
            .collect();
        found.reverse();
        found
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls whose room is taken at the start; a longer journal grows.
const ROOM: usize = 10_000;

/// Room for so many calls, each page of it written once: a server that has seen few calls is not
/// smaller than one that has seen many.
fn room(most: usize) -> VecDeque<Entry> {
    let mut room: VecDeque<Entry> = std::iter::repeat_n(blank(), most).collect();
    room.clear();
    room
}

fn blank() -> Entry {
    let nobody: Arc<str> = Arc::default();
    Entry {
        at: Timestamp::UNIX_EPOCH,
        tool: "",
        status: "",
        category: None,
        code: None,
        severity: None,
        retryable: None,
        elapsed_ms: 0,
        model: String::new(),
        transport: "",
        correlation_id: Arc::clone(&nobody),
        principal: nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_calls_are_kept_in_the_room_taken_at_the_start() {
        let journal = Journal::new(1000);
        let room = journal.lock().capacity();
        for elapsed_ms in 0..3000 {
            journal.add(Entry {
                elapsed_ms,
                ..blank()
            });
        }
        let entries = journal.lock();
        assert_eq!((entries.len(), entries.capacity()), (1000, room));
        assert_eq!(entries.front().unwrap().elapsed_ms, 2000);
        assert_eq!(entries.back().unwrap().elapsed_ms, 2999);
    }

    #[test]
    fn a_journal_of_none_keeps_none() {
        let journal = Journal::new(0);
        journal.add(blank());
        assert!(journal.lock().is_empty());
    }
}
