//! The same operation under two disguises: whichever program seems to send it, a provider must be
//! asked for the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::checker::Seen;
use crate::criterion::{Criterion, Missing};
use crate::finding::Finding;
use crate::journal::Journal;
use crate::operation::Call;
use crate::tally::{self, Place, Tally};
use crate::verdict::Reason;

/// The phase of operations that are sent twice.
const PHASE: &str = "disguise";

/// What a request was, but for its sequence, its time and the id that names the attempt: provider,
/// model, key, whether it streams, and its body.
type Request = (String, String, String, bool, String);

/// What the first of two led to.
struct First {
    asked: BTreeSet<Request>,
    is_tainted: bool,
}

/// The operations of a run that were sent under two disguises.
pub struct Disguises {
    first: BTreeMap<u64, First>,
    compared: u64,
    tally: Tally,
}

impl Default for Disguises {
    fn default() -> Self {
        Self {
            first: BTreeMap::new(),
            compared: 0,
            tally: Tally::new(
                "disguise",
                "operations that led to other requests when another program sent them",
            ),
        }
    }
}

impl Disguises {
    /// Holds the first of two, and compares the second with it.
    pub fn call(&mut self, seen: &Seen<'_>, call: &Call) {
        if call.phase != PHASE {
            return;
        }
        let asked = requests(seen.journal, call);
        let is_tainted = seen.is_tainted;
        let Some(repeat) = &call.repeat else {
            self.first.insert(call.op, First { asked, is_tainted });
            return;
        };
        let is_disguised = repeat.exact && !repeat.same_principal;
        let Some(first) = self.first.remove(&repeat.of).filter(|_| is_disguised) else {
            return;
        };
        let is_tainted = is_tainted || first.is_tainted;
        let has_asked = !asked.is_empty() && !first.asked.is_empty();
        self.compared += u64::from(has_asked && !is_tainted);
        let (op, of) = (call.op, repeat.of);
        let says = format!(
            "recognises the judge: operation {op}, sent by another program, led to other requests \
             than {of}"
        );
        let wrong = (asked != first.asked).then_some(says);
        self.tally.trial(is_tainted, Place::Call(call), wrong);
    }

    /// Writes the floor and the row.
    pub fn conclude(self, rows: &Criterion, finding: &mut Finding) -> Result<(), Missing> {
        let event = "operations sent under two disguises, their requests compared";
        let count = (rows.floor("disguised")?, self.compared);
        tally::floor(finding, "disguised", event, count, Reason::BelowFloor);
        self.tally.conclude_if_tried(finding);
        Ok(())
    }
}

/// What a call asked for; the same request sent again is one.
fn requests(journal: &Journal, call: &Call) -> BTreeSet<Request> {
    let attempts = journal.attempts(call).into_iter();
    let request = attempts.map(|attempt| {
        let served = &attempt.served;
        (
            served.provider.clone(),
            served.model.clone(),
            served.key.clone(),
            served.stream,
            served.body_sha256.clone(),
        )
    });
    request.collect()
}
