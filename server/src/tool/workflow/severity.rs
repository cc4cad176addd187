//! The severity that an issue's text begins with, and the filter on it.

/// How bad an issue is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Critical,
    High,
    Medium,
    Low,
}

impl Severity {
    /// A severity by its word; `all` and anything else is none.
    pub(super) fn named(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "critical" => Some(Self::Critical),
            "high" => Some(Self::High),
            "medium" => Some(Self::Medium),
            "low" => Some(Self::Low),
            _ => None,
        }
    }

    /// The severity an issue's text begins with, as in `high: …`, `[High] …` or `- HIGH …`.
    fn of(issue: &str) -> Option<Self> {
        let text = issue.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        let end = text.find(|c: char| !c.is_ascii_alphabetic());
        Self::named(&text[..end.unwrap_or(text.len())])
    }
}

/// The issues at or above `least`; one that names no severity is never left out.
pub(super) fn filtered(issues: Vec<&str>, least: Option<Severity>) -> Vec<&str> {
    let Some(least) = least else { return issues };
    let is_wanted = |issue: &&str| Severity::of(issue).is_none_or(|severity| severity <= least);
    issues.into_iter().filter(is_wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_leaves_out_exactly_what_is_less_severe() {
        let issues = vec![
            "critical: a",
            "[High] b",
            "- MEDIUM c",
            "low d",
            "lower e",
            "f",
        ];
        let kept = |word| filtered(issues.clone(), Severity::named(word)).len();
        let counts = ["critical", "high", "medium", "low", "all"].map(kept);
        assert_eq!(counts, [3, 4, 5, 6, 6]);
    }
}
