//! Memory over hours: block medians, a two-sided slope, and Mann-Kendall's second opinion
//! (judging.md §4.3).

/// One-sided 95 % points of Student's t, for 1, 2, … degrees of freedom; the last serves beyond.
const STUDENT: [f64; 12] = [
    6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782,
];
/// One-sided 95 % point of the normal distribution.
const NORMAL: f64 = 1.645;
/// Residual lag-1 autocorrelation above which the margin doubles.
const PERSISTENT: f64 = 0.5;

/// How samples are reduced before a line is laid through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reduction {
    /// Samples are first reduced to medians of this length, ns.
    pub minute: u64,
    /// This much is dropped at the begin, ns.
    pub warm_up: u64,
    /// Then to medians of this length, ns.
    pub block: u64,
    /// Fewer blocks than this say nothing.
    pub blocks: usize,
}

/// A slope with its bounds, in units of the samples per hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Slope {
    /// Least squares through the block medians.
    pub per_hour: f64,
    /// Lower 95 % bound.
    pub lower: f64,
    /// Upper 95 % bound.
    pub upper: f64,
    /// Mean of the block medians.
    pub level: f64,
    /// Whether Mann-Kendall sees a rise.
    pub rises: bool,
    /// The block medians as (hours, value).
    pub medians: Vec<(f64, f64)>,
}

const HOUR: f64 = 3.6e12;

/// The slope of samples given as (ns, value); None with fewer blocks than asked for.
#[must_use]
pub fn slope(samples: &[(u64, u64)], reduction: Reduction) -> Option<Slope> {
    let begin = samples.first()?.0.saturating_add(reduction.warm_up);
    let minutes = medians(
        samples.iter().copied(),
        samples.first()?.0,
        reduction.minute,
    );
    let kept = minutes.into_iter().filter(|(at, _)| *at >= begin);
    let blocks = medians(kept, begin, reduction.block);
    if blocks.len() < reduction.blocks.max(3) {
        return None;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "bytes and ns are far below 2^53"
    )]
    let points: Vec<(f64, f64)> = blocks
        .iter()
        .map(|(at, value)| (*at as f64 / HOUR, *value as f64))
        .collect();
    Some(line(points))
}

/// Medians of consecutive stretches of that length, each at its begin; a stretch cut off at the
/// end is left out when it is less than half full of time.
fn medians(samples: impl Iterator<Item = (u64, u64)>, begin: u64, length: u64) -> Vec<(u64, u64)> {
    let mut stretches: std::collections::BTreeMap<u64, Vec<(u64, u64)>> = Default::default();
    for (at, value) in samples {
        let index = at.saturating_sub(begin) / length.max(1);
        stretches.entry(index).or_default().push((at, value));
    }
    let last = stretches.keys().next_back().copied();
    let mut reduced = Vec::with_capacity(stretches.len());
    for (index, stretch) in stretches {
        let start = begin + index * length;
        let reached = stretch.iter().map(|(at, _)| *at).max().unwrap_or(start);
        let is_stub = Some(index) == last && (reached - start) * 2 < length;
        if is_stub {
            continue;
        }
        let mut values: Vec<u64> = stretch.iter().map(|(_, value)| *value).collect();
        values.sort_unstable();
        reduced.push((start, values[values.len() / 2]));
    }
    reduced
}

fn line(points: Vec<(f64, f64)>) -> Slope {
    #[expect(clippy::cast_precision_loss, reason = "a handful of blocks")]
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (mean_x, level) = (mean(|point| point.0), mean(|point| point.1));
    let square = |of: f64| of * of;
    let spread: f64 = points.iter().map(|(x, _)| square(x - mean_x)).sum();
    let joint: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - level)).sum();
    let per_hour = joint / spread;
    let residual = |(x, y): &(f64, f64)| y - level - per_hour * (x - mean_x);
    let residuals: Vec<f64> = points.iter().map(residual).collect();
    let squares: f64 = residuals.iter().copied().map(square).sum();
    let error = libm::sqrt(squares / (n - 2.0) / spread);
    let freedom = points.len() - 2;
    let student = STUDENT[freedom.min(STUDENT.len()) - 1];
    let neighbours: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let is_persistent = neighbours > PERSISTENT * squares;
    let widening = if is_persistent { 2.0 } else { 1.0 };
    let margin = student * error * widening;
    let rises = has_rise(&points);
    Slope {
        per_hour,
        lower: per_hour - margin,
        upper: per_hour + margin,
        level,
        rises,
        medians: points,
    }
}

impl Slope {
    /// Whether Mann-Kendall sees the medians fall behind a line that rises by so much an hour: its
    /// opinion on whether they grow by less. What grows a little each hour rises all the same.
    #[must_use]
    pub fn stays_below(&self, per_hour: f64) -> bool {
        let behind = |(at, value): &(f64, f64)| (*at, at * per_hour - value);
        has_rise(&self.medians.iter().map(behind).collect::<Vec<_>>())
    }
}

