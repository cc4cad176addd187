//! Latency over time, shaded while a fault is active, and under it one lane per thing broken. With
//! faults and no latency the lanes stand alone: the kill timeline.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::report::charts::frame::{self, Frame, Label, Lane};
use crate::report::charts::scale::{Scale, Unit, clock};
use crate::report::series::{self, FaultSpan, SeriesMap};

/// Lanes drawn; further kinds of fault are counted in the caption.
const LANES: usize = 12;
/// Pixels of height.
const HEIGHT: u32 = 200;

/// The chart, if there is anything to draw.
#[must_use]
pub fn latency(series: &SeriesMap) -> Option<Markup> {
    let spans = series::fault_spans(series);
    let lines = lines(series);
    let x = time_axis(&lines, &spans)?;
    let (lanes, unnamed) = lanes(&spans, &x);
    let kinds_left = lanes.len().saturating_sub(LANES);
    let lanes: Vec<Lane> = lanes.into_iter().take(LANES).collect();
    let below = frame::ticks(&x, x.time_ticks(), |at| clock(at, x.high()));
    let gaps = gaps_in_words(kinds_left, unnamed);
    let limit = series::limit_of(series, "latency");
    let all = lines
        .iter()
        .flat_map(|line| line.points.iter().map(|point| point.1));
    let Some(y) = Scale::logarithmic(all.chain(limit)) else {
        return Some(
            Frame {
                caption: html! { "What was broken, from when until when" (gaps) },
                described: "Timeline of faults".to_owned(),
                height: 0,
                left: Vec::new(),
                below,
                shapes: Vec::new(),
                labels: Vec::new(),
                lanes,
            }
            .draw(),
        );
    };
    let mut shapes: Vec<String> = spans.iter().map(|span| band(span, &x)).collect();
    shapes.extend(limit.map(|limit| frame::across(y.share(limit), "limit")));
    // The median is drawn last, over the higher percentiles.
    shapes.extend(
        lines
            .iter()
            .rev()
            .map(|line| frame::line(&line.points, &x, &y, line.class)),
    );
    Some(
        Frame {
            caption: caption(&lines, &x, !spans.is_empty(), &gaps),
            described: described(&lines, &x),
            height: HEIGHT,
            left: frame::ticks(&y, y.ticks(), |ms| Unit::Milliseconds.say(ms)),
            below,
            shapes,
            labels: limit
                .map(|limit| limit_label(limit, &y))
                .into_iter()
                .collect(),
            lanes,
        }
        .draw(),
    )
}

struct Line {
    name: &'static str,
    class: &'static str,
    points: Vec<(f64, f64)>,
    is_thinned: bool,
}

fn lines(series: &SeriesMap) -> Vec<Line> {
    let named = [
        (series::LATENCY_P50, "p50", "p50"),
        (series::LATENCY_P95, "p95", "p95"),
        (series::LATENCY_P99, "p99", "p99"),
    ];
    named
        .into_iter()
        .filter_map(|(key, name, class)| {
            let whole = series
                .get(key)
                .filter(|points| points.len() >= frame::FEWEST)?;
            let points = series::thin(whole);
            Some(Line {
                name,
                class,
                is_thinned: points.len() < whole.len(),
                points,
            })
        })
        .collect()
}

fn time_axis(lines: &[Line], spans: &[FaultSpan]) -> Option<Scale> {
    let of_lines: Vec<f64> = lines
        .iter()
        .flat_map(|line| line.points.iter().map(|point| point.0))
        .collect();
    let moments = if of_lines.is_empty() {
        spans
            .iter()
            .flat_map(|span| [span.from, span.until])
            .collect()
    } else {
        of_lines
    };
    let low = moments.iter().copied().reduce(f64::min)?;
    let high = moments.iter().copied().reduce(f64::max)?;
    Some(Scale::linear(low, high))
}

fn lanes(spans: &[FaultSpan], x: &Scale) -> (Vec<Lane>, usize) {
    let mut order: Vec<&str> = Vec::new();
    let mut bars: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    let seen = spans
        .iter()
        .filter(|span| span.until >= x.low() && span.from <= x.high());
    let mut unnamed = 0;
    for span in seen {
        if span.what.is_empty() {
            unnamed += 1;
            continue;
        }
        if !order.contains(&span.what.as_str()) {
            order.push(&span.what);
        }
        bars.entry(&span.what)
            .or_default()
            .push((x.share(span.from), x.share(span.until)));
    }
    let lanes = order
        .into_iter()
        .map(|name| Lane {
            name: name.to_owned(),
            bars: bars.remove(name).unwrap_or_default(),
        })
        .collect();
    (lanes, unnamed)
}

fn band(span: &FaultSpan, x: &Scale) -> String {
    let from = frame::x_of(x, span.from);
    let width = (frame::x_of(x, span.until) - from).max(1.5);
    format!(r#"<rect class="fault" x="{from:.1}" y="0" width="{width:.1}" height="1000"/>"#)
}

fn limit_label(limit: f64, y: &Scale) -> Label {
    let top = frame::label_top(1.0 - y.share(limit), HEIGHT);
    Label {
        x: 1.0,
        top,
        says: format!("limit {}", Unit::Milliseconds.say(limit)),
        class: "limit",
    }
}

fn highest(line: &Line) -> (f64, f64) {
    let first = (0.0, f64::NEG_INFINITY);
    line.points.iter().fold(
        first,
        |best, point| if point.1 > best.1 { *point } else { best },
    )
}

fn peak(line: &Line, x: &Scale) -> String {
    let (at, ms) = highest(line);
    format!(
        "{} at most {} at {}",
        line.name,
        Unit::Milliseconds.say(ms),
        clock(at, x.high())
    )
}

fn caption(lines: &[Line], x: &Scale, has_faults: bool, gaps: &Markup) -> Markup {
    html! {
        "Latency from the intended start: "
        @for (index, line) in lines.iter().enumerate() {
            @if index > 0 { ", " }
            span class={ "swatch " (line.class) } {} " " b { (line.name) }
        }
        @if let Some(line) = lines.last() { "; " (peak(line, x)) }
        @if has_faults { "; " span.swatch.fault {} " while a fault is active" }
        (gaps)
        @if lines.iter().any(|line| line.is_thinned) {
            ". Drawn: the highest of each " (series::DRAWN_POINTS) "th of the time"
        }
    }
}

/// What the lanes leave out.
fn gaps_in_words(kinds_left: usize, unnamed: usize) -> Markup {
    html! {
        @if kinds_left > 0 { "; " (kinds_left) " further kinds have no row" }
        @if unnamed > 0 { "; " (unnamed) " faults without a name have no row" }
    }
}

fn described(lines: &[Line], x: &Scale) -> String {
    let said: Vec<String> = lines.iter().map(|line| peak(line, x)).collect();
    format!("Latency over time: {}", said.join("; "))
}
