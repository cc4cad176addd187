//! An axis: where a value stands on it, and which values are named.

use crate::report::wording;

/// How values spread over an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
    is_whole: bool,
}

/// What the values of an axis are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds, said in seconds from 1 000 on.
    Milliseconds,
    /// Seconds of the run, said in minutes and hours on long axes.
    Seconds,
    /// Mebibytes.
    Mebibytes,
    /// A plain number.
    Count,
}

impl Unit {
    /// A value with its unit.
    #[must_use]
    pub fn say(self, value: f64) -> String {
        match self {
            Self::Milliseconds if value >= 1000.0 => {
                format!("{} s", wording::measure(value / 1000.0))
            }
            Self::Milliseconds => format!("{} ms", wording::measure(value)),
            Self::Seconds => format!("{} s", wording::measure(value)),
            Self::Mebibytes => format!("{} MiB", wording::measure(value)),
            Self::Count => wording::measure(value),
        }
    }
}

impl Scale {
    /// A linear axis over exactly these values; a single value gets some room around it.
    #[must_use]
    pub fn linear(low: f64, high: f64) -> Self {
        let (low, high) = if high > low {
            (low, high)
        } else {
            (low, low + 1.0)
        };
        Self {
            low,
            high,
            is_log: false,
            is_whole: false,
        }
    }

    /// A linear axis that ends on round values around these, whole ones where `is_whole`.
    #[must_use]
    pub fn rounded(low: f64, high: f64, is_whole: bool) -> Self {
        let span = if high > low {
            high - low
        } else {
            high.abs().max(1.0)
        };
        let step = round_step(span / 4.0).max(if is_whole { 1.0 } else { 0.0 });
        let bottom = (low / step).floor() * step;
        let top = (high / step).ceil() * step;
        let top = if top > bottom { top } else { bottom + step };
        Self {
            is_whole,
            ..Self::linear(bottom, top)
        }
    }

    /// A logarithmic axis that ends on 1, 2 or 5 times a power of ten around these values; None
    /// without a positive one.
    #[must_use]
    pub fn logarithmic(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| *value > 0.0 && value.is_finite()) {
            low = low.min(value);
            high = high.max(value);
        }
        if high <= 0.0 {
            return None;
        }
        let bottom = round_below(low);
        let top = round_step(high * 0.999_999);
        let top = if top > bottom { top } else { bottom * 10.0 };
        Some(Self {
            low: bottom,
            high: top,
            is_log: true,
            is_whole: false,
        })
    }

    /// Where a value stands, from 0 to 1; values outside stand at the end.
    #[must_use]
    pub fn share(&self, value: f64) -> f64 {
        let share = if self.is_log {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }

    /// The lower end.
    #[must_use]
    pub const fn low(&self) -> f64 {
        self.low
    }

    /// The upper end.
    #[must_use]
    pub const fn high(&self) -> f64 {
        self.high
    }

    /// The values named along the axis: about six, all within it.
    #[must_use]
    pub fn ticks(&self) -> Vec<f64> {
        if self.is_log {
            self.log_ticks()
        } else {
            let least = if self.is_whole { 1.0 } else { 0.0 };
            self.linear_ticks(|step| round_step(step).max(least))
        }
    }

    /// The moments named along a time axis in seconds.
    #[must_use]
    pub fn time_ticks(&self) -> Vec<f64> {
        self.linear_ticks(time_step)
    }

    fn linear_ticks(&self, step_for: impl Fn(f64) -> f64) -> Vec<f64> {
        let step = step_for((self.high - self.low) / 6.0);
        let mut ticks = Vec::new();
        let mut index = (self.low / step - 1e-9).ceil();
        while index * step <= self.high + step * 1e-9 {
            ticks.push(index * step);
            index += 1.0;
        }
        ticks
    }

    fn log_ticks(&self) -> Vec<f64> {
        let decades = (self.high / self.low).log10();
        let factors: &[f64] = if decades <= 2.5 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let mut ticks = Vec::new();
        let mut decade = 10.0_f64.powf(self.low.log10().floor());
        while decade <= self.high * 1.000_001 {
            ticks.extend(factors.iter().map(|factor| factor * decade));
            decade *= 10.0;
        }
        let on_axis = self.low * 0.999_999..=self.high * 1.000_001;
        ticks.retain(|tick| on_axis.contains(tick));
        ticks
    }
}

/// The largest of 1, 2, 5 times a power of ten that is at most this.
fn round_below(most: f64) -> f64 {
    let decade = 10.0_f64.powf(most.log10().floor());
    let mut steps = [5.0, 2.0, 1.0].iter().map(|factor| factor * decade);
    steps
        .find(|step| *step <= most * 1.000_001)
        .unwrap_or(decade)
}

/// The smallest of 1, 2, 5 times a power of ten that is at least this.
fn round_step(least: f64) -> f64 {
    let decade = 10.0_f64.powf(least.max(1e-9).log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let step = factors
        .iter()
        .map(|factor| factor * decade)
        .find(|step| *step >= least * 0.999);
    step.unwrap_or(decade * 10.0)
}

/// The smallest step people count time in that is at least this, in seconds.
fn time_step(least: f64) -> f64 {
    let steps = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    ];
    if least < 0.5 {
        return round_step(least);
    }
    steps
        .into_iter()
        .find(|step| *step >= least)
        .unwrap_or_else(|| round_step(least))
}

/// A moment on an axis of this length: seconds, minutes or hours.
#[must_use]
pub fn clock(seconds: f64, axis_end: f64) -> String {
    let (value, unit) = match axis_end {
        end if end > 7200.0 => (seconds / 3600.0, "h"),
        end if end > 600.0 => (seconds / 60.0, "min"),
        _ => (seconds, "s"),
    };
    format!("{} {unit}", wording::measure(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_run_never_shows_an_hour() {
        let axis = Scale::linear(0.0, 243.0);
        let ticks = axis.time_ticks();
        assert_eq!(ticks, [0.0, 60.0, 120.0, 180.0, 240.0]);
        let said: Vec<String> = ticks.iter().map(|tick| clock(*tick, axis.high())).collect();
        assert_eq!(said, ["0 s", "60 s", "120 s", "180 s", "240 s"]);
    }

    #[test]
    fn a_logarithmic_axis_names_its_decades() {
        let axis = Scale::logarithmic([12.0, 4800.0].into_iter()).expect("positive values");
        assert_eq!(axis.ticks(), [10.0, 100.0, 1000.0]);
        assert!((axis.high() - 5000.0).abs() < 1e-6);
        assert!(axis.share(10.0).abs() < 1e-9);
        assert!((axis.share(9e9) - 1.0).abs() < 1e-9);
        assert_eq!(Scale::logarithmic([0.0].into_iter()), None);
    }

    #[test]
    fn an_axis_of_counts_names_no_halves() {
        assert_eq!(Scale::rounded(0.0, 3.0, true).ticks(), [0.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn every_tick_stands_on_its_axis() {
        for (low, high) in [(0.0, 1.0), (18.2, 25.9), (3.0, 3.0), (0.0, 14_400.0)] {
            let axis = Scale::rounded(low, high, false);
            let ticks = axis.ticks();
            assert!(
                (2..=8).contains(&ticks.len()),
                "{ticks:?} for {low}..{high}"
            );
            assert!(
                ticks.iter().all(|tick| *tick >= axis.low() - 1e-9),
                "{ticks:?}"
            );
            assert!(axis.low() <= low && axis.high() >= high);
        }
    }
}
