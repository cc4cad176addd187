//! Numbers, times and reasons as people read them. Every format says them the same way.

use exai_judge::{Reason, Verdict};
use jiff::Timestamp;

/// A count with its digits in threes: `14 400`.
#[must_use]
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A measured value with as many digits as mean something: `0.44`, `41`, `1 933`.
#[must_use]
pub fn measure(value: f64) -> String {
    if !value.is_finite() {
        return "not measured".to_owned();
    }
    let magnitude = value.abs();
    if magnitude >= 1000.0 {
        let sign = if value < 0.0 { "−" } else { "" };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rounded and non-negative; beyond u64 it saturates"
        )]
        return format!("{sign}{}", count(magnitude.round() as u64));
    }
    let decimals = match magnitude {
        m if m >= 100.0 => 0,
        m if m >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let short = match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.'),
        None => &text,
    };
    if short == "-0" {
        "0".to_owned()
    } else {
        short.to_owned()
    }
}

/// A moment of the run: `41.203 s`.
#[must_use]
pub fn moment(at_ns: u64) -> String {
    let ms = at_ns / 1_000_000;
    format!("{}.{:03} s", count(ms / 1000), ms % 1000)
}

/// A length of time in seconds: `48 s`, `4 min 03 s`, `4 h`.
#[must_use]
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// What the runs before ended with, and how often: `Pass in 7 of 8, Fail in 1`.
#[must_use]
pub fn past(row: &[Option<Verdict>]) -> String {
    let judged = row.iter().flatten().count();
    let mut of = format!(" of {judged}");
    let mut said = Vec::new();
    for verdict in [
        Verdict::Pass,
        Verdict::Inconclusive,
        Verdict::HarnessError,
        Verdict::Fail,
    ] {
        let times = row.iter().flatten().filter(|one| **one == verdict).count();
        if times > 0 {
            said.push(format!("{} in {times}{of}", verdict.word()));
            of.clear();
        }
    }
    said.join(", ")
}

/// A date with its zone: `2026-01-12 09:41 UTC`.
#[must_use]
pub fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A digest short enough to compare by eye: `9c1e0b…41af`.
#[must_use]
pub fn short_digest(digest: &str) -> String {
    let count = digest.chars().count();
    if count <= 16 {
        return digest.to_owned();
    }
    let head: String = digest.chars().take(8).collect();
    let tail: String = digest.chars().skip(count - 4).collect();
    format!("{head}…{tail}")
}

/// A text cut to so many characters, the cut shown.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// The parts of a text that a line break may stand between: never a number and its unit, its
/// comparison sign or the rest of its digits.
#[must_use]
pub fn unbroken(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match parts.last_mut() {
            Some(last) if belongs(last, word) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => parts.push(word.to_owned()),
        }
    }
    parts
}

fn belongs(before: &str, word: &str) -> bool {
    let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric() && letter != '%');
    let is_unit = ["s", "ms", "min", "h", "%", "MiB", "KiB", "GiB", "req/s"].contains(&bare);
    let is_digits = word.starts_with(|letter: char| letter.is_ascii_digit());
    let after_digits = before.ends_with(|letter: char| letter.is_ascii_digit());
    let after_sign = before.ends_with(['<', '>', '≤', '≥', '=']);
    (after_digits && (is_unit || is_digits)) || (after_sign && is_digits)
}

/// The same text with blanks that do not break inside those parts, for a page.
#[must_use]
pub fn glued(text: &str) -> String {
    let parts: Vec<String> = unbroken(text)
        .into_iter()
        .map(|part| part.replace(' ', "\u{a0}"))
        .collect();
    parts.join(" ")
}

/// A sentence's first letter as a capital.
#[must_use]
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// The verdict word of machine files.
#[must_use]
pub const fn machine_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Inconclusive => "INCONCLUSIVE",
        Verdict::HarnessError => "HARNESS_ERROR",
        Verdict::Fail => "FAIL",
    }
}

