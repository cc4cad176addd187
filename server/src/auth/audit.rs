//! The record of denials, and of the few deeds that are put on record though allowed: JSON lines,
//! append-only, each line's hash covering the one before.
//!
//! `hash` is the SHA-256, in hex, of the line's object without `hash`, as serialised here; `prev`
//! is the hash of the line before, or 64 zeros. At `audit.bytes` the file is set aside as `FILE.N`,
//! where the chain has N lines; the first line of the next says `after` how many it comes. Where
//! the chain stands is the `anchor` of the component's report.
//!
//! Nothing a caller sent is written but the tool or path asked for, printable characters only and
//! cut short. No tokens, prompts or answers.

mod aside;
mod chain;
mod ledger;
mod writer;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::observe::health::{Health, Report, Status};

pub use chain::{Anchor, Broken, Verified, verify};
use ledger::Ledger;
use writer::{Order, Writer};

/// Longest text taken from a caller.
const LONGEST: usize = 120;

/// How long a line waits for room in the queue before it is reported lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// One thing that was asked for, before it has a place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The request's id.
    pub correlation_id: String,
    /// The verified caller, or `unverified`.
    pub principal: String,
    /// The client's address.
    pub source: String,
    /// `http` or `websocket`.
    pub transport: String,
    /// Such as `tools/call` or `GET /metrics`.
    pub action: String,
    /// The tool, session or path asked for.
    pub resource: String,
    /// Why it was denied, as a code; when it was allowed, why that is on record, or empty.
    pub reason: String,
}

/// Text from a caller made harmless: control, bidi and other unprintable characters escaped.
#[must_use]
pub fn harmless(text: &str) -> String {
    let is_plain = |c: char| c == ' ' || (!c.is_control() && !c.is_whitespace() && !is_hidden(c));
    let mut out = String::new();
    for c in text.chars().take(LONGEST) {
        if is_plain(c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}

fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[derive(Debug, Clone, Copy)]
enum Decision {
    Allow,
    Deny,
}

impl Decision {
    const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// The way in; cheap to clone.
#[derive(Clone)]
pub struct Audit {
    orders: mpsc::Sender<Order>,
    health: Health,
    /// Lines that found no room in the queue and are not yet told of in the file.
    lost: Arc<AtomicU64>,
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Audit")
    }
}

impl Audit {
    /// Opens the file, continues its chain and starts the writer, which ends when it is told to or
    /// the last handle is dropped. `queue` lines wait for it, and as many more while the file
    /// cannot be written; at `bytes` it is set aside.
    ///
    /// # Errors
    /// When the file cannot be opened or its chain is broken.
    pub async fn open(
        path: &Path,
        (queue, bytes): (usize, u64),
        health: Health,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let owned = path.to_owned();
        let ledger = tokio::task::spawn_blocking(move || Ledger::open(&owned, bytes))
            .await
            .map_err(io::Error::other)??;
        let (orders, inbox) = mpsc::channel(queue);
        let lost: Arc<AtomicU64> = Arc::default();
        let writer = Writer::new(ledger, queue, (Arc::clone(&lost), health.clone()));
        let handle = Self {
            orders,
            health,
            lost,
        };
        Ok((handle, tokio::spawn(writer.run(inbox))))
    }

    /// Puts a denial on record. Waits a moment when the queue is full; a denial that still finds no
    /// room turns the instance unhealthy until the file tells how many were lost. It is never
    /// dropped in silence.
    pub async fn record(&self, deed: Deed) {
        self.order(deed, Decision::Deny).await;
    }

    /// Puts on record what was allowed.
    pub async fn record_allowed(&self, deed: Deed) {
        self.order(deed, Decision::Allow).await;
    }

    /// The same without waiting; a full queue is reported like any other loss.
    pub fn note_allowed(&self, deed: Deed) {
        let order = Order::Record(deed, Decision::Allow);
        if self.orders.try_send(order).is_err() {
            self.lose();
        }
    }

    fn lose(&self) {
        tracing::error!(severity = "critical", "an audit line was lost");
        let report = Report::new(Status::Unhealthy, "an audit line was lost");
        self.health.report("audit", report.local());
        // After the report, since the writer takes it back once the loss is written.
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    async fn order(&self, deed: Deed, decision: Decision) {
        let sending = self.orders.send(Order::Record(deed, decision));
        if !matches!(tokio::time::timeout(PATIENCE, sending).await, Ok(Ok(()))) {
            self.lose();
        }
    }

    /// Ends the writer once everything recorded so far is in the file. What others try to record
    /// later is lost, and reported so.
    pub async fn end(&self) {
        let _ = self.orders.send(Order::End).await;
    }
}

#[cfg(test)]
mod tests;
