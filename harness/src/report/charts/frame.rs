//! The frame every chart shares: values named on the left and below, shapes between.

use maud::{Markup, PreEscaped, html};

use crate::report::charts::scale::Scale;

/// Units of the drawing in each direction; the drawing is stretched to the room there is.
pub const UNITS: f64 = 1000.0;

/// Moments below which a line over time says nothing that words do not.
pub const FEWEST: usize = 3;

/// A named place on an axis, from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Where, from 0 to 1.
    pub share: f64,
    /// What stands there.
    pub says: String,
}

/// What a chart consists of.
pub struct Frame {
    /// What is shown, with what was found, as a sentence.
    pub caption: Markup,
    /// The same for those who cannot see it.
    pub described: String,
    /// Pixels of height.
    pub height: u32,
    /// Named values of the left axis, 0 at the bottom.
    pub left: Vec<Tick>,
    /// Named values of the lower axis, 0 at the left.
    pub below: Vec<Tick>,
    /// SVG shapes in [`UNITS`].
    pub shapes: Vec<String>,
    /// Labels over the drawing.
    pub labels: Vec<Label>,
    /// Rows under the drawing that share its lower axis.
    pub lanes: Vec<Lane>,
}

/// A label over the drawing.
pub struct Label {
    /// From the left, 0 to 1.
    pub x: f64,
    /// Pixels from the top.
    pub top: u32,
    /// What it says.
    pub says: String,
    /// `limit` or `quantile`.
    pub class: &'static str,
}

/// A row of bars under the drawing.
pub struct Lane {
    /// Whose row.
    pub name: String,
    /// Begin and end of each bar, from 0 to 1.
    pub bars: Vec<(f64, f64)>,
}

impl Frame {
    /// The chart.
    #[must_use]
    pub fn draw(self) -> Markup {
        let lines: Vec<String> = self
            .left
            .iter()
            .map(|tick| across(tick.share, "grid"))
            .collect();
        html! {
            figure.chart {
                figcaption { (self.caption) }
                div.plot style={ "--height:" (self.height) "px" } {
                    div.left aria-hidden="true" {
                        @for tick in &self.left {
                            span style={ "bottom:" (percent(tick.share)) } { (tick.says) }
                        }
                    }
                    div.area {
                        svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img"
                            aria-label=(self.described) {
                            @for line in lines.iter().chain(&self.shapes) { (PreEscaped(line)) }
                        }
                        @for label in &self.labels { (draw_label(label)) }
                    }
                    @for lane in &self.lanes { (draw_lane(lane)) }
                    (below(&self.below))
                }
            }
        }
    }
}

fn draw_label(label: &Label) -> Markup {
    // A label near the right end grows to the left, so that none is cut.
    let side = if label.x > 0.6 {
        format!("right:{};text-align:right", percent(1.0 - label.x))
    } else {
        format!("left:{}", percent(label.x))
    };
    html! {
        span class={ "over " (label.class) } aria-hidden="true"
            style={ "top:" (label.top) "px;" (side) } { (label.says) }
    }
}

fn draw_lane(lane: &Lane) -> Markup {
    html! {
        div.lane-name { (lane.name) }
        div.lane {
            @for (from, until) in &lane.bars {
                i style={ "left:" (percent(*from)) ";width:" (percent(until - from)) } {}
            }
        }
    }
}

/// The lower axis. On a narrow page every second label is left out; the first and the last lean
/// inwards.
#[must_use]
pub fn below(ticks: &[Tick]) -> Markup {
    html! {
        div.below aria-hidden="true" {
            @for (index, tick) in ticks.iter().enumerate() {
                @let end = if tick.share < 0.03 { " first" } else if tick.share > 0.97 { " last" }
                    else { "" };
                @let spare = if index % 2 == 1 && ticks.len() > 3 { " spare" } else { "" };
                span class={ "tick" (end) (spare) } style={ "left:" (percent(tick.share)) } {
                    (tick.says)
                }
            }
        }
    }
}

/// Pixels from the top for the label of a line: above it, or under it at the upper edge.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixels within the height; below 0 saturates"
)]
pub fn label_top(share_from_top: f64, height: u32) -> u32 {
    let line = share_from_top * f64::from(height);
    if line < 18.0 {
        (line + 2.0) as u32
    } else {
        (line - 17.0) as u32
    }
}

/// A share as CSS writes it.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

/// Units from the left.
#[must_use]
pub fn x_of(axis: &Scale, value: f64) -> f64 {
    axis.share(value) * UNITS
}

/// Units from the top.
#[must_use]
pub fn y_of(axis: &Scale, value: f64) -> f64 {
    (1.0 - axis.share(value)) * UNITS
}

/// A horizontal line at a share of the height.
#[must_use]
pub fn across(share: f64, class: &str) -> String {
    let y = (1.0 - share) * UNITS;
    format!(r#"<path class="{class}" d="M0 {y:.1}H1000"/>"#)
}

/// A vertical line at a share of the width.
#[must_use]
pub fn upright(share: f64, class: &str) -> String {
    format!(
        r#"<path class="{class}" d="M{:.1} 0V1000"/>"#,
        share * UNITS
    )
}

/// A line through points; a single point becomes a dot.
#[must_use]
pub fn line(points: &[(f64, f64)], x: &Scale, y: &Scale, class: &str) -> String {
    let mut path = String::new();
    for (index, point) in points.iter().enumerate() {
        let (to_x, to_y) = (x_of(x, point.0), y_of(y, point.1));
        path.push_str(&format!(
            "{}{to_x:.1} {to_y:.1}",
            if index == 0 { "M" } else { "L" }
        ));
    }
    if points.len() == 1 {
        return format!(r#"<path class="{class} dot" d="{path}h0"/>"#);
    }
    format!(r#"<path class="{class}" d="{path}"/>"#)
}

/// Ticks of an axis.
pub fn ticks(axis: &Scale, values: Vec<f64>, say: impl Fn(f64) -> String) -> Vec<Tick> {
    values
        .into_iter()
        .map(|value| Tick {
            share: axis.share(value),
            says: say(value),
        })
        .collect()
}
