//! Cells: which tool was proven over which transport, and through which provider.

use std::collections::{BTreeMap, BTreeSet};

use super::ALL;
use crate::checker::Brief;
use crate::criterion::{Criteria, Missing};
use crate::finding::{Finding, Floor};
use crate::journal::Journal;
use crate::operation::{Call, ProofKind};
use crate::proof::Proof;
use crate::tally;
use crate::verdict::Reason;

const CELL: &str = "cell.";

/// Proven answers by cell.
#[derive(Debug, Default)]
pub struct Cells {
    answers: BTreeMap<(String, &'static str), u64>,
    through: BTreeMap<(String, &'static str, String), u64>,
    structured: BTreeMap<String, u64>,
}

/// The providers whose answers a proven reply holds. Of a panel the seats alone count: which
/// provider draws the balance is the server's choice.
pub fn through(journal: &Journal, call: &Call, proof: &Proof) -> BTreeSet<String> {
    let seats = match &call.proof {
        ProofKind::Keyed { sets, .. } if *sets > 1 => (*sets - 1) as usize,
        _ => proof.seqs.len(),
    };
    let entries = proof.seqs.iter().take(seats);
    entries
        .filter_map(|seq| journal.entry(seq))
        .map(|entry| entry.served.provider.clone())
        .collect()
}

/// The providers a tool must be proven through; empty for a tool that asks none.
fn wanted<'a>(criteria: &'a Criteria, tool: &str, every: &'a [String]) -> &'a [String] {
    match criteria.tools.get(tool) {
        Some(row) if row.providers.iter().any(|name| name == ALL) => every,
        Some(row) => &row.providers,
        None => &[],
    }
}

impl Cells {
    /// Counts a proven answer.
    pub fn count(&mut self, call: &Call, through: &BTreeSet<String>) {
        let (tool, transport) = (call.tool.clone(), call.transport.name());
        for provider in through {
            let cell = (tool.clone(), transport, provider.clone());
            *self.through.entry(cell).or_default() += 1;
        }
        *self.answers.entry((tool, transport)).or_default() += 1;
    }

    /// Counts an answer proven from its text and, alone, from its structured content.
    pub fn count_structured(&mut self, call: &Call) {
        if call.structured.is_some() {
            *self.structured.entry(call.tool.clone()).or_default() += 1;
        }
    }

    /// Proven answers in all.
    pub fn total(&self) -> u64 {
        self.answers.values().sum()
    }

    /// A floor for the tool on each transport, and one for each provider it must be proven through.
    ///
    /// # Errors
    /// The catalogue lacks a number.
    pub fn floors(
        &self,
        brief: Brief<'_>,
        tool: &str,
        transports: &[&String],
        finding: &mut Finding,
    ) -> Result<(), Missing> {
        let rows = brief.criterion;
        let (answers, each) = (rows.floor("answers")?, rows.floor("answers_provider")?);
        let providers = wanted(brief.criteria, tool, rows.list("providers")?);
        for transport in transports {
            let found = self
                .answers
                .iter()
                .find(|((of, over), _)| of == tool && over == transport);
            let count = (answers, found.map_or(0, |(_, seen)| *seen));
            let id = format!("{CELL}{tool}.{transport}");
            let event = format!("proven answers of {tool} over {transport}");
            tally::floor(finding, &id, &event, count, Reason::BelowFloor);
            for provider in providers {
                let found = self
                    .through
                    .iter()
                    .find(|((of, over, by), _)| of == tool && over == transport && by == provider);
                let count = (each, found.map_or(0, |(_, seen)| *seen));
                let id = format!("{CELL}{tool}.{transport}.{provider}");
                let event = format!("proven answers of {tool} over {transport} through {provider}");
                tally::floor(finding, &id, &event, count, Reason::BelowFloor);
            }
        }
        let count = (
            rows.floor("structured")?,
            self.structured.get(tool).copied().unwrap_or_default(),
        );
        let id = format!("structured.{tool}");
        let event = format!("answers of {tool} proven from structured content alone");
        tally::floor(finding, &id, &event, count, Reason::BelowFloor);
        Ok(())
    }
}

/// How many cells are full, and the first that is not by name; the floors name all.
pub fn covered(floors: &[Floor]) -> String {
    let cells: Vec<&Floor> = floors
        .iter()
        .filter(|floor| floor.id.starts_with(CELL))
        .collect();
    let is_split = |id: &str| {
        let finer = format!("{id}.");
        cells.iter().any(|cell| cell.id.starts_with(&finer))
    };
    let finest: Vec<&&Floor> = cells.iter().filter(|cell| !is_split(&cell.id)).collect();
    let mut short = finest
        .iter()
        .filter(|cell| !cell.is_met())
        .filter_map(|cell| cell.id.strip_prefix(CELL));
    let (first, others) = (short.next(), short.count());
    let all = finest.len();
    match first {
        None => format!("{all} of {all} cells full"),
        Some(first) => {
            let full = all - others - 1;
            format!("{full} of {all} cells full, not {first} and {others} more")
        }
    }
}
