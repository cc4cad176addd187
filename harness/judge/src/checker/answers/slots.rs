//! Inputs that are lost last: the second file, the late turn; and answers whole and streamed.

use std::collections::BTreeMap;

use crate::criterion::{Criterion, Missing};
use crate::finding::Finding;
use crate::journal::Journal;
use crate::operation::{Call, ProofKind};
use crate::proof::Proof;
use crate::tally;
use crate::verdict::Reason;

/// Floor, and what it counts.
const FLOORS: &[(&str, &str)] = &[
    ("slot_file", "proven answers over two files or more"),
    (
        "slot_turn",
        "proven answers in turn 7 or later of a conversation",
    ),
    (
        "whole",
        "proven answers that the provider gave in one piece",
    ),
    ("streamed", "proven answers that the provider streamed"),
];
/// The slot of the second file, and that of the sixth earlier turn.
const LATE: &[(&str, &str)] = &[("slot_file", "file.1"), ("slot_turn", "turn.6")];

/// Proven answers by floor.
#[derive(Debug, Default)]
pub struct Slots(BTreeMap<&'static str, u64>);

impl Slots {
    /// Counts a proven answer.
    pub fn count(&mut self, journal: &Journal, call: &Call, proof: &Proof) {
        let ProofKind::Keyed { tracers, .. } = &call.proof else {
            return;
        };
        for &(floor, slot) in LATE {
            if tracers.iter().any(|planted| planted.slot == slot) {
                *self.0.entry(floor).or_default() += 1;
            }
        }
        for entry in proof.seqs.iter().filter_map(|seq| journal.entry(seq)) {
            let how = if entry.served.stream {
                "streamed"
            } else {
                "whole"
            };
            *self.0.entry(how).or_default() += 1;
        }
    }

    /// Writes the floors.
    ///
    /// # Errors
    /// The catalogue lacks a number.
    pub fn floors(&self, rows: &Criterion, finding: &mut Finding) -> Result<(), Missing> {
        for &(id, event) in FLOORS {
            let seen = self.0.get(id).copied().unwrap_or_default();
            tally::floor(
                finding,
                id,
                event,
                (rows.floor(id)?, seen),
                Reason::BelowFloor,
            );
        }
        Ok(())
    }
}
