//! Units of measure. They are facts, not thresholds, so they stand here and not in the catalogue.

/// Bytes of a KiB.
pub const KIB: f64 = 1_024.0;
/// Bytes of a MiB.
pub const MIB: f64 = 1_048_576.0;
/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;
/// Half of it: where a length is rounded to seconds.
pub const HALF_SECOND: u64 = SECOND / 2;
/// Nanoseconds of a millisecond.
pub const MILLISECOND: u64 = 1_000_000;
/// Seconds of a minute.
pub const MINUTE_S: u64 = 60;
/// Seconds of an hour.
pub const HOUR_S: f64 = 3_600.0;
/// From here on a span is told in whole minutes, s.
const IN_MINUTES: u64 = 10 * MINUTE_S;
/// Bins of a chart of operations in flight, ns: a quarter of a second.
pub const CHART_BIN: u64 = SECOND / 4;
/// HTTP statuses from here on are the answering side's own failures.
pub const SERVER_ERRORS: u16 = 500;

/// The middle one of a sorted list; the lower of the two where the count is even.
#[must_use]
pub fn middle<T: Copy>(sorted: &[T]) -> Option<T> {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

/// Seconds of a time in ns, for drawing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "for drawing")]
pub const fn seconds(nanos: u64) -> f64 {
    nanos as f64 / SECOND as f64
}

/// A span for people: `4 h`, `30 min`, `243 s`; minutes are whole and never rounded up.
#[must_use]
pub fn span(seconds: u64) -> String {
    let minutes = seconds / MINUTE_S;
    if minutes > 0 && minutes.is_multiple_of(MINUTE_S) {
        format!("{} h", minutes / MINUTE_S)
    } else if seconds >= IN_MINUTES {
        format!("{minutes} min")
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_as_people_say_it_and_never_longer_than_it_was() {
        let cases = [
            (0, "0 s"),
            (599, "599 s"),
            (600, "10 min"),
            (1_859, "30 min"),
            (3_599, "59 min"),
            (3_600, "1 h"),
            (5_400, "90 min"),
            (14_399, "239 min"),
            (14_409, "4 h"),
        ];
        for (seconds, wanted) in cases {
            assert_eq!(span(seconds), wanted);
        }
    }
}
