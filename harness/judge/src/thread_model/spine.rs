//! One thread: the longest list read is its spine, and every operation has a rank on it.

use std::collections::BTreeMap;

use super::append::Append;
use super::{Read, Thread, ThreadRules, keys, lifetime};

/// One thing wrong with a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// Its name in [`super::ANOMALIES`].
    pub name: &'static str,
    /// The operation at fault.
    pub op: u64,
    /// When it showed, ns.
    pub at: u64,
    /// A sentence for people.
    pub says: String,
    /// Whether an operation concerned overlaps a fault of our own rig.
    pub is_tainted: bool,
}

/// Rank of an acknowledged append that the spine lacks.
const NOWHERE: usize = usize::MAX;

struct Placed {
    what: What,
    op: u64,
    rank: usize,
    start: u64,
    end: u64,
    is_tainted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Append,
    Read,
}

pub(super) fn anomalies(
    name: &str,
    thread: &Thread,
    owners: &BTreeMap<u32, &str>,
    rules: ThreadRules,
) -> Vec<Anomaly> {
    let mut found = Vec::new();
    let longest = thread.reads.iter().max_by_key(|read| read.list.len());
    let spine: Vec<Option<u32>> = longest.map(|read| read.list.clone()).unwrap_or_default();
    let places = place_appends(thread, &spine, &mut found);
    elements(thread, &spine, (owners, longest), &mut found);
    let mut placed = Vec::new();
    for read in &thread.reads {
        if spine.starts_with(&read.list) {
            placed.push(of_read(read));
        } else {
            let says = "a read shows another history than the longest one";
            found.push(at_read(read, "diverged", says));
        }
    }
    for (key, append) in &thread.appends {
        let place = places.get(key.as_str()).copied();
        placed.extend(of_append(append, place));
    }
    rank(placed, &mut found);
    numbers(thread, &places, &mut found);
    texts(thread, &places, &mut found);
    keys::anomalies(thread, rules, &mut found);
    lifetime::anomalies(thread, spine.len(), rules, &mut found);
    for anomaly in &mut found {
        anomaly.says = format!("thread {name}: {}", anomaly.says);
    }
    found
}

/// Where each append stands on the spine; the same answer for two keys is one of them lost.
fn place_appends<'a>(
    thread: &'a Thread,
    spine: &[Option<u32>],
    found: &mut Vec<Anomaly>,
) -> BTreeMap<&'a str, usize> {
    let mut places = BTreeMap::new();
    let mut taken: BTreeMap<usize, u64> = BTreeMap::new();
    let mut in_order: Vec<_> = thread.appends.iter().collect();
    in_order.sort_by_key(|(_, append)| (append.start, append.op));
    for (key, append) in in_order {
        let is_mine = |shown: &Option<u32>| shown.is_some_and(|id| append.answers.contains(&id));
        let mut at = spine.iter().enumerate().filter(|(_, shown)| is_mine(shown));
        let Some((place, _)) = at.next() else {
            continue;
        };
        if at.next().is_some() {
            let says = "one turn stands twice in the history";
            let name = if append.is_repeated() {
                "doubled_by_key"
            } else {
                "doubled"
            };
            found.push(of(append, name, says.to_owned()));
        }
        if append.is_refused {
            found.push(of(
                append,
                "refused_done",
                "a refused turn was stored".to_owned(),
            ));
        }
        if let Some(first) = taken.get(&place) {
            let says = format!("it stands at the place of operation {first}, its own is lost");
            found.push(of(append, "lost", says));
        } else {
            taken.insert(place, append.op);
            places.insert(key.as_str(), place);
        }
    }
    places
}

/// Elements nobody put there, and exchanges without an answer.
fn elements(
    thread: &Thread,
    spine: &[Option<u32>],
    (owners, longest): (&BTreeMap<u32, &str>, Option<&Read>),
    found: &mut Vec<Anomaly>,
) {
    let Some(read) = longest else { return };
    for (index, shown) in spine.iter().enumerate() {
        let turn = index + 1;
        match shown {
            None => {
                found.push(at_read(
                    read,
                    "torn",
                    &format!("turn {turn} stands without its answer"),
                ));
            }
            Some(id) => {
                let mut appends = thread.appends.values();
                if appends.any(|append| append.answers.contains(id)) {
                    continue;
                }
                let says = match owners.get(id) {
                    Some(owner) => format!("turn {turn} belongs to {owner}"),
                    None => format!("nobody sent turn {turn}"),
                };
                found.push(at_read(read, "phantom", &says));
            }
        }
    }
}

fn of_read(read: &Read) -> Placed {
    Placed {
        what: What::Read,
        op: read.op,
        rank: 2 * read.list.len(),
        start: read.start,
        end: read.end,
        is_tainted: read.is_tainted,
    }
}

