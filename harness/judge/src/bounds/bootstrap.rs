//! Moving-block bootstrap: the second opinion on samples that cluster (judging.md §4.1, §4.4).

/// Draws of a bootstrap.
pub const DRAWS: usize = 2_000;
/// The bootstrap's own seed; stored with the evidence by being part of the judge.
pub const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Length of the bins that blocks are made of, ns.
pub const BIN: u64 = 1_000_000_000;
/// In traffic that takes turns, a longer pause is the other side's turn, ns.
const PAUSE: u64 = BIN / 2;

/// Samples laid in time bins, largest first.
#[derive(Debug, Clone)]
pub struct Blocks {
    /// (value, bin), sorted by falling value.
    samples: Vec<(u64, usize)>,
    /// Samples a bin.
    held: Vec<u64>,
    bins: usize,
    block: usize,
}

impl Blocks {
    /// Lays out samples given as (when, value); the block covers twice the longest stall.
    #[must_use]
    pub fn new(samples: &[(u64, u64)]) -> Self {
        let begin = samples.iter().map(|(at, _)| *at).min().unwrap_or_default();
        let bin = |at: u64| usize::try_from((at - begin) / BIN).unwrap_or(usize::MAX);
        let longest = samples
            .iter()
            .map(|(_, value)| *value)
            .max()
            .unwrap_or_default();
        let block = usize::try_from(longest.saturating_mul(2).div_ceil(BIN)).unwrap_or(usize::MAX);
        let bins = samples
            .iter()
            .map(|(at, _)| bin(*at) + 1)
            .max()
            .unwrap_or_default();
        let mut samples: Vec<_> = samples
            .iter()
            .map(|(at, value)| (*value, bin(*at)))
            .collect();
        let mut held = vec![0; bins];
        samples.iter().for_each(|(_, bin)| held[*bin] += 1);
        samples.sort_unstable_by(|one, two| two.cmp(one));
        Self {
            samples,
            held,
            bins,
            block: block.clamp(1, bins.max(1)),
        }
    }

    /// Whether there are blocks enough to draw from.
    #[must_use]
    pub const fn is_drawable(&self) -> bool {
        self.bins >= 2 * self.block
    }

    /// The quantile of one draw.
    fn draw(&self, quantile: f64, luck: &mut Luck) -> u64 {
        let mut weight = vec![0_u64; self.bins];
        for _ in 0..self.bins.div_ceil(self.block) {
            let start = luck.draw();
            for offset in 0..self.block {
                weight[(start + offset) % self.bins] += 1;
            }
        }
        let total: u64 = weight
            .iter()
            .zip(&self.held)
            .map(|(weight, held)| weight * held)
            .sum();
        let from_top = total + 1 - super::rank_of(total, quantile).min(total);
        let mut seen = 0;
        for (value, bin) in &self.samples {
            seen += weight[*bin];
            if seen >= from_top {
                return *value;
            }
        }
        self.samples.last().map_or(0, |(value, _)| *value)
    }
}

/// 5 % and 95 % points of a quantile under resampling of blocks; None where blocks are too few.
#[must_use]
pub fn quantile_bounds(samples: &[(u64, u64)], quantile: f64) -> Option<(u64, u64)> {
    let blocks = Blocks::new(samples);
    if !blocks.is_drawable() {
        return None;
    }
    let mut luck = Luck(SEED);
    let mut draws: Vec<u64> = (0..DRAWS)
        .map(|_| blocks.draw(quantile, &mut luck))
        .collect();
    draws.sort_unstable();
    let low = draws[draw_index(1.0 - super::CONFIDENCE)];
    Some((low, draws[draw_index(super::CONFIDENCE)]))
}

/// 5 % and 95 % points of the ratio and the difference (ns) of two quantiles, `of` over `to`.
#[must_use]
pub fn ratio_bounds(of: &[(u64, u64)], to: &[(u64, u64)], quantile: f64) -> Option<Ratio> {
    let (of, to) = (Blocks::new(of), Blocks::new(to));
    if of.bins == 0 || to.bins == 0 {
        return None;
    }
    let mut luck = Luck(SEED);
    let mut ratios = Vec::with_capacity(DRAWS);
    let mut gaps = Vec::with_capacity(DRAWS);
    for _ in 0..DRAWS {
        let (over, under) = (of.draw(quantile, &mut luck), to.draw(quantile, &mut luck));
        ratios.push(signed(over) / signed(under.max(1)));
        gaps.push(signed(over) - signed(under));
    }
    ratios.sort_by(f64::total_cmp);
    gaps.sort_by(f64::total_cmp);
    let (low, high) = (
        draw_index(1.0 - super::CONFIDENCE),
        draw_index(super::CONFIDENCE),
    );
    Some(Ratio {
        lower: ratios[low],
        upper: ratios[high],
        gap_lower: gaps[low],
        gap_upper: gaps[high],
    })
}

/// The same samples as if each turn had begun in the bin after the last one's: the pauses, in which
/// the other side had its turn, are no time in which this one was quick.
#[must_use]
pub fn closed_up(mut samples: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    samples.sort_unstable();
    let (mut bin, mut begin, mut before) = (0, 0, None);
    for (at, _) in &mut samples {
        let now = *at;
        match before {
            None => begin = now,
            Some(before) if now - before > PAUSE => {
                bin += (before - begin) / BIN + 1;
                begin = now;
            }
            Some(_) => {}
        }
        before = Some(now);
        *at = bin * BIN + (now - begin);
    }
    samples
}

