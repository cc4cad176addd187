//! Whether memory grows: the slope of a straight line through the recent past.
//!
//! A start, a first wave of callers and a full cache all grow and then stay. So the first minutes
//! do not count, and only a line through many points does. All times are parts of one setting, the
//! least time that tells a trend.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Points in the least time.
const POINTS: u32 = 30;

/// This part of the least time is what the process takes before it is at work.
const WARM_UP_PART: u32 = 3;

/// What is older than so many least times does not count.
const LONGEST: u32 = 4;

/// Resident memory over time.
#[derive(Debug)]
pub struct Trend {
    least: Duration,
    first: Option<Instant>,
    points: VecDeque<(Instant, u64)>,
}

impl Trend {
    /// No point yet; `least` is the least time that tells a trend.
    #[must_use]
    pub const fn new(least: Duration) -> Self {
        Self {
            least,
            first: None,
            points: VecDeque::new(),
        }
    }

    /// Takes a point, unless the last one is too near.
    pub fn push(&mut self, at: Instant, bytes: u64) {
        let first = *self.first.get_or_insert(at);
        let (apart, warm_up) = (self.least / POINTS, self.least / WARM_UP_PART);
        let is_near = |(last, _): &(Instant, u64)| at.saturating_duration_since(*last) < apart;
        if at.saturating_duration_since(first) < warm_up || self.points.back().is_some_and(is_near)
        {
            return;
        }
        self.points.push_back((at, bytes));
        let longest = self.least * LONGEST;
        let is_old = |(old, _): &(Instant, u64)| at.saturating_duration_since(*old) > longest;
        while self.points.front().is_some_and(is_old) {
            self.points.pop_front();
        }
    }

    /// The slope, or `None` before it can be told.
    #[must_use]
    pub fn bytes_per_hour(&self) -> Option<f64> {
        let (start, _) = *self.points.front()?;
        let (end, _) = *self.points.back()?;
        if end - start < self.least {
            return None;
        }
        let count = self.points.len() as f64;
        let points = self.points.iter();
        let points = points.map(|(at, bytes)| ((*at - start).as_secs_f64(), *bytes as f64));
        let (x, y) = points
            .clone()
            .fold((0.0, 0.0), |(x, y), p| (x + p.0, y + p.1));
        let (x, y) = (x / count, y / count);
        let (over, under) = points.fold((0.0, 0.0), |(over, under), p| {
            (over + (p.0 - x) * (p.1 - y), under + (p.0 - x) * (p.0 - x))
        });
        Some(over / under * 3600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: f64 = 1_048_576.0;

    fn after(minutes: u64, resident: impl Fn(f64) -> f64) -> Option<f64> {
        let start = Instant::now();
        let mut trend = Trend::new(Duration::from_secs(15 * 60));
        for second in 0..minutes * 60 {
            let bytes = resident(second as f64) as u64;
            trend.push(start + Duration::from_secs(second), bytes);
        }
        trend.bytes_per_hour()
    }

    #[test]
    fn a_planted_leak_is_told_within_half_an_hour_at_its_rate() {
        // Two hundred MiB an hour under the noise of ten MiB of garbage.
        let leak = |s: f64| 60.0 * MIB + s * 200.0 * MIB / 3600.0 + (s * 0.7).sin() * 10.0 * MIB;
        assert_eq!(after(15, leak), None);
        let rate = after(30, leak).unwrap() / MIB;
        assert!((150.0..250.0).contains(&rate), "{rate}");
    }

    #[test]
    fn a_start_that_grows_and_a_load_that_comes_and_goes_are_no_leak() {
        let start_up = |s: f64| (s.min(240.0) / 240.0) * 500.0 * MIB;
        let rate = after(60, start_up).unwrap() / MIB;
        assert!(rate.abs() < 1.0, "{rate}");
        let waves = |s: f64| 200.0 * MIB + (s / 300.0 * std::f64::consts::TAU).sin() * 100.0 * MIB;
        let rate = after(60, waves).unwrap() / MIB;
        assert!(rate.abs() < 100.0, "{rate}");
    }
}
