//! Charts of a finding, drawn from its series alone (names: `series.rs`).
//!
//! Shapes are SVG stretched to whatever width there is, with strokes that do not stretch; every
//! label is text of the page, laid out by shares of the axis. So a chart needs no script, never
//! scrolls sideways, and its labels have the same size on a phone as on a desk.

pub mod distribution;
pub mod frame;
pub mod recovery;
pub mod samples;
pub mod scale;
pub mod spark;
pub mod timeline;

use maud::Markup;

use crate::report::series::SeriesMap;

/// Every chart the series can carry, in reading order.
#[must_use]
pub fn charts(series: &SeriesMap) -> Vec<Markup> {
    let mut drawn = Vec::new();
    drawn.extend(timeline::latency(series));
    drawn.extend(recovery::recovery(series));
    drawn.extend(distribution::distribution(series));
    drawn.extend(samples::samples(series));
    drawn
}
