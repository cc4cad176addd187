//! Memory and descriptors over the longest piece.

use crate::criterion::{Criterion, Missing};
use crate::finding::{Check, Finding};
use crate::ground::Ground;
use crate::slope::{self, Reduction, Slope};
use crate::tally::Place;
use crate::units::{self, KIB, MIB};
use crate::verdict::{Reason, Verdict};

const QUIET: &str = "quiet";

/// One sample of the server's process tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) at: u64,
    pub(super) pid: u32,
    pub(super) resident: u64,
    pub(super) descriptors: u64,
}

/// What judges them.
pub(super) struct Memory<'a> {
    pub(super) rows: &'a Criterion,
    pub(super) ground: &'a Ground,
    pub(super) piece: &'a [Point],
}

impl Memory<'_> {
    pub(super) fn conclude(&self, finding: &mut Finding) -> Result<(), Missing> {
        #[expect(clippy::cast_precision_loss, reason = "for drawing")]
        let chart = self
            .piece
            .iter()
            .map(|point| (units::seconds(point.at), point.resident as f64 / MIB));
        finding
            .series
            .insert("resident_mib".to_owned(), chart.collect());
        if self.rows.limit("memory_quiet")? > 0.0 {
            self.quiet_memory(finding)?;
        } else {
            self.slope(finding)?;
        }
        if self.rows.limit("descriptors_judged")? > 0.0 {
            self.descriptors(finding)?;
        }
        Ok(())
    }

    fn slope(&self, finding: &mut Finding) -> Result<(), Missing> {
        let rows = self.rows;
        let Some(slope) = reduced(rows, "", self.piece)? else {
            too_short(finding, "too few blocks");
            return Ok(());
        };
        let (verdict, allowed) = decide(rows, &slope)?;
        let measured = format!(
            "{:.2} MiB/h ({:.2} to {:.2})",
            slope.per_hour / MIB,
            slope.lower / MIB,
            slope.upper / MIB
        );
        let limit = format!("≤ {:.2} MiB/h", allowed / MIB);
        if verdict == Verdict::Fail {
            let says = format!("resident memory rose by {measured}, allowed {limit}");
            self.violation("memory", says, finding);
        }
        row(
            finding,
            "memory",
            (measured, limit),
            verdict,
            Reason::SlopeUndecided,
        );
        let blocks = slope.medians.iter();
        let blocks = blocks.map(|(hour, level)| (*hour, level / MIB)).collect();
        finding
            .series
            .insert("memory_blocks_mib".to_owned(), blocks);
        Ok(())
    }

    /// What the sampler saw by the end of the piece.
    fn violation(&self, check: &str, says: String, finding: &mut Finding) {
        let at = self.piece.last().map_or(0, |point| point.at);
        let place = Place::Moment(at, "sampler");
        finding.violations.push(place.violation(check, says));
    }

    /// The points inside each quiet phase after the warm-up, skipping phases outside the piece.
    fn quiet(&self) -> Result<Vec<Vec<Point>>, Missing> {
        let begin = self.piece.first().map_or(0, |first| first.at);
        let warm = begin.saturating_add(self.rows.nanos("warm_up_s")?);
        let spans = self.ground.summary.spans.iter();
        let spans = spans.filter(|span| span.phase == QUIET && span.from >= warm);
        let points = spans.map(|span| {
            let until = span.until.unwrap_or(u64::MAX);
            let inside = self
                .piece
                .iter()
                .filter(|point| span.from <= point.at && point.at <= until);
            inside.copied().collect::<Vec<_>>()
        });
        Ok(points.filter(|points| !points.is_empty()).collect())
    }

    fn quiet_memory(&self, finding: &mut Finding) -> Result<(), Missing> {
        let quiet = self.quiet()?;
        let level = |points: &Vec<Point>| {
            let mut resident: Vec<u64> = points.iter().map(|point| point.resident).collect();
            resident.sort_unstable();
            units::middle(&resident)
        };
        let (Some(first), Some(last)) =
            (quiet.first().and_then(level), quiet.last().and_then(level))
        else {
            too_short(finding, "no quiet points");
            return Ok(());
        };
        #[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^53")]
        let (first, last) = (first as f64, last as f64);
        let share = self.rows.limit("quiet_share")? * first;
        let allowed = share.max(self.rows.limit("quiet_floor_mib")? * MIB);
        let is_alone = quiet.len() <= 1;
        let verdict = match (is_alone, last - first <= allowed) {
            (true, _) => Verdict::Inconclusive,
            (false, true) => Verdict::Pass,
            (false, false) => Verdict::Fail,
        };
        let measured = format!("{:+.2} MiB between quiet points", (last - first) / MIB);
        let limit = format!("≤ {:.2} MiB", allowed / MIB);
        if verdict == Verdict::Fail {
            let says = format!("resident memory rose by {measured}, allowed {limit}");
            self.violation("memory", says, finding);
        }
        row(
            finding,
            "memory",
            (measured, limit),
            verdict,
            Reason::DurationShort,
        );
        Ok(())
    }

    fn descriptors(&self, finding: &mut Finding) -> Result<(), Missing> {
        let quiet = self.quiet()?;
        // By their end: connections of the traffic before are closed one after the other.
        let share = 1.0 - self.rows.limit("settled_share")?;
        let least = |points: &Vec<Point>| {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a count of seconds"
            )]
            let before = (points.len() as f64 * share) as usize;
            let settled = points.iter().skip(before);
            settled.map(|point| point.descriptors).min()
        };
        let levels: Vec<u64> = quiet.iter().filter_map(least).collect();
        let spread = levels
            .iter()
            .max()
            .zip(levels.iter().min())
            .map(|(most, least)| most - least);
        let allowed = self.rows.count("descriptors_allowed")?;
        let verdict = match spread.filter(|_| levels.len() > 1) {
            None => Verdict::Inconclusive,
            Some(spread) if spread <= allowed => Verdict::Pass,
            Some(_) => Verdict::Fail,
        };
        let measured = format!("{levels:?} open at quiet points");
        let limit = format!("equal within {allowed}");
        if verdict == Verdict::Fail {
            let says = format!("descriptors were left open: {measured}, {limit} is asked");
            self.violation("descriptors", says, finding);
        }
        row(
            finding,
            "descriptors",
            (measured, limit),
            verdict,
            Reason::DurationShort,
        );
        Ok(())
    }
}

