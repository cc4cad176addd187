//! V.7 and V.7m: hours without a critical error, a leak, or slowing down.

mod breakers;
mod control;
mod expiry;
mod memory;
mod piece;
mod quiet;
mod stream;

use self::breakers::Breakers;
use self::control::Control;
use self::expiry::{Expiry, Read};
use self::memory::{Memory, Point};
use self::piece::{Earlier, Pieces};
use self::quiet::Counts;
use self::stream::Stream;
use super::{Brief, Checker, Seen};
use crate::criterion::{Criterion, Missing};
use crate::finding::Finding;
use crate::ground::FaultLife;
use crate::observation::{Event, Sample};
use crate::operation::Call;
use crate::proof::{self, ProofTallies};
use crate::tally::{self, Place, Tally};
use crate::units::{self, HOUR_S, SECOND};
use crate::verdict::Reason;

/// The open-loop stream of either soak is planned under this name.
const SOAK: &str = "V.7";
const SERVER: &str = "server";
/// The second instance, which is broken on purpose.
const SECOND_INSTANCE: &str = "control";
const SERVER_ERROR: &str = "server_error";

/// The checker of V.7 or V.7m.
pub struct Soak<'a> {
    brief: Brief<'a>,
    points: Vec<Point>,
    critical: Tally,
    control: Control,
    proofs: ProofTallies,
    stream: Stream<'a>,
    expiry: Expiry,
    earlier: Vec<Earlier>,
    breakers: Breakers,
    counts: Counts,
    /// The settled ends of quiet points, ns.
    windows: Vec<(u64, u64)>,
}

impl<'a> Soak<'a> {
    /// Reads its numbers.
    ///
    /// # Errors
    /// The catalogue lacks one.
    pub fn start(brief: Brief<'a>) -> Result<Self, Missing> {
        Ok(Self {
            points: Vec::new(),
            critical: Tally::new("critical", "critical errors"),
            control: Control::default(),
            proofs: ProofTallies::of(&["belongs", "doubled", "lost_input", "leak", "text"]),
            stream: Stream::start(brief.criterion)?,
            expiry: Expiry::start(brief.criterion)?,
            earlier: Vec::new(),
            breakers: Breakers::default(),
            counts: Counts::default(),
            windows: quiet::windows(brief.criterion, brief.ground)?,
            brief,
        })
    }

    fn call(&mut self, seen: &Seen<'_>, call: &Call) {
        let is_tainted = seen.is_tainted;
        match self.expiry.note(call) {
            Read::Ordinary => {}
            // Refused as it must be: nothing of the stream.
            Read::Expired => return,
            Read::Wrong(says) => self.critical.bad(is_tainted, Place::Call(call), says),
        }
        let proof = proof::prove(self.brief.key, seen.journal, call);
        self.proofs.note(is_tainted, call, &proof);
        let ground = self.brief.ground;
        let in_window = ground.is_in_fault_window(call.sent_at, call.done_at);
        let failure = call.failure.as_ref();
        let is_server_error = failure.is_some_and(|failure| failure.category == SERVER_ERROR);
        if is_server_error && !in_window {
            let says = format!("operation {} ended in server_error", call.op);
            self.critical.bad(is_tainted, Place::Call(call), says);
        }
        self.breakers.call(seen, call);
        self.stream.note(is_tainted, call, &proof);
    }

    fn sample(&mut self, at: u64, sample: &Sample) {
        let point = Point {
            at,
            pid: sample.pid,
            resident: sample.resident_bytes,
            descriptors: sample.descriptors,
        };
        match sample.process.as_str() {
            SERVER => {
                self.critical.good(false);
                self.counts.sample(at, sample.connections);
                self.points.push(point);
            }
            SECOND_INSTANCE => self.control.sample(point),
            _ => {}
        }
    }

