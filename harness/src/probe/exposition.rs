//! Reads the Prometheus text format as far as values go.

use std::collections::BTreeMap;

/// Each series of an exposition, by its name with its labels as printed, to its value. Comments
/// and lines that are no series are left out.
#[must_use]
pub fn series(text: &str) -> BTreeMap<String, f64> {
    text.lines().filter_map(one).collect()
}

fn one(line: &str) -> Option<(String, f64)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    // A label's value may hold spaces and braces; the last closing brace ends the labels.
    let end = match line.rfind('}') {
        Some(brace) => brace + 1,
        None => line.find(' ')?,
    };
    let (name, rest) = line.split_at_checked(end)?;
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_keep_their_labels_and_comments_are_dropped() {
        let text = "# HELP a b\n# TYPE a counter\na_total 3\na{x=\"1 }y\",z=\"2\"} 4.5 170\n\
            b +Inf\n\
                    junk\n# EOF\n";
        let found = series(text);
        assert_eq!(found.len(), 3);
        assert_eq!(found.get("a_total"), Some(&3.0));
        assert_eq!(found.get("a{x=\"1 }y\",z=\"2\"}"), Some(&4.5));
        assert_eq!(found.get("b"), Some(&f64::INFINITY));
    }
}
