//! V.7 and V.7m: hours without a critical error, a leak, or slowing down.

mod memory;

use std::collections::{BTreeMap, BTreeSet};

use self::memory::{Memory, Point};
use super::{Brief, Checker, Seen};
use crate::bounds::{self, bootstrap};
use crate::criterion::{Criterion, Missing};
use crate::finding::{Check, Finding};
use crate::ground::FaultLife;
use crate::observation::{Event, Sample};
use crate::operation::Call;
use crate::proof::{self, ProofTallies};
use crate::tally::{self, Place, Rate, Tally};
use crate::units::{HOUR_S, SECOND};
use crate::verdict::{Reason, Verdict};

/// The open-loop stream of either soak is planned under this name.
const SOAK: &str = "V.7";
const SERVER: &str = "server";
const EXPIRED: &str = "threads expired";
const SERVER_ERROR: &str = "server_error";

/// The checker of V.7 or V.7m.
pub struct Soak<'a> {
    brief: Brief<'a>,
    points: Vec<Point>,
    critical: Tally,
    controls: BTreeSet<String>,
    proofs: ProofTallies,
    available: Rate,
    /// Second to whether every operation intended in it was right.
    seconds: BTreeMap<u64, bool>,
    latencies: Vec<(u64, u64)>,
    expired: u64,
}

impl<'a> Soak<'a> {
    /// Reads its numbers.
    ///
    /// # Errors
    /// The catalogue lacks one.
    pub fn start(brief: Brief<'a>) -> Result<Self, Missing> {
        let line = brief.criterion.limit("availability_errors")?;
        Ok(Self {
            points: Vec::new(),
            critical: Tally::new("critical", "critical errors"),
            controls: BTreeSet::new(),
            proofs: ProofTallies::of(&["belongs", "doubled", "lost_input", "leak", "text"]),
            available: Rate::new("availability", "operations not right in time", line),
            seconds: BTreeMap::new(),
            latencies: Vec::new(),
            expired: 0,
            brief,
        })
    }

    fn call(&mut self, seen: &Seen<'_>, call: &Call) {
        let proof = proof::prove(self.brief.key, seen.journal, call);
        let is_tainted = seen.is_tainted;
        self.proofs.note(is_tainted, call, &proof);
        let in_window = self
            .brief
            .ground
            .is_in_fault_window(call.sent_at, call.done_at);
        let category = call
            .failure
            .as_ref()
            .map_or("", |failure| failure.category.as_str());
        if category == SERVER_ERROR && !in_window {
            let says = format!("operation {} ended in server_error", call.op);
            self.critical.bad(is_tainted, Place::Call(call), says);
        }
        let late = (call.latency() > call.deadline)
            .then(|| format!("operation {} came after its deadline", call.op));
        let wrong = proof.wrong().or(late);
        if !is_tainted {
            let second = self
                .seconds
                .entry(call.intended_at / SECOND)
                .or_insert(true);
            *second &= wrong.is_none();
            self.latencies.push((call.intended_at, call.latency()));
        }
        self.available.trial(is_tainted, Place::Call(call), wrong);
    }

    fn sample(&mut self, at: u64, sample: &Sample) {
        if sample.process == SERVER {
            self.critical.good(false);
            self.points.push(Point {
                at,
                pid: sample.pid,
                resident: sample.resident_bytes,
                descriptors: sample.descriptors,
            });
        }
    }

