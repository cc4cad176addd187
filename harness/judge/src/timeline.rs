//! How many were in flight when: a staircase over time built from intervals.

/// Counts over time, changing at each step.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// (when, how many from then on), rising in time; the last is 0.
    steps: Vec<(u64, u64)>,
}

impl Timeline {
    /// Builds the staircase of intervals `[from, until)`.
    #[must_use]
    pub fn new(intervals: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut edges: Vec<(u64, i64)> = Vec::new();
        for (from, until) in intervals.filter(|(from, until)| from < until) {
            edges.push((from, 1));
            edges.push((until, -1));
        }
        edges.sort_unstable();
        let mut steps: Vec<(u64, u64)> = Vec::new();
        let mut count = 0_i64;
        for (at, change) in edges {
            count += change;
            let level = u64::try_from(count).unwrap_or_default();
            match steps.last_mut() {
                Some(last) if last.0 == at => last.1 = level,
                _ => steps.push((at, level)),
            }
        }
        Self { steps }
    }

    /// How many at that moment.
    #[must_use]
    pub fn at(&self, when: u64) -> u64 {
        let after = self.steps.partition_point(|(at, _)| *at <= when);
        after.checked_sub(1).map_or(0, |index| self.steps[index].1)
    }

    /// Time during which there was at least one.
    #[must_use]
    pub fn busy(&self) -> u64 {
        self.above(1).sum
    }

    /// The most at any moment.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.steps
            .iter()
            .map(|(_, level)| *level)
            .max()
            .unwrap_or_default()
    }

    /// Time-weighted median over `[from, until)`: the highest level held at least half of it.
    #[must_use]
    pub fn median(&self, from: u64, until: u64) -> u64 {
        let half = (until.saturating_sub(from)).div_ceil(2);
        self.highest(|level| self.above(level).between(from, until) >= half)
    }

    /// The highest median of any piece of that length, and where that piece begins.
    #[must_use]
    pub fn held(&self, length: u64) -> (u64, u64) {
        let half = length.div_ceil(2);
        let level = self.highest(|level| self.above(level).best(length).0 >= half);
        (level, self.above(level).best(length).1)
    }

    /// One point a bin, the highest in it, as (seconds, count): for charts.
    #[must_use]
    pub fn chart(&self, bin: u64) -> Vec<(f64, f64)> {
        let mut points: Vec<(u64, u64)> = Vec::new();
        for (at, level) in &self.steps {
            let start = at - at % bin.max(1);
            match points.last_mut() {
                Some(last) if last.0 == start => last.1 = last.1.max(*level),
                _ => points.push((start, *level)),
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "for drawing")]
        points
            .iter()
            .map(|(at, level)| (*at as f64 / 1e9, *level as f64))
            .collect()
    }

    fn highest(&self, holds: impl Fn(u64) -> bool) -> u64 {
        let (mut low, mut high) = (0, self.peak());
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if holds(middle) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        low
    }

    fn above(&self, level: u64) -> Above {
        let mut pieces: Vec<(u64, u64, u64)> = Vec::new();
        let mut sum = 0;
        for pair in self.steps.windows(2) {
            let ((from, count), (until, _)) = (pair[0], pair[1]);
            if count >= level {
                pieces.push((from, until, sum));
                sum += until - from;
            }
        }
        Above { pieces, sum }
    }
}

/// Stretches at or above a level, each with the time spent above before it.
struct Above {
    pieces: Vec<(u64, u64, u64)>,
    sum: u64,
}

impl Above {
    /// Time above until that moment.
    fn until(&self, when: u64) -> u64 {
        let next = self.pieces.partition_point(|(from, _, _)| *from <= when);
        let Some(index) = next.checked_sub(1) else {
            return 0;
        };
        let (from, until, before) = self.pieces[index];
        before + when.min(until) - from
    }

    fn between(&self, from: u64, until: u64) -> u64 {
        self.until(until) - self.until(from)
    }

    /// The most time above in any window of that length, and the earliest such window's begin.
    fn best(&self, length: u64) -> (u64, u64) {
        let mut best = (0, 0);
        if self.sum == 0 {
            return best;
        }
        for (from, until, _) in &self.pieces {
            for start in [*from, until.saturating_sub(length)] {
                let held = self.between(start, start.saturating_add(length));
                if held > best.0 {
                    best = (held, start);
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_staircase_counts_what_overlaps() {
        let line = Timeline::new([(0, 10), (5, 15), (5, 6), (20, 20)].into_iter());
        assert_eq!([0, 5, 6, 12, 15].map(|when| line.at(when)), [1, 3, 2, 1, 0]);
        assert_eq!(line.peak(), 3);
    }

    #[test]
    fn a_level_is_held_only_when_it_lasts_half_of_one_piece() {
        let steady = (0..10).map(|start| (start, 100));
        assert_eq!(Timeline::new(steady).held(80).0, 10);
        let burst = Timeline::new((0..10).map(|_| (0, 39)).chain([(0, 100)]));
        assert_eq!(burst.held(80).0, 1);
        let twice = Timeline::new((0..10).flat_map(|_| [(0, 30), (60, 90)]));
        assert_eq!(twice.held(40).0, 10, "30 of 40 in one piece");
        assert_eq!(twice.held(200).0, 0, "two bursts do not make one piece");
    }

    #[test]
    fn the_median_is_weighted_by_time() {
        let line = Timeline::new([(0, 100), (0, 50), (0, 10)].into_iter());
        assert_eq!(line.median(0, 100), 2);
        assert_eq!(line.median(0, 102), 1);
        assert_eq!(line.median(200, 300), 0);
    }
}
