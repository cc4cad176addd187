//! Bounds on what samples can say: order statistics, rates, zeros, and the clustered second
//! opinion. Pure functions of the samples; no interpolation anywhere (judging.md §4).

pub mod binomial;
pub mod bootstrap;

use crate::verdict::Verdict;

/// One-sided confidence of every bound.
pub const CONFIDENCE: f64 = 0.95;
/// The quantile 19 of 20 calls stay below.
pub const P95: f64 = 0.95;
/// The quantile 99 of 100 calls stay below.
pub const P99: f64 = 0.99;
/// Bisection steps; each halves the error of a printed bound.
const BISECTIONS: usize = 50;

/// Ranks (from 1) of the samples that bound a quantile from below and above; None where the sample
/// is too small to hold such a rank.
#[must_use]
pub fn ranks(n: u64, quantile: f64) -> (Option<u64>, Option<u64>) {
    let cdf = binomial::cumulative(n, quantile);
    let at = |rank: u64| cdf.at(rank);
    // upper: the smallest r with P(X <= r - 1) >= 0.95; lower: the largest with P(X >= r) >= 0.95.
    let upper = binomial::first(1, n, |rank| at(rank - 1) >= CONFIDENCE);
    let past = binomial::first(1, n, |rank| at(rank - 1) > 1.0 - CONFIDENCE);
    let lower = past.map_or(n, |past| past - 1);
    ((lower > 0).then_some(lower), upper)
}

/// A quantile with its bounds, all of them samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantile {
    /// The smallest sample with at least that share at or below it.
    pub value: u64,
    /// Lower bound.
    pub lower: Option<u64>,
    /// Upper bound.
    pub upper: Option<u64>,
    /// The largest sample.
    pub max: u64,
    /// How many samples.
    pub n: u64,
}

/// The quantile of sorted samples; None of none.
#[must_use]
pub fn quantile(sorted: &[u64], quantile: f64) -> Option<Quantile> {
    let max = *sorted.last()?;
    let n = u64::try_from(sorted.len()).ok()?;
    let pick = |rank: u64| {
        sorted
            .get(usize::try_from(rank).ok()?.checked_sub(1)?)
            .copied()
    };
    let (lower, upper) = ranks(n, quantile);
    Some(Quantile {
        value: pick(rank_of(n, quantile))?,
        lower: lower.and_then(pick),
        upper: upper.and_then(pick),
        max,
        n,
    })
}

/// Rank (from 1) of the smallest sample with at least that share at or below it.
#[must_use]
pub fn rank_of(n: u64, quantile: f64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sample counts are far below 2^53 and the product is between 0 and n"
    )]
    let rank = libm::ceil(n as f64 * quantile) as u64;
    rank.clamp(1, n.max(1))
}

/// Upper 95 % bound on a rate of which `bad` of `n` were seen (Clopper-Pearson, one-sided).
#[must_use]
pub fn rate_upper(bad: u64, n: u64) -> f64 {
    if bad >= n {
        return 1.0;
    }
    bisect(|rate| binomial::at_most(n, rate, bad) > 1.0 - CONFIDENCE)
}

/// Lower 95 % bound on a rate of which `bad` of `n` were seen.
#[must_use]
pub fn rate_lower(bad: u64, n: u64) -> f64 {
    if bad == 0 || n == 0 {
        return 0.0;
    }
    bisect(|rate| 1.0 - binomial::at_most(n, rate, bad - 1) < 1.0 - CONFIDENCE)
}