    fn faults(&self, rows: &Criterion, finding: &mut Finding) -> Result<(), Missing> {
        let hours = rows.limit("duration_s")? / HOUR_S;
        let an_hour = rows.floor("landed_an_hour")?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a handful of faults"
        )]
        let needed = libm::ceil(an_hour as f64 * hours) as u64;
        for class in ["link", "store", "provider"] {
            let of_class = |life: &&FaultLife| class_of(life) == class && life.is_proven();
            let landed = self.brief.ground.faults_of(SOAK).filter(of_class).count();
            let count = (needed, u64::try_from(landed).unwrap_or(u64::MAX));
            let event = format!("landed faults of class {class}");
            tally::floor(
                finding,
                &format!("landed.{class}"),
                &event,
                count,
                Reason::DurationShort,
            );
        }
        let count = (rows.floor("expired")?, self.expired);
        let event = "threads expired at the shipped time to live";
        tally::floor(finding, "expired", event, count, Reason::DurationShort);
        let controls = u64::try_from(self.controls.len()).unwrap_or(u64::MAX);
        let event = "kinds of critical error shown on a second, really broken instance";
        let count = (rows.floor("detector")?, controls);
        tally::floor(finding, "detector", event, count, Reason::ControlNotFired);
        Ok(())
    }

    /// Availability by operations and, where the piece is long enough to carry it, by seconds.
    fn availability(
        &self,
        rows: &Criterion,
        piece: &[Point],
        finding: &mut Finding,
    ) -> Result<(), Missing> {
        let line = rows.limit("availability_errors")?;
        let by_seconds = rows.limit("memory_quiet")? < 1.0 && line < 1.0;
        let (Some(first), Some(last)) = (piece.first(), piece.last()) else {
            return Ok(());
        };
        if !by_seconds || self.seconds.is_empty() {
            return Ok(());
        }
        let mut seconds = Rate::new("seconds", "seconds without a right operation", line);
        for second in first.at / SECOND + 1..last.at / SECOND {
            let at = second * SECOND;
            let is_good = self.seconds.get(&second).copied().unwrap_or_default();
            let says = format!("second {second} was not available");
            let place = Place::Moment(at, "open-loop stream");
            let is_tainted = self.brief.ground.is_tainted(at, at + SECOND);
            seconds.trial(is_tainted, place, (!is_good).then_some(says));
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
            let inside = self
                .latencies
                .iter()
                .filter(|(at, _)| from <= *at && *at < until);
            inside.copied().collect()
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

fn class_of(life: &FaultLife) -> &'static str {
    match life.fault.component.as_str() {
        edge if edge.contains('-') => "link",
        "store" => "store",
        "server" => "server",
        _ => "provider",
    }
}

/// The longest stretch of samples of one process without a gap.
fn longest_piece(points: &[Point], gap: u64) -> &[Point] {
    let mut longest: &[Point] = &[];
    let mut from = 0;
    for index in 1..=points.len() {
        let continues = index < points.len()
            && points[index].pid == points[index - 1].pid
            && points[index].at.saturating_sub(points[index - 1].at) <= gap;
        if continues {
            continue;
        }
        let piece = &points[from..index];
        if length(piece) >= length(longest) {
            longest = piece;
        }
        from = index;
    }
    longest
}

fn length(piece: &[Point]) -> u64 {
    match (piece.first(), piece.last()) {
        (Some(first), Some(last)) => last.at.saturating_sub(first.at),
        _ => 0,
    }
}

impl Checker for Soak<'_> {
    fn observe(&mut self, seen: &Seen<'_>) {
        let id = self.brief.criterion.id.as_str();
        match seen.event {
            Event::Sample(sample) => self.sample(seen.at, sample),
            Event::Call(call) if call.criterion == id || call.criterion == SOAK => {
                self.call(seen, call);
            }
            Event::Critical {
                what,
                control: true,
                ..
            } => {
                self.controls.insert(what.clone());
            }
            Event::Critical {
                what,
                detail,
                control: false,
            } => {
                let says = format!("{what}: {detail}");
                self.critical
                    .bad(seen.is_tainted, Place::Moment(seen.at, "collectors"), says);
            }
            Event::Figure { name, value, .. } if name.starts_with(EXPIRED) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a count"
                )]
                let count = *value as u64;
                self.expired += count;
            }
            _ => {}
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Finding, Missing> {
        let rows = self.brief.criterion;
        let mut finding = tally::blank(&rows.id);
        self.points.sort_by_key(|point| point.at);
        let piece = longest_piece(&self.points, rows.nanos("gap_s")?).to_vec();
        let (seen, needed) = (length(&piece), rows.nanos("duration_s")?);
        finding.checks.push(Check {
            id: "duration".to_owned(),
            name: "longest piece of one process without a gap".to_owned(),
            measured: format!("{} s", bounds::grouped(seen / SECOND)),
            limit: format!("≥ {} s", bounds::grouped(needed / SECOND)),
            verdict: if seen >= needed {
                Verdict::Pass
            } else {
                Verdict::Inconclusive
            },
            reason: (seen < needed).then_some(Reason::DurationShort),
            n: u64::try_from(piece.len()).unwrap_or(u64::MAX),
        });
        let streamed = (1, self.available.trials());
        let event = "operations of the open-loop stream";
        tally::floor(
            &mut finding,
            "operations",
            event,
            streamed,
            Reason::DurationShort,
        );
        self.faults(rows, &mut finding)?;
        self.availability(rows, &piece, &mut finding)?;
        self.slowing(rows, &piece, &mut finding)?;
        Memory {
            rows,
            ground: self.brief.ground,
            piece: &piece,
        }
        .conclude(&mut finding)?;
        let criticals = self.critical.count();
        self.critical.conclude(&mut finding);
        self.proofs.conclude(&mut finding);
        if self.available.trials() > 0 && rows.limit("availability_errors")? < 1.0 {
            self.available.conclude(&mut finding);
        }
        finding.headline = format!(
            "{criticals} critical errors, {} s of {} s in one piece",
            bounds::grouped(seen / SECOND),
            bounds::grouped(needed / SECOND)
        );
        finding.conclude();
        Ok(finding)
    }
}
