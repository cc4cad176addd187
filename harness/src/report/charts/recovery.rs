//! From each kill to sustained service: one row a component, one dot a kill.

use maud::{Markup, html};

use crate::report::charts::frame;
use crate::report::charts::scale::{Scale, Unit};
use crate::report::series::{self, SeriesMap};

/// The chart, if the series hold recoveries.
#[must_use]
pub fn recovery(series: &SeriesMap) -> Option<Markup> {
    let rows: Vec<(&str, &[(f64, f64)])> = series::under(series, series::RECOVERY).collect();
    let limit = series::limit_of(series, "recovery");
    let all = rows
        .iter()
        .flat_map(|(_, kills)| kills.iter().map(|kill| kill.1));
    if rows.is_empty() {
        return None;
    }
    // A recovery of 0 s has no place on a logarithmic axis; it stands at the lower end.
    let x = Scale::logarithmic(all.chain(limit).map(|seconds| seconds.max(0.01)))?;
    let kills: usize = rows.iter().map(|(_, kills)| kills.len()).sum();
    let ticks = frame::ticks(&x, x.ticks(), |seconds| Unit::Seconds.say(seconds));
    Some(html! {
        figure.chart.wide {
            figcaption {
                "From kill to sustained service, one dot a kill (" (kills) "), logarithmic"
                @if let Some(limit) = limit { "; dashed: limit " (Unit::Seconds.say(limit)) }
            }
            div.strips {
                @for (component, kills) in &rows { (row(component, kills, &x, limit)) }
                (frame::below(&ticks))
            }
        }
    })
}

fn row(component: &str, kills: &[(f64, f64)], x: &Scale, limit: Option<f64>) -> Markup {
    let (p50, max) = (
        median(kills),
        kills.iter().map(|kill| kill.1).fold(0.0, f64::max),
    );
    let said = format!(
        "{component}: {} kills, p50 {}, max {}",
        kills.len(),
        Unit::Seconds.say(p50),
        Unit::Seconds.say(max)
    );
    html! {
        div.name { (component.replace('_', " ")) }
        div.strip {
            svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" aria-label=(said) {
                @for value in x.ticks() {
                    (maud::PreEscaped(frame::upright(x.share(value), "grid")))
                }
                @if let Some(limit) = limit {
                    (maud::PreEscaped(frame::upright(x.share(limit), "limit")))
                }
                @for kill in kills {
                    @let over = limit.is_some_and(|limit| kill.1 > limit);
                    path class=(if over { "dot over" } else { "dot" })
                        d={ "M" (format!("{:.1}", frame::x_of(x, kill.1))) " 500h0" } {}
                }
            }
        }
        div.said {
            span.wide { "p50 " (Unit::Seconds.say(p50)) " · " }
            "max " (Unit::Seconds.say(max))
        }
    }
}

fn median(kills: &[(f64, f64)]) -> f64 {
    let mut sorted: Vec<f64> = kills.iter().map(|kill| kill.1).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
        .get(sorted.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(0.0)
}