/// The reason's code in records and machine files.
#[must_use]
pub const fn reason_code(reason: Reason) -> &'static str {
    match reason {
        Reason::ZeroSamples => "zero_samples",
        Reason::BelowFloor => "below_floor",
        Reason::EventNotSeen => "event_not_seen",
        Reason::ControlNotFired => "control_not_fired",
        Reason::RigLimit => "rig_limit",
        Reason::DroppedArrivals => "dropped_arrivals",
        Reason::Contradictory => "contradictory",
        Reason::Expired => "expired",
        Reason::ForeignIdentity => "foreign_identity",
        Reason::MissingDependency => "missing_dependency",
        Reason::NotSelected => "not_selected",
        Reason::NotTestable => "not_testable",
        Reason::DurationShort => "duration_short",
        Reason::SchemaInvalid => "schema_invalid",
        Reason::FaultNotLanded => "fault_not_landed",
        Reason::StoreMismatch => "store_mismatch",
        Reason::SlopeUndecided => "slope_undecided",
        Reason::SkippedCheck => "skipped_check",
    }
}

/// The reason in words, as the rest of a sentence.
#[must_use]
pub const fn reason_words(reason: Reason) -> &'static str {
    match reason {
        Reason::ZeroSamples => "nothing was measured",
        Reason::BelowFloor => "too few samples",
        Reason::EventNotSeen => "an event that had to happen was not seen",
        Reason::ControlNotFired => "the detector was not shown to work",
        Reason::RigLimit => "the test rig was at its limit",
        Reason::DroppedArrivals => "the generator dropped arrivals",
        Reason::Contradictory => "readings contradict each other",
        Reason::Expired => "the evidence has expired",
        Reason::ForeignIdentity => "another build than the one to be judged",
        Reason::MissingDependency => "something it needs is missing here",
        Reason::NotSelected => "not part of this run",
        Reason::NotTestable => "no means to test it yet",
        Reason::DurationShort => "the run was too short",
        Reason::SchemaInvalid => "a record does not match its schema",
        Reason::FaultNotLanded => "a fault did not land",
        Reason::StoreMismatch => "another store than the one named",
        Reason::SlopeUndecided => "the slope could be either side of its limit",
        Reason::SkippedCheck => "a check was skipped",
    }
}

/// Several reasons with their codes: `duration_short: the run was too short`.
#[must_use]
pub fn reasons(reasons: &[Reason]) -> String {
    let said: Vec<String> = reasons
        .iter()
        .map(|reason| format!("{}: {}", reason_code(*reason), reason_words(*reason)))
        .collect();
    said.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_threes() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1 000"),
            (1_234_567, "1 234 567"),
        ];
        for (value, said) in cases {
            assert_eq!(count(value), said);
        }
    }

    #[test]
    fn a_measure_keeps_the_digits_that_mean_something() {
        let cases = [
            (0.0, "0"),
            (0.444, "0.44"),
            (1.3, "1.3"),
            (41.0, "41"),
            (441.4, "441"),
            (500.0, "500"),
            (1933.2, "1 933"),
            (-3.0, "-3"),
            (-0.0, "0"),
            (-0.001, "0"),
            (f64::NAN, "not measured"),
        ];
        for (value, said) in cases {
            assert_eq!(measure(value), said);
        }
    }

    #[test]
    fn times_are_said_in_the_unit_people_use() {
        assert_eq!(span(48), "48 s");
        assert_eq!(span(243), "4 min 03 s");
        assert_eq!(span(300), "5 min");
        assert_eq!(span(14_400), "4 h");
        assert_eq!(span(14_520), "4 h 02 min");
        assert_eq!(moment(41_203_000_000), "41.203 s");
    }

    #[test]
    fn the_past_is_counted_among_the_runs_that_judged() {
        let (pass, fail) = (Some(Verdict::Pass), Some(Verdict::Fail));
        assert_eq!(past(&[pass, None, fail, pass]), "Pass in 2 of 3, Fail in 1");
        assert_eq!(past(&[pass]), "Pass in 1 of 1");
    }

    #[test]
    fn the_codes_of_people_and_records_are_the_same() {
        for reason in [
            Reason::ZeroSamples,
            Reason::FaultNotLanded,
            Reason::SkippedCheck,
        ] {
            let record = serde_json::to_value(reason).expect("a reason is a word");
            assert_eq!(record, reason_code(reason));
        }
        for verdict in [Verdict::Pass, Verdict::HarnessError] {
            let record = serde_json::to_value(verdict).expect("a verdict is a word");
            assert_eq!(record, machine_word(verdict));
        }
    }
}
