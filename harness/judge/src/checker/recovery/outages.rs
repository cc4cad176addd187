//! A provider's outage as its simulator's journal shows it, beside what callers got who wanted that
//! provider.

use std::collections::BTreeMap;

use super::breakers::arrived;
use crate::breaker_life::Arrived;
use crate::checker::Seen;
use crate::finding::Finding;
use crate::journal::Attempt;
use crate::operation::{Call, Outcome};
use crate::proof::Proof;
use crate::tally::{self, Place, Tally};
use crate::units;
use crate::verdict::Reason;

/// The check, and its series.
const OUTAGE: &str = "outage";

/// The calls that wanted each provider first, and how that provider met them.
pub(super) struct Outages {
    providers: BTreeMap<String, Line>,
    answered: Tally,
}

/// One provider's time.
#[derive(Default)]
struct Line {
    /// When a request arrived, and whether it was answered.
    arrivals: Vec<(u64, bool)>,
    calls: Vec<Wanting>,
}

/// A call that wanted the provider, until it is known whether that one was away.
struct Wanting {
    sent_at: u64,
    done_at: u64,
    /// One of its own requests met the trouble.
    is_hit: bool,
    is_tainted: bool,
    /// The operation, its client, and what was wrong with what it got.
    wrong: Option<(u64, String, String)>,
}

impl Default for Outages {
    fn default() -> Self {
        let name = "calls for a provider in trouble that got no right answer";
        Self {
            providers: BTreeMap::new(),
            answered: Tally::new(OUTAGE, name),
        }
    }
}

impl Outages {
    /// A call that asked for this provider first.
    pub(super) fn note(
        &mut self,
        provider: &str,
        (seen, call): (&Seen<'_>, &Call),
        attempts: &[&Attempt],
        proof: &Proof,
    ) {
        let own = attempts
            .iter()
            .filter(|attempt| attempt.served.provider == provider);
        let known = own.filter_map(|attempt| {
            let result = arrived(attempt.delivered()?);
            (result != Arrived::Neither).then_some((attempt.began, result == Arrived::Good))
        });
        let known: Vec<_> = known.collect();
        let unanswered = (call.outcome != Outcome::Ok).then(|| {
            format!(
                "operation {} was left without an answer while {provider} was in trouble",
                call.op
            )
        });
        let wrong = unanswered
            .or_else(|| proof.wrong())
            .or_else(|| misnamed(seen, call, proof));
        let line = self.providers.entry(provider.to_owned()).or_default();
        line.calls.push(Wanting {
            sent_at: call.sent_at,
            done_at: call.done_at,
            is_hit: known.iter().any(|(_, is_answered)| !is_answered),
            is_tainted: seen.is_tainted,
            wrong: wrong.map(|says| (call.op, Place::Call(call).actor(), says)),
        });
        line.arrivals.extend(known);
    }

    /// Judges the calls that were begun within an outage or met its trouble themselves; writes the
    /// row with the time the outages took, their series, and the floor of those calls.
    pub(super) fn conclude(mut self, needed: u64, finding: &mut Finding) {
        let mut longest = 0;
        for (provider, mut line) in self.providers {
            let spans = spans(&mut line.arrivals);
            let within = line.calls.iter().filter(|call| call.is_within(&spans));
            within.for_each(|call| call.judge(&mut self.answered));
            let last = line.calls.iter().map(|call| call.done_at).max();
            let ends = spans
                .iter()
                .map(|(from, until)| (*from, (*until).min(last.unwrap_or(*from))));
            longest = ends
                .clone()
                .map(|(from, until)| until.saturating_sub(from))
                .fold(longest, u64::max);
            let points = ends.map(|(from, until)| (units::seconds(from), units::seconds(until)));
            let name = format!("{OUTAGE}.{provider}");
            finding.series.insert(name, points.collect());
        }
        let event = "calls for a provider during its outage";
        tally::floor(
            finding,
            "outage_calls",
            event,
            (needed, self.answered.trials()),
            Reason::FaultNotLanded,
        );
        self.answered.conclude_if_tried(finding);
        let row = finding.checks.iter_mut().find(|check| check.id == OUTAGE);
        if let Some(row) = row {
            let longest = tally::millis(longest);
            row.measured = format!("{}, outage {longest}", row.measured);
        }
    }
}

impl Wanting {
    /// Begun while the provider was away, or refused by it before anybody knew.
    fn is_within(&self, spans: &[(u64, u64)]) -> bool {
        let sent = self.sent_at;
        let mut spans = spans.iter();
        self.is_hit || spans.any(|(from, until)| *from <= sent && sent < *until)
    }

    fn judge(&self, row: &mut Tally) {
        match &self.wrong {
            Some((op, actor, says)) => {
                let place = Place::Operation(*op, self.done_at, actor);
                row.bad(self.is_tainted, place, says.clone());
            }
            None => row.good(self.is_tainted),
        }
    }
}

/// The reply must name the provider whose journal has the request that answered it.
fn misnamed(seen: &Seen<'_>, call: &Call, proof: &Proof) -> Option<String> {
    let op = call.op;
    let [seq] = proof.seqs.as_slice() else {
        return Some(format!("operation {op} was not answered by one request"));
    };
    let served = seen.journal.entry(seq).map(|entry| &entry.served.provider);
    let named = call.meta.as_ref().and_then(|meta| meta.provider.as_ref());
    let says = |name: Option<&String>| name.map_or("no provider", String::as_str).to_owned();
    (named.is_none() || served != named).then(|| {
        format!(
            "operation {op} names {}, and {} answered it",
            says(named),
            says(served)
        )
    })
}

/// From each request that met trouble to the next one that was answered.
fn spans(arrivals: &mut [(u64, bool)]) -> Vec<(u64, u64)> {
    arrivals.sort_unstable();
    let mut found: Vec<(u64, u64)> = Vec::new();
    for (at, is_answered) in arrivals.iter().copied() {
        let open = found.last_mut().filter(|(_, until)| *until == u64::MAX);
        match open {
            Some((_, until)) if is_answered => *until = at,
            None if !is_answered => found.push((at, u64::MAX)),
            _ => {}
        }
    }
    found
}
