//! How latency is distributed: a bar per bucket over a logarithmic axis, percentiles marked.

use maud::{Markup, html};

use crate::report::charts::frame::{self, Frame, Label};
use crate::report::charts::scale::{Scale, Unit};
use crate::report::series::{self, SeriesMap};
use crate::report::wording;

/// The chart, if the series hold buckets.
#[must_use]
pub fn distribution(series: &SeriesMap) -> Option<Markup> {
    let mut buckets: Vec<(f64, f64)> = series.get(series::LATENCY_HISTOGRAM)?.clone();
    buckets.retain(|(edge, count)| *edge > 0.0 && *count >= 0.0);
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let filled = filled(&buckets)?;
    let quantiles = series
        .get(series::LATENCY_QUANTILES)
        .cloned()
        .unwrap_or_default();
    let x = Scale::logarithmic(
        filled
            .iter()
            .flat_map(|bar| [bar.from, bar.until])
            .chain(quantiles.iter().map(|q| q.1)),
    )?;
    let most = filled.iter().map(|bar| bar.count).fold(0.0, f64::max);
    let y = Scale::rounded(0.0, most, true);
    let total: f64 = filled.iter().map(|bar| bar.count).sum();
    let mut shapes: Vec<String> = filled.iter().map(|bar| draw(bar, &x, &y)).collect();
    shapes.extend(
        quantiles
            .iter()
            .map(|q| frame::upright(x.share(q.1), "quantile")),
    );
    let says = |q: &(f64, f64)| format!("p{} {}", q.0, Unit::Milliseconds.say(q.1));
    let said: Vec<String> = quantiles.iter().map(says).collect();
    let counted = Unit::Count.say(total);
    Some(
        Frame {
            caption: html! {
                "Distribution of latency, " (counted) " operations, logarithmic"
            },
            described: format!("Distribution of {counted} latencies: {}", said.join(", ")),
            height: 170,
            left: frame::ticks(&y, y.ticks(), |count| Unit::Count.say(count)),
            below: frame::ticks(&x, x.ticks(), |ms| Unit::Milliseconds.say(ms)),
            shapes,
            labels: labels(&quantiles, &x, &said),
            lanes: Vec::new(),
        }
        .draw(),
    )
}

struct Bar {
    from: f64,
    until: f64,
    count: f64,
}

/// The buckets from the first to the last that holds anything, with their lower edges.
fn filled(buckets: &[(f64, f64)]) -> Option<Vec<Bar>> {
    let first = buckets.iter().position(|(_, count)| *count > 0.0)?;
    let last = buckets.iter().rposition(|(_, count)| *count > 0.0)?;
    let ratio = match buckets {
        [a, b, ..] => (b.0 / a.0).max(1.01),
        _ => 2.0,
    };
    let bars = (first..=last).map(|index| {
        let (until, count) = buckets[index];
        let before = index.checked_sub(1).map(|before| buckets[before].0);
        Bar {
            from: before.unwrap_or(until / ratio),
            until,
            count,
        }
    });
    Some(bars.collect())
}

fn draw(bar: &Bar, x: &Scale, y: &Scale) -> String {
    let (from, until) = (frame::x_of(x, bar.from), frame::x_of(x, bar.until));
    let gap = (until - from) * 0.12;
    // A bucket that holds anything is seen, however small beside the others.
    let least = if bar.count > 0.0 { 8.0 } else { 0.0 };
    let height = (frame::UNITS - frame::y_of(y, bar.count)).max(least);
    let top = frame::UNITS - height;
    let width = until - from - gap;
    format!(
        r#"<rect class="bar" x="{from:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}"/>"#
    )
}

fn labels(quantiles: &[(f64, f64)], x: &Scale, said: &[String]) -> Vec<Label> {
    let mut labels = Vec::new();
    for (row, (quantile, says)) in (0_u32..).zip(quantiles.iter().zip(said)) {
        labels.push(Label {
            x: x.share(quantile.1),
            top: row * 17,
            says: wording::cut(says, 24),
            class: "quantile",
        });
    }
    labels
}
