//! The last runs in the room of a word: a line of what was measured, a bar for each verdict. What
//! is drawn is said in words beside it, and value by value to those who cannot see it.

use exai_judge::Verdict;
use maud::{Markup, PreEscaped, html};

use crate::evidence::ledger::trend::Measured;
use crate::report::wording;

/// Units of the drawing in each direction; it is stretched to the room there is.
const UNITS: f64 = 100.0;

/// A figure over the runs, the newest marked; with the least and the largest value beside it.
#[must_use]
pub fn measured(row: &Measured) -> Markup {
    let said: Vec<String> = row
        .values
        .iter()
        .map(|value| value.map_or_else(|| "not measured".to_owned(), wording::measure))
        .collect();
    let described = format!("{} runs, oldest first: {}", said.len(), said.join(", "));
    let places = places(&row.values);
    html! {
        span.spark {
            svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label=(described) {
                (PreEscaped(line(&places)))
                @if let Some(Some((x, y))) = places.last() {
                    path.newest d={ "M" (round(*x)) " " (round(*y)) "h.01" } {}
                }
            }
        }
        @if let Some((least, most)) = row.range() {
            span.range {
                (wording::measure(least))
                @if most > least { " to " (wording::measure(most)) }
            }
        }
    }
}

/// Where each value is drawn, between the least and the largest; None where there is none.
fn places(values: &[Option<f64>]) -> Vec<Option<(f64, f64)>> {
    let known = || values.iter().copied().flatten();
    let least = known().fold(f64::INFINITY, f64::min);
    let span = known().fold(f64::NEG_INFINITY, f64::max) - least;
    #[expect(clippy::cast_precision_loss, reason = "a few runs")]
    let step = UNITS / (values.len().max(2) - 1) as f64;
    let place = |(run, value): (usize, &Option<f64>)| {
        let share = if span > 0.0 {
            ((*value)? - least) / span
        } else {
            value.map(|_| 0.5)?
        };
        #[expect(clippy::cast_precision_loss, reason = "a few runs")]
        let x = step * run as f64;
        Some((x, UNITS - share * UNITS))
    };
    values.iter().enumerate().map(place).collect()
}

/// One stroke for each stretch of runs that measured; a run alone is a dot.
fn line(places: &[Option<(f64, f64)>]) -> String {
    let mut strokes = String::new();
    for stretch in places.split(Option::is_none) {
        for (index, (x, y)) in stretch.iter().flatten().enumerate() {
            let verb = if index == 0 { 'M' } else { 'L' };
            strokes.push_str(&format!("{verb}{} {}", round(*x), round(*y)));
        }
        if stretch.len() == 1 {
            strokes.push_str("h.01");
        }
    }
    format!(r#"<path class="past" d="{strokes}"/>"#)
}

fn round(value: f64) -> String {
    let text = format!("{value:.1}");
    text.trim_end_matches(".0").to_owned()
}

/// A criterion over the runs: the worse the verdict, the higher its bar.
#[must_use]
pub fn judged(row: &[Option<Verdict>]) -> Markup {
    let word = |told: &Option<Verdict>| told.map_or("not judged", Verdict::word);
    let said: Vec<&str> = row.iter().map(word).collect();
    let described = format!("{} runs, oldest first: {}", said.len(), said.join(", "));
    #[expect(clippy::cast_precision_loss, reason = "a few runs")]
    let step = UNITS / row.len().max(1) as f64;
    html! {
        p.past {
            span.spark style={ "--runs:" (row.len()) } {
                svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img"
                    aria-label=(described) {
                    @for (place, told) in row.iter().enumerate() {
                        @if let Some(verdict) = told {
                            (PreEscaped(bar(*verdict, place, step)))
                        }
                    }
                }
            }
            span.range { "The last " (row.len()) " runs: " (wording::past(row)) }
        }
    }
}

fn bar(verdict: Verdict, place: usize, step: f64) -> String {
    let (height, class) = match verdict {
        Verdict::Pass => (30.0, "pass"),
        Verdict::Inconclusive => (60.0, "inconclusive"),
        Verdict::HarnessError => (80.0, "harness"),
        Verdict::Fail => (100.0, "fail"),
    };
    #[expect(clippy::cast_precision_loss, reason = "a few runs")]
    let x = step * place as f64 + step * 0.12;
    let (width, y) = (step * 0.76, UNITS - height);
    format!(
        r#"<rect class="{class}" x="{x:.1}" y="{y:.0}" width="{width:.1}" height="{height:.0}"/>"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_a_value_breaks_the_line_and_one_alone_is_a_dot() {
        let values = [Some(1.0), None, Some(3.0), Some(2.0), None];
        let drawn = line(&places(&values));
        assert_eq!(drawn, r#"<path class="past" d="M0 100h.01M50 0L75 50"/>"#);
    }

    #[test]
    fn equal_values_are_a_level_line_in_the_middle() {
        let places = places(&[Some(4.0), Some(4.0)]);
        assert_eq!(places, [Some((0.0, 50.0)), Some((100.0, 50.0))]);
    }

    #[test]
    fn every_value_and_every_verdict_is_said_in_words() {
        let row = Measured {
            name: "p50".to_owned(),
            unit: "ms".to_owned(),
            values: vec![Some(1.5), None, Some(1200.0)],
        };
        let drawn = measured(&row).into_string();
        assert!(drawn.contains("3 runs, oldest first: 1.5, not measured, 1 200"));
        assert!(drawn.contains("1.5 to 1 200"), "{drawn}");
        let verdicts = [Some(Verdict::Pass), None, Some(Verdict::Fail)];
        let drawn = judged(&verdicts).into_string();
        assert!(drawn.contains("oldest first: Pass, not judged, Fail"));
        assert!(drawn.contains("The last 3 runs: Pass in 1 of 2, Fail in 1"));
    }
}
