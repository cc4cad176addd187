//! Published counters: reading a series' name and labels, and what changed between two scrapes.

use std::collections::BTreeMap;

/// The value of a label in `name{label="value",…}`; None when the series has another name or lacks
/// the label.
#[must_use]
pub fn label<'a>(series: &'a str, name: &str, label: &str) -> Option<&'a str> {
    let labels = series
        .strip_prefix(name)?
        .strip_prefix('{')?
        .strip_suffix('}')?;
    labels.split(',').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == label).then(|| value.trim_matches('"'))
    })
}

/// Sums of a family's values by one label.
#[must_use]
pub fn by_label(values: &BTreeMap<String, f64>, name: &str, by: &str) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for (series, value) in values {
        if let Some(found) = label(series, name, by) {
            *sums.entry(found.to_owned()).or_default() += value;
        }
    }
    sums
}

/// Which moment a scrape marks and the criterion it brackets: `before V.3` is
/// `("before", Some("V.3"))`, `tick` is `("tick", None)`.
#[must_use]
pub fn mark(text: &str) -> (&str, Option<&str>) {
    match text.split_once([' ', ':', '/']) {
        Some((moment, criterion)) => (moment, Some(criterion.trim())),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_marks_read_back() {
        let series = r#"exai_requests_total{tool="chat",transport="stdio",status="ok"}"#;
        assert_eq!(label(series, "exai_requests_total", "tool"), Some("chat"));
        assert_eq!(label(series, "exai_requests", "tool"), None);
        assert_eq!(label(series, "exai_requests_total", "model"), None);
        assert_eq!(mark("before V.3"), ("before", Some("V.3")));
        assert_eq!(mark("tick"), ("tick", None));
        let values = BTreeMap::from([
            (series.to_owned(), 3.0),
            (series.replace("ok", "error"), 1.0),
        ]);
        let sums = by_label(&values, "exai_requests_total", "tool");
        assert_eq!(sums, BTreeMap::from([("chat".to_owned(), 4.0)]));
    }
}
