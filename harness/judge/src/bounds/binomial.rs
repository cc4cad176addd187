//! The binomial distribution by its own recurrence: products only, so every machine agrees.

/// Weights below this share of the mode's are nothing.
const NEGLIGIBLE: f64 = 1e-25;

/// The cumulative distribution of Bin(n, p), held where it is not flat.
pub struct Cumulative {
    first: u64,
    sums: Vec<f64>,
}

/// Sums Bin(n, p) once.
#[must_use]
pub fn cumulative(n: u64, p: f64) -> Cumulative {
    let (first, weights) = weights(n, p);
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    let sums = weights.iter().map(|weight| {
        sum += weight / total;
        sum
    });
    Cumulative {
        first,
        sums: sums.collect(),
    }
}

impl Cumulative {
    /// P(X ≤ k).
    #[must_use]
    pub fn at(&self, k: u64) -> f64 {
        let Some(index) = k.checked_sub(self.first) else {
            return 0.0;
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        self.sums.get(index).copied().unwrap_or(1.0)
    }
}

/// P(Bin(n, p) ≤ k).
#[must_use]
pub fn at_most(n: u64, p: f64, k: u64) -> f64 {
    if k >= n {
        return 1.0;
    }
    let (first, weights) = weights(n, p);
    let total: f64 = weights.iter().sum();
    let count = (k + 1).saturating_sub(first);
    let count = usize::try_from(count)
        .unwrap_or(usize::MAX)
        .min(weights.len());
    weights[..count].iter().sum::<f64>() / total
}

/// The first of `from..=until` for which a monotone predicate holds.
pub fn first(from: u64, until: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    if from > until || !holds(until) {
        return None;
    }
    let (mut low, mut high) = (from, until);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

/// Relative weights around the mode, and the k of the first of them.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "trial counts are far below 2^53"
)]
fn weights(n: u64, p: f64) -> (u64, Vec<f64>) {
    if p <= 0.0 {
        return (0, vec![1.0]);
    }
    if p >= 1.0 {
        return (n, vec![1.0]);
    }
    let odds = p / (1.0 - p);
    let mode = libm::floor(n as f64 * p) as u64;
    let mut below = Vec::new();
    let mut weight = 1.0;
    for k in (0..mode).rev() {
        // w(k) = w(k + 1) * (k + 1) / (n - k) / odds
        weight *= (k + 1) as f64 / (n - k) as f64 / odds;
        if weight < NEGLIGIBLE {
            break;
        }
        below.push(weight);
    }
    let first = mode - below.len() as u64;
    let mut all: Vec<f64> = below.into_iter().rev().collect();
    all.push(1.0);
    let mut weight = 1.0;
    for k in mode..n {
        weight *= (n - k) as f64 / (k + 1) as f64 * odds;
        if weight < NEGLIGIBLE {
            break;
        }
        all.push(weight);
    }
    (first, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P(X ≤ k) straight from the definition, for small n.
    fn by_definition(n: u64, p: f64, k: u64) -> f64 {
        let choose = |k: u64| (0..k).fold(1.0, |ways, i| ways * (n - i) as f64 / (i + 1) as f64);
        (0..=k)
            .map(|k| choose(k) * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32))
            .sum()
    }

    #[test]
    fn the_recurrence_agrees_with_the_definition() {
        for n in [1, 2, 7, 30] {
            for p in [0.001, 0.05, 0.5, 0.95, 0.999] {
                for k in 0..n {
                    let wanted = by_definition(n, p, k);
                    assert!((at_most(n, p, k) - wanted).abs() < 1e-12, "{n} {p} {k}");
                    assert!(
                        (cumulative(n, p).at(k) - wanted).abs() < 1e-12,
                        "{n} {p} {k}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_first_that_holds_is_found_wherever_it_lies() {
        for from in 1..5 {
            for until in from..12 {
                for wanted in from..=until {
                    let found = first(from, until, |at| at >= wanted);
                    assert_eq!(found, Some(wanted), "{from} {until}");
                }
                assert_eq!(first(from, until, |_| false), None);
            }
            assert_eq!(first(from, from - 1, |_| true), None, "nothing to search");
        }
    }
}
