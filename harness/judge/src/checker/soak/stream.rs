//! The open-loop stream: available by operations and by seconds, every kind each minute, no slower
//! at the end than at the beginning.

use std::collections::BTreeMap;

use super::memory::Point;
use super::piece;
use crate::bounds::{self, bootstrap};
use crate::criterion::{Criterion, Missing};
use crate::finding::{Check, Finding};
use crate::ground::Ground;
use crate::operation::Call;
use crate::proof::Proof;
use crate::rate::Rate;
use crate::tally::{self, Place};
use crate::units::{MINUTE_S, SECOND};
use crate::verdict::{Reason, Verdict};

/// What was intended in one second.
#[derive(Debug, Clone)]
struct Intended {
    is_right: bool,
    /// A bit for each kind of the catalogue's list that was answered rightly.
    kinds: u64,
}

/// What the stream shows so far.
pub(super) struct Stream<'a> {
    kinds: &'a [String],
    available: Rate,
    seconds: BTreeMap<u64, Intended>,
    latencies: Vec<(u64, u64)>,
}

impl<'a> Stream<'a> {
    pub(super) fn start(rows: &'a Criterion) -> Result<Self, Missing> {
        let line = rows.limit("availability_errors")?;
        Ok(Self {
            kinds: rows.list("kinds")?,
            available: Rate::new("availability", "operations not right in time", line),
            seconds: BTreeMap::new(),
            latencies: Vec::new(),
        })
    }

    /// One operation of the stream. What overlaps a fault of our own rig says nothing.
    pub(super) fn note(&mut self, is_tainted: bool, call: &Call, proof: &Proof) {
        let late = (call.latency() > call.deadline)
            .then(|| format!("operation {} came after its deadline", call.op));
        let wrong = proof.wrong().or(late);
        if !is_tainted {
            let second = call.intended_at / SECOND;
            let intended = self.seconds.entry(second).or_insert(Intended {
                is_right: true,
                kinds: 0,
            });
            intended.is_right &= wrong.is_none();
            let kind = self.kinds.iter().position(|kind| *kind == call.tool);
            if let Some(kind) = kind.filter(|_| wrong.is_none()) {
                intended.kinds |= 1 << kind;
            }
            self.latencies.push((call.intended_at, call.latency()));
        }
        self.available.trial(is_tainted, Place::Call(call), wrong);
    }

    /// Writes every row of the stream.
    pub(super) fn conclude(
        self,
        rows: &Criterion,
        (ground, piece): (&Ground, &[Point]),
        finding: &mut Finding,
    ) -> Result<(), Missing> {
        let streamed = (1, self.available.trials());
        let event = "operations of the open-loop stream";
        tally::floor(
            finding,
            "operations",
            event,
            streamed,
            Reason::DurationShort,
        );
        self.minutes(piece, finding);
        self.by_seconds(rows, (ground, piece), finding)?;
        self.slowing(rows, piece, finding)?;
        if self.available.trials() > 0 && rows.limit("availability_errors")? < 1.0 {
            self.available.conclude(finding);
        }
        Ok(())
    }

    /// Whole minutes of the piece in which each kind was answered rightly.
    fn minutes(&self, piece: &[Point], finding: &mut Finding) {
        let (Some(first), Some(_)) = (piece.first(), self.kinds.first()) else {
            return;
        };
        let begin = first.at.div_ceil(SECOND);
        let whole = piece::length(piece) / SECOND / MINUTE_S;
        let all: u64 = (1 << self.kinds.len()) - 1;
        let is_good = |minute: &u64| {
            let from = begin + minute * MINUTE_S;
            let seconds = self.seconds.range(from..from + MINUTE_S);
            seconds.fold(0, |bits, (_, intended)| bits | intended.kinds) == all
        };
        let good = (0..whole).filter(is_good).count();
        let count = (whole.max(1), u64::try_from(good).unwrap_or(u64::MAX));
        let event = format!(
            "minutes with each of {} answered rightly",
            self.kinds.join(", ")
        );
        tally::floor(finding, "minutes", &event, count, Reason::EventNotSeen);
    }

    /// Where the piece is long enough to carry it: an uncovered second is a bad one.
    fn by_seconds(
        &self,
        rows: &Criterion,
        (ground, piece): (&Ground, &[Point]),
        finding: &mut Finding,
    ) -> Result<(), Missing> {
        let line = rows.limit("availability_errors")?;
        let is_judged = rows.limit("memory_quiet")? < 1.0 && line < 1.0;
        let (Some(first), Some(last)) = (piece.first(), piece.last()) else {
            return Ok(());
        };
        if !is_judged || self.seconds.is_empty() {
            return Ok(());
        }
        let uncovered = piece::uncovered(piece);
        let mut seconds = Rate::new("seconds", "seconds that were not available", line);
        for second in first.at / SECOND + 1..last.at / SECOND {
            let at = second * SECOND;
            let intended = self.seconds.get(&second);
            let wrong = match intended {
                _ if uncovered.contains(&second) => Some("no sample"),
                None => Some("no operation"),
                Some(intended) if !intended.is_right => Some("an operation that was not right"),
                Some(_) => None,
            };
            let says = wrong.map(|why| format!("second {second} was not available: {why}"));
            let is_tainted = ground.is_tainted(at, at + SECOND);
            seconds.trial(is_tainted, Place::Moment(at, "open-loop stream"), says);
        }
        seconds.conclude(finding);
        Ok(())
    }

    /// The end of the piece against its beginning.
    fn slowing(
        &self,
        rows: &Criterion,
        piece: &[Point],
        finding: &mut Finding,
    ) -> Result<(), Missing> {
        let (Some(first), Some(last)) = (piece.first(), piece.last()) else {
            return Ok(());
        };
        let edge = rows.nanos("edge_s")?;
        let begin = first.at.saturating_add(rows.nanos("warm_up_s")?);
        let within = |from: u64, until: u64| -> Vec<(u64, u64)> {
            let inside = |(at, _): &&(u64, u64)| from <= *at && *at < until;
            self.latencies.iter().filter(inside).copied().collect()
        };
        let early = within(begin, begin.saturating_add(edge));
        let late = within(last.at.saturating_sub(edge), last.at);
        let least = u64::try_from(early.len().min(late.len())).unwrap_or(u64::MAX);
        if least == 0 {
            return Ok(());
        }
        let Some(ratio) = bootstrap::ratio_bounds(&late, &early, bounds::P95) else {
            return Ok(());
        };
        let limit = rows.limit("p95_ratio")?;
        let gap = rows.nanos("p95_gap_ms")?;
        #[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53")]
        let gap_ns = gap as f64;
        let verdict = if least < rows.count("ratio_least")? {
            Verdict::Inconclusive
        } else if ratio.upper <= limit || ratio.gap_upper <= gap_ns {
            Verdict::Pass
        } else if ratio.lower > limit && ratio.gap_lower > gap_ns {
            Verdict::Fail
        } else {
            Verdict::Inconclusive
        };
        finding.checks.push(Check {
            id: "slowing".to_owned(),
            name: "p95 at the end over p95 at the beginning".to_owned(),
            measured: format!("× {:.2} to {:.2}", ratio.lower, ratio.upper),
            limit: format!("≤ × {limit} or + {}", tally::millis(gap)),
            verdict,
            reason: (verdict == Verdict::Inconclusive).then_some(Reason::BelowFloor),
            n: least,
        });
        Ok(())
    }
}
