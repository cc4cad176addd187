//! Whether the sampler was at work all the time. It samples its own process with each look, so its
//! silence shows in the history, whatever it could still say about itself.

use super::{SAMPLER_GAP, Taint};
use crate::units::SECOND;

/// The sampler's signs of life. A history without any is of a run that had no sampler: a floor of
/// the catalogue says whether that may be.
#[derive(Debug, Clone, Default)]
pub(super) struct Pulse {
    bound: u64,
    first: Option<u64>,
    last: Option<u64>,
    silent: Vec<(u64, u64)>,
    beats: u64,
}

impl Pulse {
    /// A silence of more than `bound` ns taints.
    pub(super) fn new(bound: u64) -> Self {
        Self {
            bound,
            ..Self::default()
        }
    }

    pub(super) fn beat(&mut self, at: u64) {
        self.beats += 1;
        self.first = self.first.or(Some(at));
        if let Some(last) = self.last.replace(at) {
            self.silence(last, at);
        }
    }

    pub(super) const fn beats(&self) -> u64 {
        self.beats
    }

    /// The silences inside the phases, the ones before the first and after the last sign included.
    pub(super) fn silences(&mut self, (begin, end): (u64, u64)) -> Vec<Taint> {
        if let (Some(first), Some(last)) = (self.first, self.last) {
            self.silence(begin, first);
            self.silence(last, end);
        }
        let inside = self.silent.iter().map(|(from, until)| Taint {
            from: *from,
            until: *until,
            what: SAMPLER_GAP.to_owned(),
            detail: format!("the rig was not sampled for {} s", (until - from) / SECOND),
        });
        inside
            .filter(|taint| taint.from < end && begin < taint.until)
            .collect()
    }

    fn silence(&mut self, from: u64, until: u64) {
        if until.saturating_sub(from) > self.bound {
            self.silent.push((from, until));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silences(beats: &[u64], phases: (u64, u64)) -> Vec<(u64, u64)> {
        let mut pulse = Pulse::new(5);
        for at in beats {
            pulse.beat(*at);
        }
        let taints = pulse.silences(phases);
        taints
            .iter()
            .map(|taint| (taint.from, taint.until))
            .collect()
    }

    #[test]
    fn a_silence_longer_than_the_bound_taints_wherever_it_lies_in_the_phases() {
        let cases = [
            (vec![0, 5, 10, 15, 20], None),
            (vec![0, 5, 11, 15, 20], Some((5, 11))),
            (vec![10, 15, 20], Some((0, 10))),
            (vec![0, 5], Some((5, 20))),
            (vec![0, 5, 10, 15, 20, 90, 99], None),
            (vec![], None),
        ];
        for (beats, wanted) in cases {
            let found = silences(&beats, (0, 20));
            assert_eq!(found, Vec::from_iter(wanted), "{beats:?}");
        }
    }

    #[test]
    fn a_silence_that_only_touches_the_phases_taints_nothing_in_them() {
        let beats = [0, 10, 15, 20, 30];
        for (phases, wanted) in [
            ((10, 20), vec![]),
            ((9, 20), vec![(0, 10)]),
            ((10, 21), vec![(20, 30)]),
        ] {
            assert_eq!(silences(&beats, phases), wanted, "{phases:?}");
        }
    }
}
