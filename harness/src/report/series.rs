//! The names under which a finding carries the points of its charts.
//!
//! | series | x | y |
//! |---|---|---|
//! | `latency.p50`, `latency.p95`, `latency.p99` | s since run start | ms |
//! | `latency.histogram` | upper edge of a bucket, ms | count in the bucket |
//! | `latency.quantiles` | percentile (50, 95, 99) | ms, as the check measured it |
//! | `faults`, `faults.<what>` | begin, s | end, s |
//! | `memory.server` (or another process) | s | MiB |
//! | `descriptors.server` | s | open descriptors |
//! | `inflight` | s | operations in flight |
//! | `throughput` | s | operations a second |
//! | `recovery.<component>` | number of the kill, from 1 | s from kill to sustained service |
//! | `<chart>.limit` | ignored | the limit as configured, in the unit of y |
//! | `<chart>.floor` | ignored | what had to be reached, in the unit of y (samples only) |
//!
//! `<chart>` is `latency`, `memory`, `descriptors`, `inflight`, `throughput` or `recovery`; a limit
//! is drawn only when the series names it, so that no chart shows a limit nobody applied. A series
//! under any other name is listed in the JSON form and drawn by nobody.

use std::collections::BTreeMap;

/// A finding's series by name.
pub type SeriesMap = BTreeMap<String, Vec<(f64, f64)>>;

/// Median latency over time.
pub const LATENCY_P50: &str = "latency.p50";
/// 95th percentile of latency over time.
pub const LATENCY_P95: &str = "latency.p95";
/// 99th percentile of latency over time.
pub const LATENCY_P99: &str = "latency.p99";
/// Buckets of the latency distribution.
pub const LATENCY_HISTOGRAM: &str = "latency.histogram";
/// Percentiles as measured, marked in the distribution.
pub const LATENCY_QUANTILES: &str = "latency.quantiles";
/// Intervals in which a fault was active.
pub const FAULTS: &str = "faults";
/// Operations in flight over time.
pub const INFLIGHT: &str = "inflight";
/// Operations a second over time.
pub const THROUGHPUT: &str = "throughput";
/// Prefix of resident memory by process.
pub const MEMORY: &str = "memory.";
/// Prefix of open descriptors by process.
pub const DESCRIPTORS: &str = "descriptors.";
/// Prefix of recovery times by component.
pub const RECOVERY: &str = "recovery.";

/// The most points of a line that are drawn; more are thinned by [`thin`].
pub const DRAWN_POINTS: usize = 480;

/// Names the checkers use for the same thing, with the name of the charts.
const ALIASES: [(&str, &str); 2] = [("in_flight", INFLIGHT), ("ttsr.", RECOVERY)];

/// Brings a finding's series under the names of this module.
pub fn rename(series: &mut SeriesMap) {
    let renamed = std::mem::take(series).into_iter().map(|(name, points)| {
        let drawn = ALIASES.iter().find_map(|(alias, chart)| {
            let rest = name.strip_prefix(alias)?;
            Some(format!("{chart}{rest}"))
        });
        (drawn.unwrap_or(name), points)
    });
    *series = renamed.collect();
}

/// An interval in which a fault was active.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultSpan {
    /// What was broken; empty when the series does not say.
    pub what: String,
    /// Seconds since run start.
    pub from: f64,
    /// Seconds since run start.
    pub until: f64,
}

/// Every fault interval, in order of its begin.
#[must_use]
pub fn fault_spans(series: &SeriesMap) -> Vec<FaultSpan> {
    let mut spans = Vec::new();
    for (name, points) in series {
        let what = match name.strip_prefix(FAULTS) {
            Some("") => "",
            Some(rest) if rest.starts_with('.') => &rest[1..],
            _ => continue,
        };
        let ordered = points.iter().filter(|(from, until)| until >= from);
        spans.extend(ordered.map(|&(from, until)| FaultSpan {
            what: what.replace('_', " "),
            from,
            until,
        }));
    }
    spans.sort_by(|a, b| a.from.total_cmp(&b.from).then_with(|| a.what.cmp(&b.what)));
    spans
}

/// The limit of a chart, if the judge applied one.
#[must_use]
pub fn limit_of(series: &SeriesMap, chart: &str) -> Option<f64> {
    series
        .get(&format!("{chart}.limit"))?
        .first()
        .map(|&(_, limit)| limit)
}

/// What a chart of samples had to reach, if the judge asked for it.
#[must_use]
pub fn floor_of(series: &SeriesMap, chart: &str) -> Option<f64> {
    series
        .get(&format!("{chart}.floor"))?
        .first()
        .map(|&(_, floor)| floor)
}

/// The series under a prefix, with the rest of the name: process or component. Limits are not one.
pub fn under<'a>(
    series: &'a SeriesMap,
    prefix: &'a str,
) -> impl Iterator<Item = (&'a str, &'a [(f64, f64)])> {
    series.iter().filter_map(move |(name, points)| {
        let rest = name.strip_prefix(prefix)?;
        let is_mark = ["limit", "floor"].contains(&rest);
        (!is_mark && !points.is_empty()).then_some((rest, points.as_slice()))
    })
}

/// Keeps the highest point of each of [`DRAWN_POINTS`] equal parts of the x range, and the ends; a
/// shorter series stays whole. Thinning may hide a dip, never a peak and never how long a run was.
#[must_use]
pub fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    let width = last.0 - first.0;
    if points.len() <= DRAWN_POINTS || width <= 0.0 {
        return points.to_vec();
    }
    let mut kept: Vec<(f64, f64)> = vec![*first];
    let mut part_of_last = usize::MAX;
    for &point in points {
        let part = part(point.0 - first.0, width);
        match kept.last_mut() {
            Some(last) if part == part_of_last => {
                if point.1 > last.1 {
                    *last = point;
                }
            }
            _ => kept.push(point),
        }
        part_of_last = part;
    }
    kept.push(*last);
    kept.dedup();
    kept
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a small whole number; out of range saturates into the last part"
)]
fn part(offset: f64, width: f64) -> usize {
    ((offset / width * DRAWN_POINTS as f64) as usize).min(DRAWN_POINTS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_every_peak() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|x| (f64::from(x), 1.0)).collect();
        points[4_321].1 = 99.0;
        let thinned = thin(&points);
        assert!(
            thinned.len() <= DRAWN_POINTS + 2,
            "{} points left",
            thinned.len()
        );
        assert!(thinned.contains(&(4_321.0, 99.0)));
        assert_eq!(thinned.first(), points.first());
        assert_eq!(thinned.last(), points.last());
    }

    #[test]
    fn a_short_series_is_drawn_whole() {
        let points = [(0.0, 1.0), (1.0, 2.0)];
        assert_eq!(thin(&points), points);
        assert!(thin(&[]).is_empty());
    }

    #[test]
    fn faults_are_found_with_and_without_a_name() {
        let series = SeriesMap::from([
            ("faults".to_owned(), vec![(9.0, 10.0), (5.0, 4.0)]),
            ("faults.store_pause".to_owned(), vec![(1.0, 3.0)]),
            ("faulty".to_owned(), vec![(0.0, 1.0)]),
        ]);
        let spans = fault_spans(&series);
        let said: Vec<_> = spans
            .iter()
            .map(|span| (span.what.as_str(), span.from))
            .collect();
        assert_eq!(said, [("store pause", 1.0), ("", 9.0)]);
    }
}
