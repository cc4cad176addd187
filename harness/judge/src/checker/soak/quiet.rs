//! What must be equal whenever the server rests: connections, permits, tasks and sessions; and
//! requests at providers, of which none may be open then.

use std::collections::BTreeMap;

use super::memory::Point;
use crate::criterion::{Criterion, Missing};
use crate::fault::FaultKind;
use crate::finding::{Check, Finding};
use crate::ground::Ground;
use crate::tally::Place;
use crate::verdict::{Reason, Verdict};

const QUIET: &str = "quiet";
/// The count that the kernel keeps.
const CONNECTIONS: &str = "connections";

/// A count that is compared: its row, what it is in words, and by whom it is counted.
struct Kind {
    id: &'static str,
    name: &'static str,
    /// The server's own series; None where the kernel counts.
    series: Option<&'static str>,
    witness: &'static str,
    /// Whether none may be left, not only as many as before.
    is_none_left: bool,
}

const KINDS: &[Kind] = &[
    Kind {
        id: CONNECTIONS,
        name: "TCP connections the server holds, by the kernel's table",
        series: None,
        witness: "sampler",
        is_none_left: false,
    },
    Kind {
        id: "connections_told",
        name: "client connections by the server's own count",
        series: Some("exai_connections"),
        witness: "metrics",
        is_none_left: false,
    },
    Kind {
        id: "permits",
        name: "permits of calls that are out",
        series: Some("exai_in_flight"),
        witness: "metrics",
        is_none_left: true,
    },
    Kind {
        id: "permits_overdue",
        name: "permits held for longer than any call may take",
        series: Some("exai_permits_overdue"),
        witness: "metrics",
        is_none_left: true,
    },
    Kind {
        id: "tasks",
        name: "tasks that have not ended",
        series: Some("exai_tasks"),
        witness: "metrics",
        is_none_left: false,
    },
    Kind {
        id: "sessions",
        name: "sessions that have not ended",
        series: Some("exai_sessions"),
        witness: "metrics",
        is_none_left: false,
    },
];

/// The end of a quiet point, by which what the traffic before had left is gone: from, until, ns.
type Window = (u64, u64);

/// What was counted so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// By row, when and how many.
    seen: BTreeMap<&'static str, Vec<(u64, u64)>>,
    requests: Requests,
}

/// Requests at the simulators.
#[derive(Debug, Default)]
struct Requests {
    /// By sequence: when it began, if that was told yet, and when it ended.
    open: BTreeMap<String, (Option<u64>, Option<u64>)>,
    /// How many ended.
    ended: u64,
    /// Those that lasted through the settled end of a quiet point.
    lasted: Vec<(String, Window)>,
}

impl Counts {
    /// The kernel's count; None when it could not be taken.
    pub(super) fn sample(&mut self, at: u64, connections: Option<u64>) {
        if let Some(count) = connections {
            self.seen.entry(CONNECTIONS).or_default().push((at, count));
        }
    }

    /// The server's own counts, where they are taken at a quiet point.
    pub(super) fn metrics(&mut self, at: u64, values: &BTreeMap<String, f64>, ground: &Ground) {
        let spans = &mut ground.summary.spans.iter();
        if !spans.any(|span| span.phase == QUIET && is_inside(at, (span.from, end(span.until)))) {
            return;
        }
        for kind in KINDS {
            let value = kind.series.and_then(|series| values.get(series));
            if let Some(value) = value {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a count"
                )]
                let count = value.max(0.0) as u64;
                self.seen.entry(kind.id).or_default().push((at, count));
            }
        }
    }

    /// A simulator received a request.
    pub(super) fn served(&mut self, at: u64, seq: &str, windows: &[Window]) {
        self.requests.note(seq, (Some(at), None), windows);
    }

    /// A simulator was through with it.
    pub(super) fn delivered(&mut self, at: u64, seq: &str, windows: &[Window]) {
        self.requests.ended += 1;
        self.requests.note(seq, (None, Some(at)), windows);
    }

    /// A row for each count.
    pub(super) fn conclude(
        self,
        rows: &Criterion,
        (ground, piece): (&Ground, &[Point]),
        finding: &mut Finding,
    ) -> Result<(), Missing> {
        let allowed = rows.count("counts_allowed")?;
        let windows = within(windows(rows, ground)?, rows, piece)?;
        for kind in KINDS {
            let seen = self.seen.get(kind.id).map_or(&[][..], Vec::as_slice);
            let levels = windows.iter().map(|one| (*one, least(seen, *one)));
            let levels: Vec<_> = levels.collect();
            compare(kind, &levels, allowed, finding);
        }
        self.requests.conclude(ground, &windows, finding);
        Ok(())
    }
}

impl Requests {
    fn note(&mut self, seq: &str, (began, ended): (Option<u64>, Option<u64>), windows: &[Window]) {
        let row = self.open.entry(seq.to_owned()).or_default();
        *row = (row.0.or(began), row.1.or(ended));
        if let (Some(began), Some(ended)) = *row {
            self.open.remove(seq);
            let through = windows.iter().filter(|one| began <= one.0 && one.1 < ended);
            let through = through.map(|one| (seq.to_owned(), *one));
            self.lasted.extend(through);
        }
    }

