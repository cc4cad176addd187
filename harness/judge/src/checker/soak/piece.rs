//! The longest stretch over which one process was watched without a gap: only it counts.

use std::collections::BTreeSet;

use super::memory::Point;
use crate::criterion::{Criterion, Missing};
use crate::finding::{Check, Finding};
use crate::units::{self, HALF_SECOND, SECOND};
use crate::verdict::{Reason, Verdict};

/// A piece before this run, told by the run that goes on from it.
#[derive(Debug, Clone)]
pub(super) struct Earlier {
    pub(super) run: String,
    pub(super) seconds: u64,
    pub(super) gap_s: u64,
}

/// The stretches a run falls into.
pub(super) struct Pieces<'a> {
    all: Vec<&'a [Point]>,
    longest: &'a [Point],
}

impl<'a> Pieces<'a> {
    /// Cuts samples in the order of time at every gap of more than `gap` ns and every change of
    /// process; of equal pieces the later one is the longest.
    pub(super) fn of(points: &'a [Point], gap: u64) -> Self {
        let continues = |one: &Point, next: &Point| {
            one.pid == next.pid && next.at.saturating_sub(one.at) <= gap
        };
        let all: Vec<&[Point]> = points.chunk_by(continues).collect();
        let longest = all.iter().max_by_key(|piece| length(piece)).copied();
        Self {
            longest: longest.unwrap_or_default(),
            all,
        }
    }

    pub(super) const fn longest(&self) -> &'a [Point] {
        self.longest
    }

    /// The duration beside what was asked for, with every gap stated.
    pub(super) fn conclude(
        &self,
        rows: &Criterion,
        earlier: &[Earlier],
        finding: &mut Finding,
    ) -> Result<(), Missing> {
        let (seen, needed) = (length(self.longest), rows.nanos("duration_s")?);
        let mut measured = units::span(seen / SECOND);
        if self.all.len() > 1 {
            measured = format!("{measured}, the longest of {}", self.told());
        }
        for piece in earlier {
            let Earlier {
                run,
                seconds,
                gap_s,
            } = piece;
            let seconds = units::span(*seconds);
            measured = format!(
                "{measured}; resumed after a gap of {gap_s} s from {run}, which measured {seconds}"
            );
        }
        if let Some(covered) = self.covered() {
            measured = format!("{measured}; {covered}");
        }
        let is_short = seen < needed;
        finding.checks.push(Check {
            id: "duration".to_owned(),
            name: "longest piece of one process without a gap".to_owned(),
            measured,
            limit: format!(
                "≥ {}, no gap over {} s",
                units::span(needed / SECOND),
                rows.nanos("gap_s")? / SECOND
            ),
            verdict: if is_short {
                Verdict::Inconclusive
            } else {
                Verdict::Pass
            },
            reason: is_short.then_some(Reason::DurationShort),
            n: u64::try_from(self.longest.len()).unwrap_or(u64::MAX),
        });
        Ok(())
    }

    /// `12 s, gap of 7 s, 40 s`.
    fn told(&self) -> String {
        let mut words = Vec::new();
        for (index, piece) in self.all.iter().enumerate() {
            let before = index
                .checked_sub(1)
                .and_then(|before| self.all[before].last());
            if let (Some(before), Some(first)) = (before, piece.first()) {
                let silent = first.at.saturating_sub(before.at) / SECOND;
                words.push(if before.pid == first.pid {
                    format!("gap of {silent} s")
                } else {
                    format!("another process after {silent} s")
                });
            }
            words.push(units::span(length(piece) / SECOND));
        }
        words.join(", ")
    }

    /// How densely the longest piece was sampled: a figure, since no wider gap is inside a piece.
    /// What an uncovered second is worth, availability says.
    fn covered(&self) -> Option<String> {
        let piece = self.longest;
        let whole = length(piece) / SECOND;
        let missed = u64::try_from(uncovered(piece).len()).unwrap_or(u64::MAX);
        let neighbours = piece.iter().zip(piece.iter().skip(1));
        let gaps = neighbours.map(|(one, next)| next.at.saturating_sub(one.at));
        let widest = gaps.max()?;
        Some(format!(
            "{} of {} seconds sampled, widest step {:.1} s",
            crate::bounds::grouped(whole.saturating_sub(missed)),
            crate::bounds::grouped(whole),
            units::seconds(widest)
        ))
    }
}

/// The seconds of a piece that no sample answers for: one sample answers for one second.
pub(super) fn uncovered(piece: &[Point]) -> BTreeSet<u64> {
    let mut missed = BTreeSet::new();
    for (one, next) in piece.iter().zip(piece.iter().skip(1)) {
        let steps = (next.at.saturating_sub(one.at) + HALF_SECOND) / SECOND;
        let first = one.at / SECOND + 1;
        missed.extend(first..first + steps.saturating_sub(1));
    }
    missed
}

/// From the first sample to the last, ns.
pub(super) fn length(piece: &[Point]) -> u64 {
    match (piece.first(), piece.last()) {
        (Some(first), Some(last)) => last.at.saturating_sub(first.at),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(tenths: &[u64]) -> Vec<Point> {
        let point = |tenth: &u64| Point {
            at: tenth * SECOND / 10,
            pid: 1,
            resident: 0,
            descriptors: 0,
        };
        tenths.iter().map(point).collect()
    }

    #[test]
    fn a_sample_answers_for_one_second_and_half_a_second_is_no_step() {
        for (tenths, missed) in [
            (vec![], vec![]),
            (vec![200, 210, 220], vec![]),
            (vec![200, 214], vec![]),
            (vec![200, 215], vec![21]),
            (vec![200, 230], vec![21, 22]),
            (vec![203, 240, 250, 271], vec![21, 22, 23, 26]),
        ] {
            let found = uncovered(&points(&tenths));
            assert_eq!(found, missed.into_iter().collect(), "{tenths:?}");
        }
    }
}
