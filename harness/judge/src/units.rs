//! Units of measure. They are facts, not thresholds, so they stand here and not in the catalogue.

/// Bytes of a KiB.
pub const KIB: f64 = 1_024.0;
/// Bytes of a MiB.
pub const MIB: f64 = 1_048_576.0;
/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;
/// Seconds of an hour.
pub const HOUR_S: f64 = 3_600.0;
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
