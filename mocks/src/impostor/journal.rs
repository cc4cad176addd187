//! The impostor's own record of what it spoiled: the judge's findings are held against it, so that
//! a missed one and an invented one both show.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::monotonic_ns;
use crate::impostor::trigger::Trigger;

/// One line of the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// The impostor listens, or has started its child.
    Ready {
        /// `CLOCK_MONOTONIC` nanoseconds.
        at: u64,
        /// The edge it stands on.
        edge: String,
        /// The spoiler.
        spoil: String,
        /// Its base URL; empty on stdio.
        url: String,
        /// Its process id.
        pid: u32,
    },
    /// One operation was spoiled.
    Spoiled {
        /// `CLOCK_MONOTONIC` nanoseconds.
        at: u64,
        /// The spoiler.
        what: String,
        /// The JSON-RPC id, or null where the edge has none.
        request_id: Value,
        /// Whatever tells the operation from others.
        detail: Value,
    },
    /// The impostor ends.
    Done {
        /// Operations it could have spoiled.
        eligible: u64,
        /// Operations it spoiled.
        spoiled: u64,
    },
}

/// Writes lines, each flushed.
pub struct Journal {
    out: Mutex<Box<dyn Write + Send>>,
}

impl Journal {
    /// A record on any writer.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self {
            out: Mutex::new(Box::new(out)),
        }
    }

    /// Writes one line. A reader that is gone loses it: then nobody judges this run any more.
    pub fn write(&self, line: &Line) {
        let Ok(mut text) = serde_json::to_vec(line) else {
            return;
        };
        text.push(b'\n');
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(&text).and_then(|()| out.flush());
    }

    /// Records a spoiled operation.
    pub fn spoiled(&self, what: &str, request_id: &Value, detail: Value) {
        self.write(&Line::Spoiled {
            at: monotonic_ns(),
            what: what.to_owned(),
            request_id: request_id.clone(),
            detail,
        });
    }

    /// Records the end.
    pub fn done(&self, trigger: &Trigger) {
        let (eligible, spoiled) = trigger.counts();
        self.write(&Line::Done { eligible, spoiled });
    }
}