/// Bounds on how two quantiles compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// Lower bound of the quotient.
    pub lower: f64,
    /// Upper bound of the quotient.
    pub upper: f64,
    /// Lower bound of the difference, ns.
    pub gap_lower: f64,
    /// Upper bound of the difference, ns.
    pub gap_upper: f64,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "latencies in ns are far below 2^53"
)]
const fn signed(value: u64) -> f64 {
    value as f64
}

fn draw_index(share: f64) -> usize {
    let draws = u64::try_from(DRAWS).unwrap_or(u64::MAX);
    usize::try_from(super::rank_of(draws, share)).map_or(0, |rank| rank - 1)
}

/// A small seeded generator (xorshift64*): the same draws on every machine.
struct Luck(u64);

impl Luck {
    fn draw(&mut self) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let draw = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(draw).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` samples 1 ms apart whose slow ones stand together or apart.
    fn samples(n: u64, is_slow: impl Fn(u64) -> bool) -> Vec<(u64, u64)> {
        let ms = 1_000_000;
        (0..n)
            .map(|i| (i * ms, if is_slow(i) { 400 * ms } else { 10 * ms }))
            .collect()
    }

    #[test]
    fn clustered_slowness_widens_the_interval_that_spread_slowness_leaves_narrow() {
        let spread = samples(20_000, |i| i % 25 == 0);
        let clustered = samples(20_000, |i| i < 800);
        let (_, narrow) = quantile_bounds(&spread, 0.95).unwrap();
        let (_, wide) = quantile_bounds(&clustered, 0.95).unwrap();
        assert_eq!(narrow, 10_000_000);
        assert_eq!(wide, 400_000_000);
    }

    #[test]
    fn the_same_samples_give_the_same_bounds_and_one_block_gives_none() {
        let samples_of = samples(5_000, |i| i % 10 == 0);
        assert_eq!(
            quantile_bounds(&samples_of, 0.99),
            quantile_bounds(&samples_of, 0.99)
        );
        assert_eq!(quantile_bounds(&samples(900, |_| false), 0.95), None);
        assert_eq!(quantile_bounds(&[], 0.95), None);
    }

    #[test]
    fn a_ratio_of_equals_is_one_and_of_a_double_is_two() {
        let calm: Vec<_> = (0..3_000_u64)
            .map(|i| (i * 3_000_000, 1_000 + i % 7))
            .collect();
        let twice: Vec<_> = calm.iter().map(|(at, value)| (*at, value * 2)).collect();
        let ratio = ratio_bounds(&twice, &calm, 0.99).unwrap();
        assert!((ratio.lower - 2.0).abs() < 0.01 && (ratio.upper - 2.0).abs() < 0.01);
        let same = ratio_bounds(&calm, &calm, 0.99).unwrap();
        assert!((same.upper - 1.0).abs() < 0.01, "{same:?}");
        assert!(ratio_bounds(&[], &calm, 0.99).is_none());
    }

    #[test]
    fn turns_follow_one_another_bin_by_bin_whatever_lay_between_them() {
        let turn = |from: u64| (0..4).map(move |n| (from + n * BIN / 5, n));
        let apart: Vec<_> = turn(3 * BIN)
            .chain(turn(9 * BIN))
            .chain(turn(20 * BIN))
            .collect();
        let wanted: Vec<_> = turn(0).chain(turn(BIN)).chain(turn(2 * BIN)).collect();
        assert_eq!(closed_up(apart), wanted);
    }

    #[test]
    fn a_turn_of_several_seconds_keeps_its_bins_and_nothing_stays_nothing() {
        let long: Vec<_> = (0..30).map(|n| (7 * BIN + n * BIN / 10, n)).collect();
        let wanted: Vec<_> = (0..30).map(|n| (n * BIN / 10, n)).collect();
        assert_eq!(closed_up(long), wanted);
        assert_eq!(closed_up(Vec::new()), Vec::new());
    }

    #[test]
    fn two_whole_blocks_are_enough_to_draw_from() {
        // A stall of so many seconds makes blocks of twice that.
        let drawable = |bins: u64, stall: u64| {
            let took = |bin| if bin == 0 { stall * BIN / 2 } else { 1 };
            let samples: Vec<_> = (0..bins).map(|bin| (bin * BIN, took(bin))).collect();
            Blocks::new(&samples).is_drawable()
        };
        for block in 1..5 {
            assert!(drawable(2 * block, block), "{block}");
            assert!(!drawable(2 * block - 1, block), "{block}");
        }
    }

    #[test]
    fn a_pause_of_half_a_second_is_no_other_turn_and_a_long_turn_moves_the_next_by_its_length() {
        const HALF: u64 = 500_000_000;
        let second_of = |turn: u64, pause: u64| {
            let steps = (0..=turn).step_by(100_000_000);
            let mut samples: Vec<_> = steps.map(|at| (5 * BIN + at, 0)).collect();
            samples.push((5 * BIN + turn + pause, 1));
            closed_up(samples).pop().unwrap().0
        };
        assert_eq!(second_of(0, HALF), HALF);
        assert_eq!(second_of(0, HALF + 1), BIN);
        assert_eq!(second_of(3 * BIN, HALF + 1), 4 * BIN);
        assert_eq!(second_of(3 * BIN - 100_000_000, 9 * BIN), 3 * BIN);
    }
}