/// Mann-Kendall: more rises than falls among all pairs than luck would give.
fn has_rise(points: &[(f64, f64)]) -> bool {
    let mut score = 0.0;
    for (index, (_, earlier)) in points.iter().enumerate() {
        // Beside itself, a point neither rises nor falls.
        for (_, later) in &points[index..] {
            score += f64::from(i8::from(later > earlier) - i8::from(later < earlier));
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of blocks")]
    let n = points.len() as f64;
    let deviation = libm::sqrt(n * (n - 1.0) * (2.0 * n + 5.0) / 18.0);
    (score - 1.0) / deviation > NORMAL
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const FOUR_HOURS: Reduction = Reduction {
        minute: 60 * SECOND,
        warm_up: 1_800 * SECOND,
        block: 1_800 * SECOND,
        blocks: 7,
    };

    /// Four hours of samples: a level of 100 MiB, a saw-tooth, and a leak of that many bytes/hour.
    fn soak(leak: u64) -> Vec<(u64, u64)> {
        let level = 100 << 20;
        let sample = |s: u64| {
            (
                s * SECOND,
                level + (s * 7_919 % 977) * 100 + leak * s / 3_600,
            )
        };
        (0..14_400).map(sample).collect()
    }

    #[test]
    fn a_flat_server_has_a_slope_within_its_bounds_and_no_rise() {
        let flat = slope(&soak(0), FOUR_HOURS).unwrap();
        assert_eq!(flat.medians.len(), 7);
        assert!(flat.upper < 524_288.0, "{flat:?}");
    }

    #[test]
    fn a_leak_of_two_percent_an_hour_shows_in_both_opinions() {
        let leak = slope(&soak(2 << 20), FOUR_HOURS).unwrap();
        assert!(leak.lower > 1_048_576.0 && leak.rises, "{leak:?}");
        assert!((leak.per_hour - 2_097_152.0).abs() < 20_000.0);
    }

    #[test]
    fn a_short_run_says_nothing() {
        let short: Vec<_> = soak(0).into_iter().take(3_600).collect();
        assert_eq!(slope(&short, FOUR_HOURS), None);
        assert_eq!(slope(&[], FOUR_HOURS), None);
    }

    #[test]
    fn one_spike_does_not_make_a_slope() {
        let mut samples = soak(0);
        samples[14_399].1 = 1 << 40;
        assert!(slope(&samples, FOUR_HOURS).unwrap().upper < 524_288.0);
    }

    fn at_hours(values: &[f64]) -> Vec<(f64, f64)> {
        let hours = (0..).map(f64::from);
        hours.zip(values.iter().copied()).collect()
    }

    #[test]
    fn a_rise_is_one_that_luck_gives_less_than_once_in_twenty() {
        // Of 21 pairs of seven, 17 must rise: a score of 13; 16 give 11, which luck gives too.
        let rises = |values: [f64; 7]| has_rise(&at_hours(&values));
        assert!(rises([4.0, 0.0, 1.0, 2.0, 3.0, 5.0, 6.0]));
        assert!(!rises([5.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0]));
        assert!(!rises([6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0]), "a fall");
        assert!(!rises([1.0; 7]));
    }

    #[test]
    fn what_grows_by_less_than_a_line_falls_behind_it_in_most_pairs() {
        let below = |values: [f64; 7], per_hour| line(at_hours(&values)).stays_below(per_hour);
        let steady = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert!(below(steady, 1.1));
        assert!(!below(steady, 1.0) && !below(steady, 0.9));
        assert!(below([3.0; 7], 0.1) && !below([3.0; 7], 0.0));
        // Of 21 pairs 18 fall behind a line of one an hour, and then 15.
        assert!(below([0.0, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5], 1.0));
        assert!(!below([0.0, 6.5, 6.5, 6.5, 6.5, 6.5, 6.5], 1.0));
    }

    #[test]
    fn a_line_has_the_slope_and_the_bounds_of_its_least_squares() {
        // Worked by hand: the squares about 2 x + 1 sum to 4/5, those of x to 10.
        let found = line(at_hours(&[1.4, 2.8, 4.8, 7.2, 8.8]));
        let close = |one: f64, other: f64| assert!((one - other).abs() < 1e-9, "{one} {other}");
        close(found.per_hour, 1.92);
        close(found.level, 5.0);
        // Residuals 0.24, -0.28, -0.2, 0.28, -0.04: squares 0.256, three degrees of freedom.
        let margin = 2.353 * libm::sqrt(0.256 / 3.0 / 10.0);
        close(found.lower, 1.92 - margin);
        close(found.upper, 1.92 + margin);
    }

    #[test]
    fn residuals_that_follow_their_neighbours_double_the_margin() {
        // Five up, five down: each residual is mostly that of its neighbour.
        let bent = line(at_hours(&[
            0.0, 2.0, 4.0, 6.0, 8.0, 8.0, 6.0, 4.0, 2.0, 0.0,
        ]));
        let squares: f64 = [4.0, 2.0, 0.0, 2.0, 4.0].iter().map(|x| 2.0 * x * x).sum();
        let margin = 1.860 * libm::sqrt(squares / 8.0 / 82.5);
        assert!((bent.upper - 2.0 * margin).abs() < 1e-9, "{bent:?}");
        let straight = line(at_hours(&[3.0; 5]));
        assert_eq!((straight.lower, straight.upper), (0.0, 0.0));
    }
}
