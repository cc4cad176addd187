//! Delta debugging over fault numbers: which smaller part to try next, and what is left. Pure; the
//! caller runs the tries.

use std::collections::BTreeSet;

/// A schedule being shrunk. Ask for a candidate, try it, answer whether it failed, and again.
pub struct Shrinker {
    /// The smallest part known to fail.
    failing: Vec<u32>,
    /// Into how many pieces it is cut.
    pieces: usize,
    /// The next cut to try: pieces first, then what is left without each.
    next: usize,
    tried: BTreeSet<Vec<u32>>,
    asked: Option<Vec<u32>>,
}

impl Shrinker {
    /// `failing` is known to fail.
    #[must_use]
    pub const fn new(failing: Vec<u32>) -> Self {
        Self {
            failing,
            pieces: 2,
            next: 0,
            tried: BTreeSet::new(),
            asked: None,
        }
    }

    /// The smallest part known to fail.
    #[must_use]
    pub fn smallest(&self) -> &[u32] {
        &self.failing
    }

    /// The next part to try, nothing at all first: what fails by itself needs no fault. None when
    /// no single fault can be left out any more.
    pub fn candidate(&mut self) -> Option<Vec<u32>> {
        if !self.failing.is_empty() && self.tried.insert(Vec::new()) {
            self.asked = Some(Vec::new());
            return self.asked.clone();
        }
        loop {
            let length = self.failing.len();
            if length < 2 {
                return None;
            }
            self.pieces = self.pieces.clamp(2, length);
            if self.next >= 2 * self.pieces {
                if self.pieces == length {
                    return None;
                }
                self.pieces *= 2;
                self.next = 0;
                continue;
            }
            let part = self.cut(self.next);
            self.next += 1;
            if self.tried.insert(part.clone()) {
                self.asked = Some(part.clone());
                return Some(part);
            }
        }
    }

    /// Whether the last candidate failed in the same way.
    pub fn answer(&mut self, is_failing: bool) {
        if let Some(part) = self.asked.take().filter(|_| is_failing) {
            self.failing = part;
            self.pieces = 2;
            self.next = 0;
        }
    }

    fn cut(&self, number: usize) -> Vec<u32> {
        let length = self.failing.len();
        let piece = number % self.pieces;
        let bound = |piece: usize| length * piece / self.pieces;
        let inside = bound(piece)..bound(piece + 1);
        let is_wanted = |index: usize| inside.contains(&index) == (number < self.pieces);
        let all = self.failing.iter().enumerate();
        all.filter(|(index, _)| is_wanted(*index))
            .map(|(_, fault)| *fault)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shrinks 1..=20 for a failure that needs all of `needed`; gives the rest and the tries.
    fn shrunk(needed: &[u32]) -> (Vec<u32>, usize) {
        let mut shrinker = Shrinker::new((1..=20).collect());
        let mut tries = 0;
        while let Some(part) = shrinker.candidate() {
            tries += 1;
            shrinker.answer(needed.iter().all(|fault| part.contains(fault)));
        }
        (shrinker.smallest().to_vec(), tries)
    }

    #[test]
    fn exactly_the_needed_faults_are_left() {
        for needed in [vec![7], vec![1, 20], vec![3, 4, 15], vec![]] {
            let (left, tries) = shrunk(&needed);
            assert_eq!(left, needed);
            assert!(tries < 60, "{tries} tries for {needed:?}");
        }
    }

    #[test]
    fn one_needed_fault_of_twenty_is_found_in_a_dozen_tries() {
        for fault in 1..=20 {
            assert!(shrunk(&[fault]).1 <= 12, "fault {fault}");
        }
    }

    #[test]
    fn a_failure_that_never_comes_back_leaves_the_schedule_whole() {
        let mut shrinker = Shrinker::new(vec![1, 2, 3]);
        while shrinker.candidate().is_some() {
            shrinker.answer(false);
        }
        assert_eq!(shrinker.smallest(), [1, 2, 3]);
    }
}
