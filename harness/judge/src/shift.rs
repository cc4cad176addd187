//! How far one build's figure lies from another's, from several runs of each: a distribution-free
//! interval, exact for any continuous distribution (Hodges and Lehmann's shift, by the null
//! distribution of Mann and Whitney's count).

use std::str::FromStr;

use crate::units::middle;
use crate::verdict::Verdict;

/// The least confidence of an interval, both sides together.
pub const CONFIDENCE: f64 = 0.95;
/// Fewer runs of a side say nothing.
pub const LEAST: usize = 5;

/// What a change is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Per cent of the first build's figure.
    Percent,
    /// Milliseconds.
    Millis,
    /// Percentage points of a share.
    Points,
}

impl Unit {
    /// As it is written after a number.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Percent => "%",
            Self::Millis => "ms",
            Self::Points => "pp",
        }
    }
}

/// The change that is still borne: `+20%`, `+10ms`, `+2pp`. A minus sign is for figures of which
/// less is worse, such as a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// The change, with its sign.
    pub change: f64,
    /// In what.
    pub unit: Unit,
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:+}{}", self.change, self.unit.word())
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let shape = || format!("{word:?} is not +N%, +Nms or +Npp, such as +20%");
        if !word.starts_with(['+', '-']) {
            return Err(shape());
        }
        let units = [Unit::Percent, Unit::Millis, Unit::Points];
        let (number, unit) = units
            .into_iter()
            .find_map(|unit| Some((word.strip_suffix(unit.word())?, unit)))
            .ok_or_else(shape)?;
        let change: f64 = number.trim().parse().map_err(|_| shape())?;
        if change.is_finite() {
            Ok(Self { change, unit })
        } else {
            Err(shape())
        }
    }
}

/// How far the second build's figure lies from the first's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// Lower end of the interval.
    pub low: f64,
    /// The middle of all pairs.
    pub middle: f64,
    /// Upper end.
    pub high: f64,
    /// The interval's exact confidence, at least [`CONFIDENCE`].
    pub confidence: f64,
}

impl Shift {
    /// Measures it in a unit. None with fewer than [`LEAST`] figures of a side, with one that is no
    /// number, and for per cent of nothing.
    #[must_use]
    pub fn between(first: &[f64], second: &[f64], unit: Unit) -> Option<Self> {
        let all = first.iter().chain(second);
        if first.len().min(second.len()) < LEAST || !all.clone().all(|one| one.is_finite()) {
            return None;
        }
        if unit == Unit::Percent && first.iter().any(|one| *one <= 0.0) {
            return None;
        }
        let pairs = first
            .iter()
            .flat_map(|a| second.iter().map(move |b| (a, b)));
        let mut changes: Vec<f64> = pairs
            .map(|(a, b)| match unit {
                Unit::Percent => 100.0 * (b / a - 1.0),
                Unit::Millis | Unit::Points => b - a,
            })
            .collect();
        changes.sort_unstable_by(f64::total_cmp);
        let (rank, confidence) = rank(first.len(), second.len())?;
        Some(Self {
            low: *changes.get(rank.checked_sub(1)?)?,
            middle: middle(&changes)?,
            high: *changes.get(changes.len().checked_sub(rank)?)?,
            confidence,
        })
    }

    /// Pass when the whole interval is within the threshold, Fail when all of it is beyond, else
    /// Inconclusive: the runs do not say.
    #[must_use]
    pub fn against(&self, threshold: Threshold) -> Verdict {
        // Turned round, so that more is worse in both cases.
        let (low, high, line) = if threshold.change < 0.0 {
            (-self.high, -self.low, -threshold.change)
        } else {
            (self.low, self.high, threshold.change)
        };
        if high <= line {
            Verdict::Pass
        } else if low > line {
            Verdict::Fail
        } else {
            Verdict::Inconclusive
        }
    }
}

/// The rank of the ends among the sorted pairs, and the exact confidence of what lies between: the
/// largest rank r with 1 - 2 P(U < r) of at least [`CONFIDENCE`].
fn rank(first: usize, second: usize) -> Option<(usize, f64)> {
    let counts = counts(first, second);
    let total: f64 = counts.iter().sum();
    let mut below = 0.0;
    let mut found = None;
    for (count, rank) in counts.iter().zip(1..) {
        below += count;
        let confidence = 1.0 - 2.0 * below / total;
        if confidence < CONFIDENCE {
            break;
        }
        found = Some((rank, confidence));
    }
    found
}

