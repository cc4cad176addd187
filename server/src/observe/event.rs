//! What happened lately, for the dashboard: a few kinds of log lines, kept in memory by kind so
//! that many of one do not push out the few of another. They are taken from the log itself, at
//! whatever level it is written, and hold what it holds: no prompt and no answer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Happenings kept of each kind.
const KEPT: usize = 100;

/// Characters of one happening's text.
const CHARS: usize = 200;

/// Log messages that are happenings, the kind each is shown as, and how it looks.
const KINDS: [(&str, &str, Look); 10] = [
    ("alert fires", "alert", Look::Bad),
    ("alert ended", "alert", Look::Good),
    ("attempt failed", "attempt", Look::Warn),
    ("breaker moved", "breaker", Look::Warn),
    ("call failed", "call", Look::Warn),
    ("denied", "denied", Look::Bad),
    ("draining", "drain", Look::Info),
    ("failover", "failover", Look::Info),
    ("health turned", "health", Look::Info),
    ("listening", "start", Look::Good),
];

/// How a happening is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Look {
    /// Something is well again.
    Good,
    /// Worth knowing.
    Info,
    /// Something went wrong.
    Warn,
    /// Somebody should look.
    Bad,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Happening {
    /// When, UTC.
    pub at: Timestamp,
    /// Such as `breaker`.
    pub kind: &'static str,
    /// How it is shown.
    pub look: Look,
    /// What happened, from the line's fields.
    pub text: String,
    /// The call it belongs to; empty when to none.
    pub correlation_id: String,
}

type Shelves = BTreeMap<&'static str, VecDeque<Happening>>;

/// The last happenings; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Happenings(Arc<Mutex<Shelves>>);

// As global as the log itself, of which a process has one.
static OF_THE_LOG: std::sync::LazyLock<Happenings> = std::sync::LazyLock::new(Happenings::default);

impl Happenings {
    /// Those of this process's log.
    #[must_use]
    pub fn of_the_log() -> Self {
        OF_THE_LOG.clone()
    }

    /// The last `most`, newest first: the newest of each kind before the second of any, so that
    /// many of one kind do not push out the few of another here either.
    #[must_use]
    pub fn newest(&self, most: usize) -> Vec<Happening> {
        let shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<(usize, Happening)> = Vec::new();
        for shelf in shelves.values() {
            all.extend(shelf.iter().rev().cloned().enumerate());
        }
        drop(shelves);
        all.sort_by_key(|(rank, one)| (*rank, Reverse(one.at)));
        all.truncate(most);
        all.sort_by_key(|(_, one)| Reverse(one.at));
        all.into_iter().map(|(_, one)| one).collect()
    }

    fn keep(&self, happening: Happening) {
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves.entry(happening.kind).or_default();
        while shelf.len() >= KEPT {
            shelf.pop_front();
        }
        shelf.push_back(happening);
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Happenings {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context
            .span(id)
            .filter(|_| !fields.correlation_id.is_empty())
        {
            span.extensions_mut().insert(Trail(fields.correlation_id));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if fields.correlation_id.is_empty()
            && let Some(span) = context.lookup_current()
            && let Some(Trail(id)) = span.extensions().get::<Trail>()
        {
            fields.correlation_id.clone_from(id);
        }
        let known = KINDS
            .iter()
            .find(|(message, ..)| *message == fields.message);
        if let Some((_, kind, look)) = known {
            let mut text = fields.text.trim().to_owned();
            if let Some((at, _)) = text.char_indices().nth(CHARS) {
                text.truncate(at);
            }
            self.keep(Happening {
                at: Timestamp::now(),
                kind,
                look: *look,
                text,
                correlation_id: fields.correlation_id,
            });
        }
    }
}

/// The id of the call that a span belongs to.
struct Trail(String);

/// The fields of a line: the message, the id, and the others as words in the order of the line.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    correlation_id: String,
    text: String,
}

impl Fields {
    fn add(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "correlation_id" => value.clone_into(&mut self.correlation_id),
            _ if value.is_empty() => {}
            // Writing to a String cannot fail.
            "from" => drop(write!(self.text, "{value} → ")),
            "elapsed_ms" => drop(write!(self.text, "{value} ms ")),
            "attempt" => drop(write!(self.text, "attempt {value} ")),
            "pid" | "cause" | "category" => {}
            _ => drop(write!(self.text, "{value} ")),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // To a thousandth, without the zeros that say nothing: 0.254, 15.
        let shown = format!("{value:.3}");
        let shown = shown.trim_end_matches('0').trim_end_matches('.');
        self.add(field, shown);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn the_few_of_one_kind_outlast_the_many_of_another() {
        let happenings = Happenings::default();
        let subscriber = tracing_subscriber::registry().with(happenings.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(
                provider = "kimi",
                from = "closed",
                to = "open",
                "breaker moved"
            );
            for n in 0..3 * KEPT {
                tracing::warn!(
                    correlation_id = "abc",
                    reason = "token_expired",
                    n,
                    "denied"
                );
            }
            tracing::info!("nothing of note");
        });
        let all = happenings.newest(usize::MAX);
        assert_eq!(all.len(), KEPT + 1);
        assert_eq!(all[0].correlation_id, "abc");
        assert_eq!(all[0].text, format!("token_expired {}", 3 * KEPT - 1));
        assert_eq!(all[KEPT].text, "kimi closed → open");
        let shown = happenings.newest(3);
        let texts: Vec<&str> = shown.iter().map(|one| &*one.text).collect();
        let last = [3 * KEPT - 1, 3 * KEPT - 2].map(|n| format!("token_expired {n}"));
        assert_eq!(texts, [&*last[0], &last[1], "kimi closed → open"]);
    }

    #[test]
    fn a_measure_is_shown_to_a_thousandth() {
        let happenings = Happenings::default();
        let subscriber = tracing_subscriber::registry().with(happenings.clone());
        let (ratio, count) = (30.0 / 118.0, 15.0);
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(alert = "error-ratio", value = ratio, "alert fires");
            tracing::warn!(alert = "medium-errors", value = count, "alert fires");
        });
        let shown = happenings.newest(2);
        let mut texts: Vec<_> = shown.iter().map(|one| one.text.as_str()).collect();
        texts.sort_unstable();
        assert_eq!(texts, ["error-ratio 0.254", "medium-errors 15"]);
    }
}
