//! How often each anomaly of a thread could have shown: what nothing tried is proven of nobody.

use std::collections::{BTreeMap, BTreeSet};

use super::append::Append;
use super::{Read, Thread, ThreadRules, lifetime};
use crate::operation::Outcome;

/// Trials by the anomaly's name in [`super::ANOMALIES`], outside faults of our own rig.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trials(BTreeMap<&'static str, u64>);

/// What of a thread was seen while our own rig was well.
struct Sound<'a> {
    reads: Vec<&'a Read>,
    /// Appends whose key was never that of other words.
    appends: Vec<&'a Append>,
    /// Those that the longest read shows.
    shown: Vec<&'a Append>,
    /// How many exchanges that is.
    length: usize,
    /// When those ended that were refused each time.
    refused: Vec<u64>,
}

impl Trials {
    /// How often that anomaly could have shown.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    pub(super) fn note(&mut self, thread: &Thread, rules: ThreadRules) {
        let sound = Sound::of(thread);
        self.shown(&sound);
        self.read(&sound);
        self.keys(thread, &sound);
        self.life(thread, rules);
    }

    fn add(&mut self, name: &'static str, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        *self.0.entry(name).or_default() += count;
    }

    /// What the longest read tells of each turn in it.
    fn shown(&mut self, sound: &Sound<'_>) {
        let shown = || sound.shown.iter();
        let first = shown().filter_map(|append| append.end).min();
        let is_later = |append: &&&Append| first.is_some_and(|end| end < append.start);
        let is_numbered = |append: &&&Append| !append.numbers.is_empty();
        self.add("doubled", shown().count());
        self.add("reordered", shown().filter(is_later).count());
        self.add("wrong_number", shown().filter(is_numbered).count());
        self.add("phantom", sound.length);
        self.add("torn", sound.length);
    }

    /// What each read tells beside the appends and the other reads.
    fn read(&mut self, sound: &Sound<'_>) {
        let reads = || sound.reads.iter();
        let last = reads().map(|read| read.start).max();
        let is_read_after = |end: u64| last.is_some_and(|start| end < start);
        let kept = sound.appends.iter().filter_map(|append| append.end);
        self.add(
            "lost",
            kept.clone().filter(|end| is_read_after(*end)).count(),
        );
        let first = kept.min();
        let is_after =
            |end: Option<u64>| move |read: &&&Read| end.is_some_and(|end| end < read.start);
        self.add("stale", reads().filter(is_after(first)).count());
        let begun = sound.appends.iter().map(|append| append.start).max();
        let is_before = |read: &&&Read| begun.is_some_and(|start| read.end < start);
        self.add("future", reads().filter(is_before).count());
        let longer = reads().filter(|read| !read.list.is_empty());
        let first = longer.map(|read| read.end).min();
        self.add("backwards", reads().filter(is_after(first)).count());
        self.add("diverged", reads().count().saturating_sub(1));
        let ends = sound.refused.iter().copied();
        self.add(
            "refused_done",
            ends.filter(|end| is_read_after(*end)).count(),
        );
    }

    fn keys(&mut self, thread: &Thread, sound: &Sound<'_>) {
        let repeated = sound.appends.iter().filter(|append| append.is_repeated());
        self.add("doubled_by_key", repeated.count());
        let reused = thread.appends.values().filter(|append| append.is_reuse);
        let is_answered = |append: &&Append| {
            let mut tries = append.tries.iter().filter(|one| !one.is_tainted);
            tries.any(|one| one.outcome == Outcome::Ok || one.is_turned_down)
        };
        self.add("reused_key", reused.filter(is_answered).count());
    }

    /// Answers at the cap and after the end, and threads whose life was seen from both sides.
    fn life(&mut self, thread: &Thread, rules: ThreadRules) {
        let is_over = |at: u64| lifetime::has_ended(thread, at, rules);
        let refusals = || thread.refusals.iter().filter(|refusal| !refusal.is_tainted);
        let full = refusals().filter(|refusal| refusal.is_full).count();
        let past = lifetime::past_cap(thread, rules).filter(|append| !append.is_tainted);
        self.add("cap", full + past.count());
        let ended = refusals().filter(|refusal| refusal.is_unknown && is_over(refusal.start));
        let ended = ended.count();
        let reads = thread.reads.iter().filter(|read| read.users.is_some());
        let read = |read: &&Read| !read.is_tainted && is_over(read.start);
        let kept = lifetime::writes(thread).filter(|append| append.end.is_some());
        let continued = |append: &&Append| !append.is_tainted && is_over(append.start);
        let alive = reads.clone().any(|read| !is_over(read.start));
        let answered = reads.filter(read).count() + kept.filter(continued).count();
        self.add("resurrected", ended + answered);
        let has_expired = ended > 0 && alive && !thread.delete_tried;
        self.add("early_expiry", usize::from(has_expired));
    }
}

impl<'a> Sound<'a> {
    fn of(thread: &'a Thread) -> Self {
        let longest = thread.reads.iter().max_by_key(|read| read.list.len());
        let spine: BTreeSet<u32> = longest
            .into_iter()
            .flat_map(|read| read.list.iter().flatten().copied())
            .collect();
        let all = thread.appends.values();
        let refused = all.filter(|append| append.is_refused && !append.is_tainted);
        let end = |append: &Append| append.tries.iter().map(|one| one.end).max();
        let of_keys = thread.appends.values().filter(|append| !append.is_reuse);
        let appends: Vec<&Append> = of_keys.filter(|append| !append.is_tainted).collect();
        let is_shown = |append: &&Append| !append.answers.is_disjoint(&spine);
        Self {
            reads: thread
                .reads
                .iter()
                .filter(|read| !read.is_tainted)
                .collect(),
            shown: appends.iter().copied().filter(is_shown).collect(),
            appends,
            refused: refused.filter_map(end).collect(),
            length: longest.map_or(0, |read| read.list.len()),
        }
    }
}