    /// Each class landed as often as asked in every whole hour of the duration asked for; in a
    /// shorter one, in proportion.
    fn faults(
        &self,
        rows: &Criterion,
        piece: &[Point],
        finding: &mut Finding,
    ) -> Result<(), Missing> {
        let hours = rows.limit("duration_s")? / HOUR_S;
        let an_hour = rows.floor("landed_an_hour")?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a handful of hours and faults"
        )]
        let (windows, needed) = (
            hours.max(1.0) as u64,
            libm::ceil(an_hour as f64 * hours.min(1.0)) as u64,
        );
        let begin = piece.first().map_or(0, |first| first.at);
        let hour = rows.nanos("duration_s")? / windows.max(1);
        for class in ["link", "store", "provider"] {
            let is_landed = |life: &&FaultLife| class_of(life) == class && life.is_proven();
            let landed = |window: u64| {
                let from = begin.saturating_add(window * hour);
                let during = from..from.saturating_add(hour);
                let lives = self.brief.ground.faults_of(SOAK).filter(is_landed);
                lives.filter(|life| during.contains(&life.first)).count()
            };
            let least = (0..windows).map(landed).min().unwrap_or_default();
            let count = (needed, u64::try_from(least).unwrap_or(u64::MAX));
            let event = match windows {
                0 | 1 => format!("landed faults of class {class}"),
                _ => format!("landed faults of class {class} in the hour with the fewest"),
            };
            let id = format!("landed.{class}");
            tally::floor(finding, &id, &event, count, Reason::DurationShort);
        }
        let count = (rows.floor("expired")?, self.expiry.expired());
        let event = "threads expired at the shipped time to live";
        tally::floor(finding, "expired", event, count, Reason::DurationShort);
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

impl Checker for Soak<'_> {
    fn observe(&mut self, seen: &Seen<'_>) {
        let id = self.brief.criterion.id.as_str();
        match seen.event {
            Event::Sample(sample) => self.sample(seen.at, sample),
            Event::Call(call) if call.criterion == id || call.criterion == SOAK => {
                self.call(seen, call);
            }
            Event::Metrics { values, .. } => {
                self.counts.metrics(seen.at, values, self.brief.ground);
            }
            Event::Served(served) => self.counts.served(seen.at, &served.seq, &self.windows),
            Event::Delivered(delivered) => {
                self.counts
                    .delivered(seen.at, &delivered.seq, &self.windows);
            }
            Event::Critical { control: true, .. } => self.control.critical(seen.at),
            Event::Critical {
                what,
                detail,
                control: false,
            } => {
                let says = format!("{what}: {detail}");
                self.critical
                    .bad(seen.is_tainted, Place::Moment(seen.at, "collectors"), says);
            }
            Event::Resumed {
                run,
                seconds,
                gap_s,
            } => self.earlier.push(Earlier {
                run: run.clone(),
                seconds: *seconds,
                gap_s: *gap_s,
            }),
            _ => {}
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Finding, Missing> {
        let rows = self.brief.criterion;
        let ground = self.brief.ground;
        let mut finding = tally::blank(&rows.id);
        let mut points = std::mem::take(&mut self.points);
        points.sort_by_key(|point| point.at);
        let pieces = Pieces::of(&points, rows.nanos("gap_s")?);
        let piece = pieces.longest();
        pieces.conclude(rows, &self.earlier, &mut finding)?;
        self.faults(rows, piece, &mut finding)?;
        self.control.conclude(rows, ground, &mut finding)?;
        self.stream.conclude(rows, (ground, piece), &mut finding)?;
        Memory {
            rows,
            ground,
            piece,
        }
        .conclude(&mut finding)?;
        if rows.limit("descriptors_judged")? > 0.0 {
            self.counts.conclude(rows, (ground, piece), &mut finding)?;
        }
        let into = (&mut self.critical, &mut finding);
        self.breakers.conclude(rows, ground, into)?;
        let criticals = self.critical.count();
        self.critical.conclude(&mut finding);
        self.proofs.conclude(&mut finding);
        finding.headline = format!(
            "{criticals} critical errors, {} of {} in one piece",
            units::span(piece::length(piece) / SECOND),
            units::span(rows.nanos("duration_s")? / SECOND)
        );
        finding.conclude();
        Ok(finding)
    }
}
