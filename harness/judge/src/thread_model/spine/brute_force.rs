//! The rank rule against every possible order of small histories.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::append::Append;
use super::super::{Read, Thread, ThreadRules};
use super::anomalies;

const RULES: ThreadRules = ThreadRules {
    exchanges: 10,
    ttl: u64::MAX / 4,
    epsilon: 0,
};

/// One operation of a small history.
#[derive(Debug, Clone)]
enum Small {
    /// An append of its own element; Unknown when not acknowledged.
    Append { start: u64, end: Option<u64> },
    /// A read of these elements.
    Read {
        start: u64,
        end: u64,
        list: Vec<usize>,
    },
}

impl Small {
    const fn start(&self) -> u64 {
        match self {
            Self::Append { start, .. } | Self::Read { start, .. } => *start,
        }
    }

    const fn end(&self) -> u64 {
        match self {
            Self::Append { end: Some(end), .. } | Self::Read { end, .. } => *end,
            Self::Append { end: None, .. } => u64::MAX,
        }
    }
}

/// Whether some order that keeps real time explains every read; Unknown appends may be left out.
fn is_explainable(history: &[Small]) -> bool {
    let unknown: Vec<usize> = (0..history.len())
        .filter(|index| matches!(history[*index], Small::Append { end: None, .. }))
        .collect();
    (0..1_usize << unknown.len()).any(|choice| {
        let left_out: BTreeSet<usize> = unknown
            .iter()
            .enumerate()
            .filter(|(bit, _)| choice >> bit & 1 == 1)
            .map(|(_, index)| *index)
            .collect();
        let open: Vec<usize> = (0..history.len())
            .filter(|index| !left_out.contains(index))
            .collect();
        extend(history, &open, &mut Vec::new())
    })
}

fn extend(history: &[Small], open: &[usize], log: &mut Vec<usize>) -> bool {
    if open.is_empty() {
        return true;
    }
    open.iter().any(|&next| {
        let is_first = open
            .iter()
            .all(|&other| history[other].end() >= history[next].start());
        if !is_first {
            return false;
        }
        let rest: Vec<usize> = open
            .iter()
            .copied()
            .filter(|&other| other != next)
            .collect();
        match &history[next] {
            Small::Append { .. } => {
                log.push(next);
                let explains = extend(history, &rest, log);
                log.pop();
                explains
            }
            Small::Read { list, .. } => list == log && extend(history, &rest, log),
        }
    })
}

fn has_anomaly(history: &[Small]) -> bool {
    let mut thread = Thread::default();
    let mut owners = BTreeMap::new();
    for (index, small) in history.iter().enumerate() {
        let (op, id) = (index as u64, index as u32);
        match small {
            Small::Append { start, end } => {
                owners.insert(id, "T");
                let append = Append {
                    op,
                    start: *start,
                    end: *end,
                    is_refused: false,
                    is_reuse: false,
                    tries: Vec::new(),
                    user: None,
                    answers: BTreeSet::from([id]),
                    told: BTreeSet::new(),
                    numbers: BTreeSet::new(),
                    is_tainted: false,
                };
                thread.appends.insert(format!("{index}"), append);
            }
            Small::Read { start, end, list } => thread.reads.push(Read {
                op,
                start: *start,
                end: *end,
                list: list.iter().map(|&element| Some(element as u32)).collect(),
                users: Some(vec![0; list.len()]),
                is_tainted: false,
            }),
        }
    }
    !anomalies("T", &thread, &owners, RULES).is_empty()
}

/// Two to six operations whose reads show appends in some order; many are explainable, many not.
fn histories() -> impl Strategy<Value = Vec<Small>> {
    let times = (0_u64..12, 1_u64..5);
    let one = (times, any::<bool>(), 0..4_u8, any::<u64>());
    proptest::collection::vec(one, 2..=6).prop_map(|drawn| {
        let is_append = |index: usize, flag: bool| index == 0 || flag;
        let appends: Vec<usize> = drawn
            .iter()
            .enumerate()
            .filter(|(index, (_, flag, _, _))| is_append(*index, *flag))
            .map(|(index, _)| index)
            .collect();
        let mut by_start = appends.clone();
        by_start.sort_by_key(|index| drawn[*index].0.0);
        let small = drawn
            .iter()
            .enumerate()
            .map(|(index, (times, flag, kind, luck))| {
                // Odd and even instants keep starts and ends apart, as a real clock does.
                let (start, end) = (times.0 * 2, (times.0 + times.1) * 2 + 1);
                if is_append(index, *flag) {
                    return Small::Append {
                        start,
                        end: (*kind > 0).then_some(end),
                    };
                }
                let mut list = by_start.clone();
                if *kind == 0 && list.len() > 1 {
                    let place = (*luck % (list.len() as u64 - 1)) as usize;
                    list.swap(place, place + 1);
                }
                if *kind == 1 && !list.is_empty() {
                    list.remove((*luck >> 8) as usize % list.len());
                }
                list.truncate((*luck >> 16) as usize % (list.len() + 1));
                Small::Read { start, end, list }
            });
        small.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_rank_rule_agrees_with_every_possible_order(history in histories()) {
        prop_assert_eq!(!is_explainable(&history), has_anomaly(&history));
    }
}

#[test]
fn the_drawn_histories_are_of_both_kinds() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let drawn: Vec<bool> = (0..2_000)
        .map(|_| is_explainable(&histories().new_tree(&mut runner).unwrap().current()))
        .collect();
    let good = drawn.iter().filter(|good| **good).count();
    assert!(
        (300..1_700).contains(&good),
        "{good} of 2 000 are explainable"
    );
}
