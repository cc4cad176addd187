//! Days and months of the budgets, in UTC.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _, Zoned};

use crate::store::spending::Periods;

/// The longest look back, in days.
pub const MOST_DAYS: u32 = 400;

/// The day and the month that a time falls into.
#[must_use]
pub fn periods(now: Timestamp) -> Periods {
    let date = now.to_zoned(TimeZone::UTC).date();
    let month = format!("{:04}-{:02}", date.year(), date.month());
    Periods {
        day: date.to_string(),
        month,
    }
}

/// When the day and when the month ends.
#[must_use]
pub fn resets(now: Timestamp) -> (Timestamp, Timestamp) {
    let utc = now.to_zoned(TimeZone::UTC);
    let month = utc.first_of_month().unwrap_or_else(|_| utc.clone());
    (next(&utc, 1.day(), now), next(&month, 1.month(), now))
}

/// The midnight that begins the next period; `now` beyond the end of the calendar.
fn next(from: &Zoned, span: Span, now: Timestamp) -> Timestamp {
    let midnight = from
        .start_of_day()
        .and_then(|start| start.checked_add(span));
    midnight.map_or(now, |midnight| midnight.timestamp())
}

/// The last days up to today, the first one first; at most [`MOST_DAYS`].
#[must_use]
pub fn days(now: Timestamp, count: u32) -> Vec<String> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let back = (0..count.min(MOST_DAYS)).rev();
    let each = back.filter_map(|ago| today.checked_sub(i64::from(ago).days()).ok());
    each.map(|date| date.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_at_midnight_utc_and_months_have_their_own_length() {
        let cases = [
            (
                "2026-11-21T23:59:59Z",
                "2026-11-22T00:00:00Z",
                "2026-12-01T00:00:00Z",
            ),
            (
                "2026-12-31T10:00:00Z",
                "2027-01-01T00:00:00Z",
                "2027-01-01T00:00:00Z",
            ),
            (
                "2028-02-28T00:00:00Z",
                "2028-02-29T00:00:00Z",
                "2028-03-01T00:00:00Z",
            ),
        ];
        for (now, day, month) in cases {
            let now: Timestamp = now.parse().unwrap();
            let (ends, last) = resets(now);
            assert_eq!(
                (ends.to_string(), last.to_string()),
                (day.into(), month.into())
            );
        }
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        assert_eq!(periods(now).month, "2026-03");
        assert_eq!(days(now, 2), ["2026-02-28", "2026-03-01"]);
    }
}