/// The slope of a piece, reduced by the catalogue's limits of that prefix; None when too short.
fn reduced(rows: &Criterion, prefix: &str, piece: &[Point]) -> Result<Option<Slope>, Missing> {
    let nanos = |name: &str| rows.nanos(&format!("{prefix}{name}"));
    let reduction = Reduction {
        minute: nanos("minute_s")?,
        warm_up: nanos("warm_up_s")?,
        block: nanos("block_s")?,
        blocks: usize::try_from(rows.count(&format!("{prefix}blocks"))?).unwrap_or(usize::MAX),
    };
    let samples: Vec<(u64, u64)> = piece
        .iter()
        .map(|point| (point.at, point.resident))
        .collect();
    Ok(slope::slope(&samples, reduction))
}

/// What the slope alone says about a piece; None when it is too short to say anything.
pub(super) fn growth(
    rows: &Criterion,
    prefix: &str,
    piece: &[Point],
) -> Result<Option<Verdict>, Missing> {
    let Some(slope) = reduced(rows, prefix, piece)? else {
        return Ok(None);
    };
    Ok(Some(decide(rows, &slope)?.0))
}

/// Both opinions must agree, the bounds of the slope and Mann-Kendall's, on growth beyond what is
/// allowed; and what that is.
fn decide(rows: &Criterion, slope: &Slope) -> Result<(Verdict, f64), Missing> {
    let share = rows.limit("slope_share")? * slope.level;
    let allowed = share.max(rows.limit("slope_floor_kib")? * KIB);
    let ceiling = rows.limit("memory_mib")? * MIB * rows.limit("memory_share")?;
    let fits = slope.level + rows.limit("extrapolate_h")? * slope.upper < ceiling;
    let verdict = if slope.upper <= allowed && fits && slope.stays_below(allowed) {
        Verdict::Pass
    } else if slope.lower > allowed && slope.rises {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    };
    Ok((verdict, allowed))
}

fn too_short(finding: &mut Finding, why: &str) {
    let measured = (why.to_owned(), String::new());
    let (verdict, reason) = (Verdict::Inconclusive, Reason::DurationShort);
    row(finding, "memory", measured, verdict, reason);
}

fn row(
    finding: &mut Finding,
    id: &str,
    (measured, limit): (String, String),
    verdict: Verdict,
    reason: Reason,
) {
    finding.checks.push(Check {
        id: id.to_owned(),
        name: format!("{id} over the longest piece"),
        measured,
        limit,
        verdict,
        reason: (verdict == Verdict::Inconclusive).then_some(reason),
        n: 1,
    });
}
