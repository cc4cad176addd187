//! The live page of a soak: one file that loads itself again and needs nothing but a browser.

use std::fmt::Write as _;

use exai_judge::units;

use super::live::Live;

/// Between two loads, s.
const AGAIN: u64 = 5;
/// Size of a chart, px.
const CHART: (f64, f64) = (640.0, 120.0);
const MIB: f64 = units::MIB;

/// What the page says beside the fold.
pub struct Title<'a> {
    /// The run's folder name.
    pub run: &'a str,
    /// Where the soak stands, s.
    pub measured: u64,
    /// Where it is to end, s.
    pub planned: u64,
    /// Whether the run is over: then the page no longer loads itself again.
    pub is_over: bool,
}

/// Draws the page.
#[must_use]
pub fn render(title: &Title<'_>, live: &Live) -> String {
    let again = if title.is_over {
        String::new()
    } else {
        format!("<meta http-equiv=\"refresh\" content=\"{AGAIN}\">")
    };
    let left = title.planned.saturating_sub(title.measured);
    let state = if title.is_over {
        "over; the verdict is in latest/report.html".to_owned()
    } else {
        format!("{} left", units::span(left))
    };
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">{again}\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>soak {run}</title><style>{STYLE}</style></head><body>\
         <h1>{measured} of {planned}</h1><p>{run} · {state}</p>\
         <progress max=\"{max}\" value=\"{value}\"></progress>",
        run = escaped(title.run),
        measured = units::span(title.measured),
        planned = units::span(title.planned),
        max = title.planned,
        value = title.measured,
    );
    page.push_str(&table(live));
    let minutes = live.minutes.iter();
    let slowest = minutes
        .clone()
        .map(|minute| units::seconds(minute.slowest) * 1_000.0);
    page.push_str(&chart("slowest call of each minute, ms", slowest));
    let resident = minutes.filter(|minute| minute.resident > 0);
    let resident = resident.map(|minute| mib(minute.resident));
    page.push_str(&chart("resident memory of the server, MiB", resident));
    page.push_str("</body></html>\n");
    page
}

const STYLE: &str = "body{font:16px/1.4 system-ui,sans-serif;max-width:44rem;margin:2rem auto;\
    padding:0 1rem;color-scheme:light dark}progress{width:100%}table{border-collapse:collapse;\
    width:100%}td{padding:.2rem .6rem .2rem 0;border-bottom:1px solid #8884}\
    td+td{text-align:right;font-variant-numeric:tabular-nums}svg{width:100%;height:auto}\
    polyline{fill:none;stroke:currentColor;stroke-width:1.5}h2{font-size:1rem;margin:1.5rem 0 0}";

fn table(live: &Live) -> String {
    let faults = live.faults.iter();
    let faults: Vec<String> = faults
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let mut rows = vec![
        (
            "operations of the stream".to_owned(),
            live.operations.to_string(),
        ),
        (
            "not right at first sight".to_owned(),
            live.wrong.to_string(),
        ),
        (
            "p95 of the last calls".to_owned(),
            format!("{:.1} ms", units::seconds(live.p95()) * 1_000.0),
        ),
        ("critical errors".to_owned(), live.criticals.to_string()),
        (
            "signs of the second, broken instance".to_owned(),
            live.control.to_string(),
        ),
        ("faults injected and healed".to_owned(), faults.join(", ")),
        (
            "seconds sampled, widest step".to_owned(),
            format!("{}, {:.1} s", live.sampled, units::seconds(live.widest)),
        ),
    ];
    rows.extend(
        live.last_critical
            .iter()
            .map(|last| ("the last critical error".to_owned(), last.clone())),
    );
    rows.extend(live.resident.iter().map(|(process, row)| {
        let (first, last, most) = (mib(row.first), mib(row.last), mib(row.most));
        let says = format!("{first:.1} → {last:.1} MiB, at most {most:.1}");
        (format!("memory of {process}"), says)
    }));
    let mut table = "<table>".to_owned();
    for (name, value) in rows {
        // Writing to a string does not fail.
        let _ = write!(table, "<tr><td>{}<td>{}", escaped(&name), escaped(&value));
    }
    table.push_str("</table>");
    table
}

#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
const fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

#[expect(clippy::cast_precision_loss, reason = "at most a day of minutes")]
fn chart(name: &str, values: impl Iterator<Item = f64>) -> String {
    let values: Vec<f64> = values.collect();
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let step = CHART.0 / (values.len().max(2) - 1) as f64;
    let mut points = String::new();
    for (index, value) in values.iter().enumerate() {
        let (x, y) = (index as f64 * step, CHART.1 * (1.0 - value / most));
        let _ = write!(points, "{x:.1},{y:.1} ");
    }
    format!(
        "<h2>{name} (top {most:.1})</h2><svg viewBox=\"0 -4 {} {}\" role=\"img\" \
         aria-label=\"{name}\"><polyline points=\"{points}\"/></svg>",
        CHART.0,
        CHART.1 + 8.0
    )
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_itself_again_until_the_run_is_over_and_shows_nothing_as_markup() {
        let mut live = Live::default();
        live.last_critical = Some("log: <script>alert(1)</script>".to_owned());
        let mut title = Title {
            run: "20261121T044336Z-4f1c9ae-7",
            measured: 60,
            planned: 1_800,
            is_over: false,
        };
        let page = render(&title, &live);
        assert!(page.contains("http-equiv=\"refresh\""), "{page}");
        assert!(page.contains("<h1>60 s of 30 min</h1>"), "{page}");
        assert!(!page.contains("<script"), "{page}");
        title.is_over = true;
        assert!(!render(&title, &live).contains("http-equiv"));
    }
}