/// An append on the spine, or one acknowledged and missing; others bind nothing.
fn of_append(append: &Append, place: Option<usize>) -> Option<Placed> {
    let rank = match (place, append.end) {
        (Some(place), _) => 2 * place + 1,
        (None, Some(_)) => NOWHERE,
        (None, None) => return None,
    };
    Some(Placed {
        what: What::Append,
        op: append.op,
        rank,
        start: append.start,
        end: append.end.unwrap_or(u64::MAX),
        is_tainted: append.is_tainted,
    })
}

/// Violation iff rank(x) < rank(y) and end(y) < start(x): sort by rank, keep the latest start.
fn rank(mut placed: Vec<Placed>, found: &mut Vec<Anomaly>) {
    placed.sort_by_key(|one| (one.rank, one.op));
    let mut latest: Option<usize> = None;
    let mut next = 0;
    while next < placed.len() {
        let rank = placed[next].rank;
        let group = next..next
            + placed[next..]
                .iter()
                .take_while(|one| one.rank == rank)
                .count();
        for y in group.clone() {
            let Some(x) = latest.map(|index| &placed[index]) else {
                continue;
            };
            let y = &placed[y];
            if y.end < x.start {
                found.push(name_violation(x, y));
            }
        }
        for index in group.clone() {
            if latest.is_none_or(|best| placed[best].start < placed[index].start) {
                latest = Some(index);
            }
        }
        next = group.end;
    }
}

fn name_violation(x: &Placed, y: &Placed) -> Anomaly {
    let (one, two) = (x.op, y.op);
    let (name, op, says) = match (y.what, x.what) {
        (What::Append, _) if y.rank == NOWHERE => (
            "lost",
            two,
            format!("operation {two} was acknowledged and {one} no longer saw it"),
        ),
        (What::Append, What::Read) => (
            "stale",
            one,
            format!("read {one} lacks operation {two}, acknowledged before it"),
        ),
        (What::Append, What::Append) => (
            "reordered",
            two,
            format!("operation {two} ended before {one} began and stands after"),
        ),
        (What::Read, What::Append) => (
            "future",
            two,
            format!("read {two} shows operation {one}, which began after it"),
        ),
        (What::Read, What::Read) => (
            "backwards",
            one,
            format!("read {one} is shorter than the earlier read {two}"),
        ),
    };
    let is_tainted = x.is_tainted || y.is_tainted;
    Anomaly {
        name,
        op,
        at: x.start,
        says,
        is_tainted,
    }
}

/// What a turn was told as its number is its place.
fn numbers(thread: &Thread, places: &BTreeMap<&str, usize>, found: &mut Vec<Anomaly>) {
    for (key, append) in &thread.appends {
        let is_one = append.numbers.len() == 1 && append.told.len() <= 1;
        let number = append.numbers.first().filter(|_| is_one);
        let (Some(number), Some(place)) = (number, places.get(key.as_str())) else {
            continue;
        };
        if usize::try_from(*number).ok() != Some(place + 1) {
            let says = format!("it was told turn {number} and stands at {}", place + 1);
            found.push(of(append, "wrong_number", says));
        }
    }
}

/// A turn shown with another user text than the one its append sent.
fn texts(thread: &Thread, places: &BTreeMap<&str, usize>, found: &mut Vec<Anomaly>) {
    for read in &thread.reads {
        let Some(users) = &read.users else { continue };
        for (key, place) in places {
            let sent = thread.appends.get(*key).and_then(|append| append.user);
            let shown = users.get(*place);
            if let (Some(sent), Some(shown)) = (sent, shown)
                && sent != *shown
            {
                let says = format!(
                    "turn {} is shown with another text than was sent",
                    place + 1
                );
                found.push(at_read(read, "torn", &says));
                return;
            }
        }
    }
}

/// Something wrong with an append.
pub(super) fn of(append: &Append, name: &'static str, says: String) -> Anomaly {
    let place = (
        append.op,
        append.end.unwrap_or(append.start),
        append.is_tainted,
    );
    bare(name, place, &says)
}

/// Something wrong with what a read shows.
pub(super) fn at_read(read: &Read, name: &'static str, says: &str) -> Anomaly {
    bare(name, (read.op, read.end, read.is_tainted), says)
}

/// Something wrong with an operation: its number, when it showed, and whether it is in doubt.
pub(super) fn bare(
    name: &'static str,
    (op, at, is_tainted): (u64, u64, bool),
    says: &str,
) -> Anomaly {
    Anomaly {
        name,
        op,
        at,
        says: format!("operation {op}: {says}"),
        is_tainted,
    }
}

#[cfg(test)]
mod brute_force;
