//! What a tool shows of itself, its schema to clients and its instruction to providers, against
//! what the catalogue pins of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::checker::Brief;
use crate::criterion::{Missing, Pinned};
use crate::finding::Finding;
use crate::operation::Call;
use crate::tally::{Place, Tally};

/// A tool with an instruction of its own says so by this word.
const OWN: &str = "own";

/// The pins of the tools that are built, and the instructions that providers received.
pub struct Shown<'a> {
    pins: BTreeMap<&'a str, &'a Pinned>,
    own: BTreeSet<&'a str>,
    received: BTreeMap<String, BTreeSet<String>>,
    tally: Tally,
}

impl<'a> Shown<'a> {
    /// Reads the pins.
    ///
    /// # Errors
    /// A tool that is built has none, or no instruction where it must have its own.
    pub fn start(brief: Brief<'a>) -> Result<Self, Missing> {
        let mut pins = BTreeMap::new();
        let mut own = BTreeSet::new();
        for (name, row) in brief.criteria.tools.iter().filter(|(_, row)| row.built) {
            let pinned = brief.criteria.pinned.get(name);
            let pinned = pinned.ok_or_else(|| brief.criterion.missing("digests of", name))?;
            if row.instruction == OWN {
                if pinned.instructions.is_empty() {
                    return Err(brief.criterion.missing("instruction of", name));
                }
                own.insert(name.as_str());
            }
            pins.insert(name.as_str(), pinned);
        }
        Ok(Self {
            pins,
            own,
            received: BTreeMap::new(),
            tally: Tally::new(
                "instructions",
                "answers under another instruction than the tool's own",
            ),
        })
    }

    /// What is wrong with a schema that a list shows; None for a tool without a pin, which another
    /// rule of lists names.
    pub fn wrong_schema(&self, tool: &str, digest: &str) -> Option<String> {
        let pinned = self.pins.get(tool)?;
        (pinned.schema != digest).then(|| {
            let wanted = &pinned.schema;
            format!("shows the schema {digest} of {tool} instead of {wanted}")
        })
    }

    /// A provider received this instruction for a proven answer of the call.
    pub fn receive(&mut self, call: &Call, digest: &str) {
        let tool = call.tool.as_str();
        let Some(pinned) = self.pins.get(tool).filter(|_| self.own.contains(tool)) else {
            return;
        };
        let wanted = &pinned.instructions;
        let is_pinned = wanted.iter().any(|one| one == digest);
        let says = (!is_pinned).then(|| {
            let wanted = wanted.join(" or ");
            format!("{tool} ran under the instruction {digest} instead of {wanted}")
        });
        self.tally.trial(false, Place::Call(call), says);
        let digests = self.received.entry(tool.to_owned()).or_default();
        digests.insert(digest.to_owned());
    }

    /// Writes the row; no digest may be shared by two tools, whatever is pinned.
    pub fn conclude(mut self, until: u64, finding: &mut Finding) {
        let place = Place::Moment(until, "simulators");
        let rows: Vec<_> = self.received.iter().collect();
        for (index, (tool, digests)) in rows.iter().enumerate() {
            for (other, others) in &rows[..index] {
                let shared = !digests.is_disjoint(others);
                let says = format!("{tool} and {other} ran under one instruction");
                self.tally.trial(false, place, shared.then_some(says));
            }
        }
        self.tally.conclude_if_tried(finding);
    }
}