/// The largest rate for which the predicate, true at first, still holds.
fn bisect(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Whether a rate is under a line: Pass when the upper bound is, Fail when the lower bound is over
/// it, else Inconclusive. Nothing tried is Inconclusive.
#[must_use]
pub fn rate_verdict(bad: u64, n: u64, line: f64) -> Verdict {
    if n == 0 {
        Verdict::Inconclusive
    } else if binomial::at_most(n, line, bad) < 1.0 - CONFIDENCE {
        Verdict::Pass
    } else if bad > 0 && 1.0 - binomial::at_most(n, line, bad - 1) < 1.0 - CONFIDENCE {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    }
}

/// A count of defects as reports print it: `0 of 3 000: < 0.1 %` or `2 of 3 000`.
#[must_use]
pub fn share_text(bad: u64, n: u64) -> String {
    let of = format!("{} of {}", grouped(bad), grouped(n));
    if bad > 0 || n == 0 {
        of
    } else {
        format!("{of}: < {}", percent_up(rate_upper(0, n)))
    }
}

/// The count of defects that [`share_text`] printed; None for any other text.
#[must_use]
pub fn bad_in(share: &str) -> Option<u64> {
    let (bad, _) = share.split_once(" of ")?;
    bad.replace(' ', "").parse().ok()
}

/// A share as a percentage, two significant digits, rounded up so that "<" stays true.
#[must_use]
pub fn percent_up(share: f64) -> String {
    let percent = share * 100.0;
    if percent <= 0.0 {
        return "0 %".to_owned();
    }
    let digits = 1.0 - libm::floor(libm::log10(percent));
    let scale = libm::pow(10.0, digits);
    let rounded = libm::ceil(percent * scale - 1e-9) / scale;
    let places = digits.max(0.0) as usize;
    let text = format!("{rounded:.places$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0')
    } else {
        &text
    };
    format!("{} %", text.trim_end_matches('.'))
}

/// A share as a percentage with one decimal at most, rounded down so that ">" stays true.
#[must_use]
pub fn percent_down(share: f64) -> String {
    let tenths = libm::floor(share * 1000.0 + 1e-9);
    format!("{} %", tenths / 10.0)
}

/// A whole number with its thousands apart: `3 000`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_count_of_defects_is_read_back() {
        for (bad, n) in [(0, 3_000), (2, 3_000), (1_234_567, 9_000_000), (0, 0)] {
            assert_eq!(bad_in(&share_text(bad, n)), Some(bad));
        }
        assert_eq!(bad_in("41 ms (38 to 44)"), None);
    }

    #[test]
    fn ranks_are_those_of_the_published_table() {
        let table = [
            (200, 0.95, 185, 196),
            (1_000, 0.95, 938, 962),
            (3_000, 0.95, 2_830, 2_870),
            (10_000, 0.95, 9_464, 9_537),
            (1_000, 0.99, 985, 996),
            (3_000, 0.99, 2_961, 2_980),
            (10_000, 0.99, 9_883, 9_917),
            (10_000, 0.999, 9_985, 9_996),
        ];
        for (n, quantile, lower, upper) in table {
            assert_eq!(
                ranks(n, quantile),
                (Some(lower), Some(upper)),
                "{n} at {quantile}"
            );
        }
        assert_eq!(ranks(299, 0.99).1, Some(299));
        assert_eq!(ranks(298, 0.99).1, None);
        assert_eq!(ranks(0, 0.95), (None, None));
    }

    #[test]
    fn allowed_failures_are_those_of_the_published_table() {
        let table = [
            (0.01, 1_000, 4),
            (0.01, 3_000, 20),
            (0.01, 10_000, 83),
            (0.001, 2_995, 0),
            (0.001, 3_000, 0),
            (0.001, 5_000, 1),
            (0.001, 10_000, 4),
            (0.001, 60_000, 47),
            (0.001, 288_000, 259),
            (0.001, 14_400, 7),
        ];
        for (line, n, allowed) in table {
            assert_eq!(
                rate_verdict(allowed, n, line),
                Verdict::Pass,
                "{allowed} of {n}"
            );
            assert_ne!(
                rate_verdict(allowed + 1, n, line),
                Verdict::Pass,
                "one more of {n}"
            );
        }
        assert_eq!(rate_verdict(0, 2_994, 0.001), Verdict::Inconclusive);
        assert_eq!(
            rate_verdict(0, 1_800, 0.001),
            Verdict::Inconclusive,
            "1 800 s cannot pass"
        );
        assert_eq!(rate_verdict(60, 3_000, 0.01), Verdict::Fail);
        assert_eq!(rate_verdict(30, 3_000, 0.01), Verdict::Inconclusive);
        assert_eq!(rate_verdict(1, 1, 0.01), Verdict::Fail);
    }

    #[test]
    fn zeros_exclude_what_the_published_table_says() {
        let table = [
            (59, 0.05),
            (149, 0.02),
            (299, 0.01),
            (598, 0.005),
            (1_497, 0.002),
            (2_995, 0.001),
            (29_956, 0.0001),
        ];
        for (n, rate) in table {
            assert!(rate_upper(0, n) <= rate, "{n} zeros exclude {rate}");
            assert!(rate_upper(0, n - 1) > rate, "{} zeros do not", n - 1);
        }
        assert!((rate_upper(0, 3) - 0.63).abs() < 0.005);
        assert!((rate_upper(0, 4_800) - 0.000_62).abs() < 0.000_005);
    }

    #[test]
    fn a_zero_is_printed_with_its_bound() {
        assert_eq!(share_text(0, 3_000), "0 of 3 000: < 0.1 %");
        assert_eq!(share_text(0, 300), "0 of 300: < 1 %");
        assert_eq!(share_text(2, 1_234_567), "2 of 1 234 567");
        assert_eq!(share_text(0, 3), "0 of 3: < 64 %");
        assert_eq!(share_text(0, 0), "0 of 0");
    }

    #[test]
    fn a_share_that_is_exceeded_is_rounded_down() {
        for (share, told) in [
            (1.0, "100 %"),
            (0.9209, "92 %"),
            (0.8579, "85.7 %"),
            (0.0, "0 %"),
        ] {
            assert_eq!(percent_down(share), told);
        }
    }

    #[test]
    fn bounds_hold_around_the_rate_seen() {
        for (bad, n) in [(0, 10), (1, 10), (5, 10), (10, 10), (20, 3_000)] {
            let seen = bad as f64 / n as f64;
            assert!(
                rate_lower(bad, n) <= seen && seen <= rate_upper(bad, n),
                "{bad} of {n}"
            );
        }
    }

    #[test]
    fn a_quantile_is_a_sample_and_never_between_two() {
        let sorted: Vec<u64> = (1..=1_000).collect();
        let p95 = quantile(&sorted, 0.95).unwrap();
        assert_eq!(
            (p95.value, p95.lower, p95.upper),
            (950, Some(938), Some(962))
        );
        assert_eq!(quantile(&[], 0.95), None);
        assert_eq!(
            quantile(&[7], 0.5).map(|only| (only.value, only.max)),
            Some((7, 7))
        );
    }
}