/// In how many orders of two samples Mann and Whitney's count is 0, 1, 2 …: the coefficients of the
/// Gaussian binomial, by Pascal's rule for it.
fn counts(first: usize, second: usize) -> Vec<f64> {
    // row[n] holds the distribution for m of the first sample and n of the second.
    let mut row: Vec<Vec<f64>> = vec![vec![1.0]; second + 1];
    for m in 1..=first {
        let mut next: Vec<Vec<f64>> = vec![vec![1.0]];
        for n in 1..=second {
            let mut of: Vec<f64> = vec![0.0; m * n + 1];
            // The largest of all is of the first sample, above n of the second, or it is not.
            for (u, count) in row[n].iter().enumerate() {
                of[u + n] += count;
            }
            for (u, count) in next[n - 1].iter().enumerate() {
                of[u] += count;
            }
            next.push(of);
        }
        row = next;
    }
    row.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every order of two samples, counted one by one.
    fn brute(first: usize, second: usize) -> Vec<f64> {
        let mut counts = vec![0.0; first * second + 1];
        for order in 0..1_u32 << (first + second) {
            if usize::try_from(order.count_ones()) != Ok(first) {
                continue;
            }
            let (mut u, mut below) = (0, 0);
            for place in 0..first + second {
                if order >> place & 1 == 1 {
                    u += below;
                } else {
                    below += 1;
                }
            }
            counts[u] += 1.0;
        }
        counts
    }

    #[test]
    fn the_null_distribution_is_that_of_all_orders_counted() {
        for (first, second) in [(1, 1), (2, 3), (5, 5), (4, 7), (6, 5)] {
            assert_eq!(
                counts(first, second),
                brute(first, second),
                "{first} {second}"
            );
        }
    }

    #[test]
    fn five_runs_a_side_give_the_third_and_the_third_last_of_all_pairs() {
        let (rank, confidence) = rank(5, 5).unwrap();
        assert_eq!(rank, 3);
        assert!(
            (confidence - (1.0 - 8.0 / 252.0)).abs() < 1e-12,
            "{confidence}"
        );
    }

    #[test]
    fn a_slower_build_fails_the_same_build_passes_and_a_noisy_one_says_nothing() {
        let calm = [10.0, 10.2, 9.9, 10.1, 10.0];
        let slow = [13.0, 13.1, 12.9, 13.2, 13.0];
        let noisy = [9.0, 15.0, 10.0, 11.0, 14.0];
        let line: Threshold = "+20%".parse().unwrap();
        let verdict = |of: &[f64]| Shift::between(&calm, of, line.unit).unwrap().against(line);
        assert_eq!(verdict(&slow), Verdict::Fail);
        assert_eq!(verdict(&calm), Verdict::Pass);
        assert_eq!(verdict(&noisy), Verdict::Inconclusive);
        let ms: Threshold = "+5ms".parse().unwrap();
        let shift = Shift::between(&calm, &slow, ms.unit).unwrap();
        assert_eq!(shift.against(ms), Verdict::Pass);
        assert!(shift.low > 2.5 && shift.high < 3.5, "{shift:?}");
    }

    #[test]
    fn where_less_is_worse_the_threshold_is_negative() {
        let fast = [100.0, 101.0, 99.0, 100.0, 102.0];
        let halved = [50.0, 51.0, 49.0, 50.0, 52.0];
        let line: Threshold = "-10%".parse().unwrap();
        let fall = Shift::between(&fast, &halved, line.unit).unwrap();
        assert_eq!(fall.against(line), Verdict::Fail);
        let rise = Shift::between(&halved, &fast, line.unit).unwrap();
        assert_eq!(rise.against(line), Verdict::Pass);
    }

    #[test]
    fn too_few_runs_nothing_to_compare_with_and_odd_words_are_refused() {
        let five = [1.0; 5];
        assert_eq!(Shift::between(&five[..4], &five, Unit::Millis), None);
        assert_eq!(Shift::between(&[0.0; 5], &five, Unit::Percent), None);
        assert!(Shift::between(&[0.0; 5], &five, Unit::Points).is_some());
        for word in ["20%", "+20", "+x%", "", "+NaN%"] {
            assert!(word.parse::<Threshold>().is_err(), "{word}");
        }
        let points: Threshold = "+2pp".parse().unwrap();
        assert_eq!((points.change, points.unit), (2.0, Unit::Points));
        assert_eq!(points.to_string(), "+2pp");
    }

    #[test]
    fn an_interval_of_just_the_confidence_asked_for_is_taken() {
        assert_eq!(rank(1, 39), Some((1, CONFIDENCE)), "1 - 2 / 40");
        assert_eq!(rank(1, 38), None);
    }
}
