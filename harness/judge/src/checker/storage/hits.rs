//! Equal questions of one person: how many were answered without asking a provider again, by the
//! simulators' journals, and whether the server's own counters moved by as many.

use std::collections::{BTreeMap, BTreeSet};

use crate::bounds;
use crate::checker::Seen;
use crate::criterion::{Criterion, Missing};
use crate::finding::Finding;
use crate::operation::{Call, Outcome};
use crate::proof::Proof;
use crate::rate::Rate;
use crate::series;
use crate::tally::{self, Place, Tally};
use crate::verdict::Reason;

/// The phase in which they are asked, and nothing else is.
const PHASE: &str = "repeats";
/// What the server counts of its caches: answers they had.
const HITS: &str = "exai_cache_hits_total";
/// Answers they had not.
const MISSES: &str = "exai_cache_misses_total";
const CACHE: &str = "cache";
const RESULT: &str = "result";

/// What came of the repeats of a run.
pub(super) struct Hits {
    /// Of several instances, by question, those that answered it: each keeps its own answers.
    met: Option<BTreeMap<u64, BTreeSet<String>>>,
    least: f64,
    rate: Rate,
    /// Right answers without a provider request of their own.
    hits: u64,
    /// Right answers with one.
    misses: u64,
    /// Calls without a right answer: how the server counted them is open.
    open: u64,
    before: Option<Scraped>,
    after: Option<(u64, Scraped)>,
}

/// The server's own counters at a moment.
#[derive(Clone, Copy)]
struct Scraped {
    hits: f64,
    misses: f64,
}

impl Hits {
    /// Reads its number.
    pub(super) fn start(rows: &Criterion, several: u64) -> Result<Self, Missing> {
        let least = rows.limit("hit_rate")?;
        let name = "repeated questions answered without a provider";
        Ok(Self {
            met: (several > 1).then(BTreeMap::new),
            least,
            rate: Rate::new("hit_rate", name, 1.0 - least),
            hits: 0,
            misses: 0,
            open: 0,
            before: None,
            after: None,
        })
    }

    /// Takes a call of the criterion; those of other phases are none of it.
    pub(super) fn call(&mut self, seen: &Seen<'_>, call: &Call, proof: &Proof) {
        if call.phase != PHASE {
            return;
        }
        let attempts = seen.journal.attempts(call);
        let has_asked = attempts.iter().any(|one| call.sent_at <= one.began);
        let is_right = proof.is_right() && call.outcome == Outcome::Ok;
        let count = match (is_right, has_asked) {
            (false, _) => &mut self.open,
            (true, false) => &mut self.hits,
            (true, true) => &mut self.misses,
        };
        *count += 1;
        if is_right && self.is_new_there(call) {
            return;
        }
        let repeat = call.repeat.as_ref();
        let Some(repeat) = repeat.filter(|repeat| repeat.exact && repeat.same_principal) else {
            return;
        };
        let says = format!(
            "operation {} asked a provider for what operation {} had answered",
            call.op, repeat.of
        );
        let wrong = proof.wrong().or_else(|| has_asked.then_some(says));
        self.rate.trial(seen.is_tainted, Place::Call(call), wrong);
    }

    /// Whether the one of several instances that answered this question had not answered it before:
    /// what it has not been asked it cannot have kept.
    fn is_new_there(&mut self, call: &Call) -> bool {
        let (Some(met), Some(instance)) = (&mut self.met, &call.instance) else {
            return false;
        };
        let question = call.repeat.as_ref().map_or(call.op, |repeat| repeat.of);
        met.entry(question).or_default().insert(instance.clone())
    }

    /// Takes a scrape that brackets the criterion; the first before and the last after count.
    pub(super) fn scrape(&mut self, at: u64, moment: &str, values: &BTreeMap<String, f64>) {
        let read = |name: &str| {
            let of = series::by_label(values, name, CACHE);
            of.get(RESULT).copied().unwrap_or_default()
        };
        let scraped = Scraped {
            hits: read(HITS),
            misses: read(MISSES),
        };
        match moment {
            "before" if self.before.is_none() => self.before = Some(scraped),
            "after" => self.after = Some((at, scraped)),
            _ => {}
        }
    }

    /// Writes the rate, the counters beside what was counted, and their floors.
    pub(super) fn conclude(self, rows: &Criterion, finding: &mut Finding) -> Result<(), Missing> {
        let (n, misses) = (self.rate.trials(), self.rate.count());
        let needed = rows.floor("repeats")?;
        let event = "repeats of a question by the same person";
        tally::floor(finding, "repeats", event, (needed, n), Reason::BelowFloor);
        self.compare(finding);
        let Self { least, rate, .. } = self;
        rate.conclude(finding);
        if let Some(row) = finding.checks.last_mut() {
            let hits = format!("{} of {}", bounds::grouped(n - misses), bounds::grouped(n));
            let bound = bounds::percent_down(1.0 - bounds::rate_upper(misses, n));
            row.measured = format!("{hits}: > {bound}");
            row.limit = format!("> {}", bounds::percent_up(least));
        }
        Ok(())
    }

    /// The server's counters between the two scrapes.
    fn compare(&self, finding: &mut Finding) {
        let scrapes = u64::from(self.before.is_some()) + u64::from(self.after.is_some());
        let event = "scrapes of the counters around the repeats";
        let count = (1 + 1, scrapes);
        tally::floor(finding, "scrapes", event, count, Reason::EventNotSeen);
        let (Some(before), Some((at, after))) = (self.before, self.after) else {
            return;
        };
        let name = "cache counters that did not move by what was counted";
        let mut law = Tally::new("hits_counted", name);
        let counters = [
            (HITS, after.hits - before.hits, self.hits),
            (MISSES, after.misses - before.misses, self.misses),
        ];
        for (counter, moved, least) in counters {
            let most = least + self.open;
            #[expect(clippy::cast_precision_loss, reason = "call counts are far below 2^53")]
            let is_lawful = least as f64 <= moved && moved <= most as f64;
            let says = format!("{counter} moved by {moved} where {least} to {most} were counted");
            let place = Place::Moment(at, "metrics scraper");
            law.trial(false, place, (!is_lawful).then_some(says));
        }
        law.conclude(finding);
    }
}
