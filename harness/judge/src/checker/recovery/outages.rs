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
    /// Begin and end of each call.
    calls: Vec<(u64, u64)>,
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
        let line = self.providers.entry(provider.to_owned()).or_default();
        line.calls.push((call.sent_at, call.done_at));
        let own = attempts
            .iter()
            .filter(|attempt| attempt.served.provider == provider);
        let known = own.filter_map(|attempt| {
            let result = arrived(attempt.delivered()?);
            (result != Arrived::Neither).then_some((attempt.began, result == Arrived::Good))
        });
        line.arrivals.extend(known);
        let unanswered = (call.outcome != Outcome::Ok).then(|| {
            format!(
                "operation {} was left without an answer while {provider} was in trouble",
                call.op
            )
        });
        let wrong = unanswered
            .or_else(|| proof.wrong())
            .or_else(|| misnamed(seen, call, proof));
        self.answered
            .trial(seen.is_tainted, Place::Call(call), wrong);
    }

    /// Writes the row with the time the outages took, their series, and the floor of calls within.
    pub(super) fn conclude(self, needed: u64, finding: &mut Finding) {
        let mut within = 0;
        let mut longest = 0;
        for (provider, mut line) in self.providers {
            let spans = spans(&mut line.arrivals);
            let is_within = |(sent, done): &&(u64, u64)| {
                let mut all = spans.iter();
                all.any(|(from, until)| *from < *done && *sent < *until)
            };
            within += u64::try_from(line.calls.iter().filter(is_within).count()).unwrap_or(0);
            let last = line.calls.iter().map(|(_, done)| *done).max();
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
            (needed, within),
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

/// The reply must name the provider whose journal has the request that answered it.
fn misnamed(seen: &Seen<'_>, call: &Call, proof: &Proof) -> Option<String> {
    let named = call.meta.as_ref()?.provider.as_deref()?;
    let [seq] = proof.seqs.as_slice() else {
        return None;
    };
    let served = &seen.journal.entry(seq)?.served.provider;
    (served != named).then(|| {
        format!(
            "operation {} names {named}, and {served} answered it",
            call.op
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
