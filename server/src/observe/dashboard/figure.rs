//! Figures as people read them, and the small drawings beside them.

/// Thousands apart by a narrow space: `12 345`.
pub fn whole(value: f64) -> String {
    let digits = format!("{:.0}", value.max(0.0));
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun.
pub fn count(value: f64, noun: &str) -> String {
    let plural = if value == 1.0 { "" } else { "s" };
    format!("{} {noun}{plural}", whole(value))
}

/// A rate: one decimal where it matters.
pub fn rate(value: f64) -> String {
    match value {
        v if v < 0.05 => "0".to_owned(),
        v if v < 10.0 => format!("{v:.1}"),
        v => whole(v),
    }
}

/// Seconds as `38 ms` or `2.4 s`.
pub fn seconds(value: f64) -> String {
    match value {
        v if v < 0.0095 => format!("{:.1} ms", v * 1000.0),
        v if v < 0.9995 => format!("{:.0} ms", v * 1000.0),
        v if v < 9.95 => format!("{v:.1} s"),
        v => format!("{v:.0} s"),
    }
}

/// A share as `0.6 %`.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    match value {
        v if v == 0.0 || v >= 99.995 => format!("{v:.0} %"),
        v if v < 10.0 => format!("{v:.1} %"),
        v if v > 99.0 => format!("{v:.2} %"),
        v => format!("{v:.0} %"),
    }
}

/// Bytes as `38 MiB`.
pub fn bytes(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        v if v >= 1024.0 * 1_048_576.0 => (value / 1024.0 / 1_048_576.0, "GiB"),
        v if v >= 1_048_576.0 => (value / 1_048_576.0, "MiB"),
        _ => (value / 1024.0, "KiB"),
    };
    if scaled.abs() < 10.0 {
        format!("{scaled:.1} {unit}")
    } else {
        format!("{scaled:.0} {unit}")
    }
}

/// How long ago, in the two largest units: `3 h 12 min`.
pub fn span(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{} s", seconds.max(0)),
        (0, 0, m) => format!("{m} min"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

/// The exact figure of a metric, with what is read.
pub fn exact(value: f64, shown: &str) -> String {
    format!("<data value=\"{value}\">{shown}</data>")
}

/// The exact figure of what the page computes, by its name, with what is read.
pub fn named(name: &str, value: f64, shown: &str) -> String {
    format!("<data data-figure=\"{name}\" value=\"{value}\">{shown}</data>")
}

/// As [`named`]; a dash where there is no figure.
pub fn named_or_dash(name: &str, value: Option<f64>, shown: impl Fn(f64) -> String) -> String {
    value.map_or("–".to_owned(), |value| named(name, value, &shown(value)))
}

/// A line through the points, 0 at the bottom, in a box of 220 by 44.
pub fn spark(points: &[f64]) -> String {
    let most = points.iter().copied().fold(0.0, f64::max);
    let step = 220.0 / (points.len().max(2) - 1) as f64;
    let height = |value: f64| match most > 0.0 {
        true => 41.0 - value / most * 37.0,
        false => 41.0,
    };
    let place = |(n, value): (usize, &f64)| format!("{:.1},{:.1}", n as f64 * step, height(*value));
    let line: Vec<String> = points.iter().enumerate().map(place).collect();
    let drawn = match line.len() {
        // A straight line until there are two points.
        0 | 1 => "<polyline points=\"0,41 220,41\"/>".to_owned(),
        _ => format!(
            "<polygon points=\"0,44 {line} 220,44\"/><polyline points=\"{line}\"/>",
            line = line.join(" ")
        ),
    };
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 220 44\" preserveAspectRatio=\"none\" \
         aria-hidden=\"true\">{drawn}</svg>"
    )
}

/// A bar that fills this share of its width.
pub fn bar(share: f64, class: &str) -> String {
    let width = (share * 100.0).clamp(0.0, 100.0);
    format!(
        "<svg class=\"bar {class}\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" \
         aria-hidden=\"true\"><rect class=\"all\" width=\"100\" height=\"10\"/>\
         <rect width=\"{width:.1}\" height=\"10\"/></svg>"
    )
}
