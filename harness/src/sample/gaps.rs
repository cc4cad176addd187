//! What could not be read, for how long. A short gap is a missing sample; a long one is trouble of
//! our own rig, because what happened in it was seen by nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use exai_judge::Event;
use exai_judge::ground::SAMPLER_GAP;

use super::rig::Trouble;

/// The longest stretch without a reading that is not yet trouble (CRITERIA, V.7).
pub(super) const BOUND: Duration = Duration::from_secs(5);

/// Per source, when it was last read and why it is not read now.
pub(super) struct Gaps {
    began: u64,
    read: BTreeMap<String, u64>,
    open: BTreeMap<String, String>,
}

impl Gaps {
    /// A source that is never read has a gap from `began` on, ns.
    pub(super) const fn new(began: u64) -> Self {
        Self {
            began,
            read: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    /// The source was read at `at`, or there was nothing of it to read; a gap ends here.
    pub(super) fn read(&mut self, source: &str, at: u64) -> Option<Trouble> {
        let cause = self.open.remove(source);
        let last = self.read.insert(source.to_owned(), at);
        trouble(source, (last.unwrap_or(self.began), at), &cause?)
    }

    /// The source could not be read. The first cause of a gap is the one told.
    pub(super) fn missed(&mut self, source: &str, cause: impl std::fmt::Display) {
        self.open
            .entry(source.to_owned())
            .or_insert_with(|| cause.to_string());
    }

    /// Ends all gaps: nobody will look again.
    pub(super) fn close(&mut self, at: u64) -> Vec<Trouble> {
        let sources: Vec<String> = self.open.keys().cloned().collect();
        sources
            .iter()
            .filter_map(|source| self.read(source, at))
            .collect()
    }
}

fn trouble(source: &str, (from, until): (u64, u64), cause: &str) -> Option<Trouble> {
    let lasted = Duration::from_nanos(until.saturating_sub(from));
    (lasted > BOUND).then(|| Trouble {
        from,
        event: Event::Rig {
            what: SAMPLER_GAP.to_owned(),
            until,
            detail: format!("{source} was not read for {} s: {cause}", lasted.as_secs()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn told(trouble: Option<Trouble>) -> Option<(u64, String)> {
        match trouble?.event {
            Event::Rig { what, until, .. } if what != SAMPLER_GAP => panic!("{what} {until}"),
            Event::Rig { until, detail, .. } => Some((until, detail)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_gap_of_the_bound_is_a_missing_sample_and_a_longer_one_is_trouble() {
        let mut gaps = Gaps::new(0);
        assert!(gaps.read("server", S).is_none());
        gaps.missed("server", "denied");
        assert!(gaps.read("server", 6 * S).is_none(), "exactly the bound");
        gaps.missed("server", "denied");
        gaps.missed("server", "a later cause");
        let found = gaps.read("server", 11 * S + 1).unwrap();
        assert_eq!(found.from, 6 * S);
        let detail = "server was not read for 5 s: denied".to_owned();
        assert_eq!(told(Some(found)), Some((11 * S + 1, detail)));
        assert!(gaps.read("server", 12 * S).is_none(), "it ended");
    }

    #[test]
    fn nothing_to_read_is_no_gap_and_a_source_never_read_is_one_from_the_beginning() {
        let mut gaps = Gaps::new(2 * S);
        assert!(gaps.read("kimi", 3 * S).is_none());
        assert!(
            gaps.read("kimi", 60 * S).is_none(),
            "it was down, not unread"
        );
        gaps.missed("host", "no such file");
        let closed = gaps.close(9 * S);
        assert_eq!(closed.len(), 1);
        assert_eq!(closed[0].from, 2 * S);
        assert!(gaps.close(99 * S).is_empty());
    }
}
