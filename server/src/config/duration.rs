//! Durations as configuration spells them: a whole number and one unit.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

/// Reads `250ms`, `10s`, `5m`, `3h`.
///
/// # Errors
/// A sentence that names the accepted form.
pub fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(refusal(text)),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(scale))
        .map(Duration::from_millis)
        .ok_or_else(|| refusal(text))
}

/// Writes what [`parse`] reads, in the largest unit that fits.
#[must_use]
pub fn write(span: Duration) -> String {
    let millis = span.as_millis();
    match millis {
        m if m > 0 && m % 3_600_000 == 0 => format!("{}h", m / 3_600_000),
        m if m > 0 && m % 60_000 == 0 => format!("{}m", m / 60_000),
        m if m % 1_000 == 0 => format!("{}s", m / 1_000),
        m => format!("{m}ms"),
    }
}

fn refusal(text: &str) -> String {
    format!("{text:?} is not a duration; write a whole number and a unit: 250ms, 10s, 5m or 3h")
}

/// For `#[serde(deserialize_with)]` on a `Duration`.
///
/// # Errors
/// When the text is no duration.
pub fn one<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// For `#[serde(deserialize_with)]` on a `Vec<Duration>`.
///
/// # Errors
/// When one of the texts is no duration.
pub fn many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Duration>, D::Error> {
    Vec::<String>::deserialize(from)?
        .iter()
        .map(|text| parse(text).map_err(D::Error::custom))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_one_unit() {
        for (text, millis) in [("250ms", 250), ("10s", 10_000), ("5m", 300_000), ("0s", 0)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "10",
            "s",
            "1.5s",
            "-1s",
            "10 s",
            "99999999999999999999s",
            "3d",
        ] {
            assert!(parse(text).is_err(), "{text} was accepted");
        }
    }
}
