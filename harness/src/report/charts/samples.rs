//! What the samplers saw over time: memory, descriptors, operations in flight, throughput.

use maud::{Markup, html};

use crate::report::charts::frame::{self, Frame, Label};
use crate::report::charts::scale::{Scale, Unit, clock};
use crate::report::series::{self, SeriesMap};

/// A limit further away than this many times the highest value is named, not drawn: drawn, it
/// would press the line flat.
const LIMIT_IN_SIGHT: f64 = 3.0;
/// Pixels of height.
const HEIGHT: u32 = 150;

/// All of them that the series hold.
#[must_use]
pub fn samples(series: &SeriesMap) -> Vec<Markup> {
    let mut drawn = Vec::new();
    let flying = "Operations in flight, as the simulators count";
    let rate = "Operations a second";
    for (chart, title) in [(series::INFLIGHT, flying), (series::THROUGHPUT, rate)] {
        let points = series
            .get(chart)
            .filter(|points| points.len() >= frame::FEWEST);
        drawn.extend(points.map(|points| {
            draw(&Sampled {
                title: title.to_owned(),
                points,
                unit: Unit::Count,
                mark: Mark::of(series, chart),
            })
        }));
    }
    for (prefix, what, unit) in [
        (series::MEMORY, "Resident memory", Unit::Mebibytes),
        (series::DESCRIPTORS, "Open descriptors", Unit::Count),
    ] {
        let mark = Mark::of(series, prefix.trim_end_matches('.'));
        let sampled = series::under(series, prefix);
        for (process, points) in sampled.filter(|(_, points)| points.len() >= frame::FEWEST) {
            let title = format!("{what}, {process}");
            drawn.push(draw(&Sampled {
                title,
                points,
                unit,
                mark,
            }));
        }
    }
    drawn
}

/// A value the judge compared with.
#[derive(Clone, Copy)]
struct Mark {
    value: f64,
    word: &'static str,
}

impl Mark {
    fn of(series: &SeriesMap, chart: &str) -> Option<Self> {
        let limit = series::limit_of(series, chart).map(|value| Self {
            value,
            word: "limit",
        });
        limit.or_else(|| {
            series::floor_of(series, chart).map(|value| Self {
                value,
                word: "needed",
            })
        })
    }

    fn say(self, unit: Unit) -> String {
        format!("{} {}", self.word, unit.say(self.value))
    }
}

struct Sampled<'a> {
    title: String,
    points: &'a [(f64, f64)],
    unit: Unit,
    mark: Option<Mark>,
}

fn draw(sampled: &Sampled<'_>) -> Markup {
    let (points, unit) = (series::thin(sampled.points), sampled.unit);
    let (start, end) = range(points.iter().map(|point| point.0));
    let (low, high) = range(sampled.points.iter().map(|point| point.1));
    let drawn = sampled
        .mark
        .filter(|mark| mark.value <= high * LIMIT_IN_SIGHT);
    let top = drawn.map_or(high, |mark| mark.value.max(high));
    let x = Scale::linear(start, end);
    // Counts start at zero; memory does not, or a slope would be too flat to see.
    let is_count = unit == Unit::Count;
    let y = Scale::rounded(if is_count { 0.0 } else { low }, top, is_count);
    let mut shapes = Vec::new();
    shapes.extend(drawn.map(|mark| frame::across(y.share(mark.value), mark.word)));
    shapes.push(frame::line(&points, &x, &y, "p50"));
    let (least, most) = (unit.say(low), unit.say(high));
    Frame {
        caption: html! {
            (sampled.title) ": " (least) " to " (most)
            @if let Some(mark) = sampled.mark {
                "; " (mark.say(unit))
                @if drawn.is_none() { ", above this chart" }
            }
            @if points.len() < sampled.points.len() {
                ". Drawn: the highest of each " (series::DRAWN_POINTS) "th of the time"
            }
        },
        described: format!("{} over time: {least} to {most}", sampled.title),
        height: HEIGHT,
        left: frame::ticks(&y, y.ticks(), |value| unit.say(value)),
        below: frame::ticks(&x, x.time_ticks(), |at| clock(at, x.high())),
        shapes,
        labels: drawn
            .map(|mark| mark_label(mark, &y, unit))
            .into_iter()
            .collect(),
        lanes: Vec::new(),
    }
    .draw()
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let none = (f64::INFINITY, f64::NEG_INFINITY);
    values.fold(none, |(low, high), value| (low.min(value), high.max(value)))
}

fn mark_label(mark: Mark, y: &Scale, unit: Unit) -> Label {
    let top = frame::label_top(1.0 - y.share(mark.value), HEIGHT);
    Label {
        x: 1.0,
        top,
        says: mark.say(unit),
        class: mark.word,
    }
}