    /// None may have been open: a request that a dead provider was at ended with that provider.
    fn conclude(mut self, ground: &Ground, windows: &[Window], finding: &mut Finding) {
        for (seq, (began, _)) in &self.open {
            let Some(began) = *began else { continue };
            let died = died(ground, seq, began);
            let through = windows.iter().filter(|one| began <= one.0 && one.1 < died);
            let through = through.map(|one| (seq.clone(), *one));
            self.lasted.extend(through);
        }
        self.lasted.retain(|(_, window)| windows.contains(window));
        for (seq, (_, until)) in &self.lasted {
            let says = format!("request {seq} was still open at the end of a quiet point");
            let place = Place::Moment(*until, "simulators");
            finding.violations.push(place.violation("streams", says));
        }
        let (verdict, reason) = match (windows.len(), self.ended, self.lasted.is_empty()) {
            (_, _, false) => (Verdict::Fail, None),
            (0 | 1, _, _) => (Verdict::Inconclusive, Some(Reason::DurationShort)),
            (_, 0, _) => (Verdict::Inconclusive, Some(Reason::ZeroSamples)),
            _ => (Verdict::Pass, None),
        };
        finding.checks.push(Check {
            id: "streams".to_owned(),
            name: "requests at providers that are open at quiet points".to_owned(),
            measured: self.lasted.len().to_string(),
            limit: "0".to_owned(),
            verdict,
            reason,
            n: u64::try_from(windows.len()).unwrap_or(u64::MAX),
        });
    }
}

/// When the provider that a request was at was killed after that moment; never, as a rule.
fn died(ground: &Ground, seq: &str, began: u64) -> u64 {
    let provider = seq.split('.').next().unwrap_or_default();
    let lives = ground.summary.faults.iter().filter(|life| {
        life.fault.component == provider && life.fault.kind == FaultKind::Kill && life.until > began
    });
    let ends = lives.filter_map(|life| life.injected);
    ends.min().unwrap_or(u64::MAX)
}

/// The settled ends of all quiet points.
pub(super) fn windows(rows: &Criterion, ground: &Ground) -> Result<Vec<Window>, Missing> {
    let share = rows.limit("settled_share")?;
    let spans = ground.summary.spans.iter();
    let spans = spans.filter(|span| span.phase == QUIET);
    let settled = spans.map(|span| {
        let until = span.until.unwrap_or(ground.summary.until);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length, far below 2^53"
        )]
        let settling = (until.saturating_sub(span.from) as f64 * share) as u64;
        (until.saturating_sub(settling), until)
    });
    Ok(settled.collect())
}

/// Those after the warm-up in which the piece was sampled.
fn within(windows: Vec<Window>, rows: &Criterion, piece: &[Point]) -> Result<Vec<Window>, Missing> {
    let begin = piece.first().map_or(0, |first| first.at);
    let warm = begin.saturating_add(rows.nanos("warm_up_s")?);
    let is_of = |window: &Window| {
        warm <= window.0 && piece.iter().any(|point| is_inside(point.at, *window))
    };
    Ok(windows.into_iter().filter(is_of).collect())
}

/// The fewest of a window: what was open for a moment is no leak.
fn least(seen: &[(u64, u64)], window: Window) -> Option<u64> {
    let inside = seen.iter().filter(|(at, _)| is_inside(*at, window));
    inside.map(|(_, count)| *count).min()
}

fn compare(kind: &Kind, levels: &[(Window, Option<u64>)], allowed: u64, finding: &mut Finding) {
    let known: Vec<u64> = levels.iter().filter_map(|(_, level)| *level).collect();
    let most = known.iter().max().copied().unwrap_or_default();
    let floor = known.iter().min().copied().unwrap_or_default();
    let left = if kind.is_none_left {
        most
    } else {
        most - floor
    };
    let (verdict, reason) = match (left > allowed, levels.len(), known.len() < levels.len()) {
        (true, _, _) => (Verdict::Fail, None),
        (_, 0 | 1, _) => (Verdict::Inconclusive, Some(Reason::DurationShort)),
        (_, _, true) => (Verdict::Inconclusive, Some(Reason::ZeroSamples)),
        _ => (Verdict::Pass, None),
    };
    let words = levels
        .iter()
        .map(|(_, level)| level.map_or_else(|| "not seen".to_owned(), |level| level.to_string()));
    let measured = format!("[{}] at quiet points", words.collect::<Vec<_>>().join(", "));
    let limit = if kind.is_none_left {
        format!("≤ {allowed}")
    } else {
        format!("equal within {allowed}")
    };
    if verdict == Verdict::Fail {
        let says = format!("{}: {measured}, {limit} is asked", kind.name);
        let at = levels.last().map_or(0, |(window, _)| window.1);
        let place = Place::Moment(at, kind.witness);
        finding.violations.push(place.violation(kind.id, says));
    }
    finding.checks.push(Check {
        id: kind.id.to_owned(),
        name: kind.name.to_owned(),
        measured,
        limit,
        verdict,
        reason,
        n: u64::try_from(known.len()).unwrap_or(u64::MAX),
    });
}

const fn is_inside(at: u64, (from, until): Window) -> bool {
    from <= at && at <= until
}

fn end(until: Option<u64>) -> u64 {
    until.unwrap_or(u64::MAX)
}
