//! V.1: every critical tool works, each answer proven to be its own.

mod cells;
mod disguise;
mod shown;
mod slots;
mod twins;

use std::collections::{BTreeMap, BTreeSet};

use super::{Brief, Checker, Seen};
use crate::criterion::Missing;
use crate::finding::Finding;
use crate::observation::{Event, Listed};
use crate::operation::{Call, ProofKind};
use crate::proof::{self, Proof, ProofTallies, Usage};
use crate::tally::{self, Place, Tally};
use crate::verdict::Reason;
use cells::Cells;
use disguise::Disguises;
use shown::Shown;
use slots::Slots;
use twins::Twins;

const ALL: &str = "*";
/// The phase in which prose tools are told to send structured content as well: a setting that does
/// not ship, so that it fills no cell.
const STRUCTURED: &str = "structured";

/// The checker of V.1.
pub struct Answers<'a> {
    brief: Brief<'a>,
    tools: Vec<String>,
    transports: Vec<String>,
    replay_ttl: u64,
    cells: Cells,
    slots: Slots,
    providers: BTreeMap<String, u64>,
    refusals: BTreeMap<(&'static str, &'static str), u64>,
    repeats: BTreeMap<&'static str, u64>,
    shown: Shown<'a>,
    listed: BTreeMap<&'static str, u64>,
    usage: Usage,
    proofs: ProofTallies,
    twins: Twins,
    disguises: Disguises,
    sequence: Tally,
    refused: Tally,
    list: Tally,
}

impl<'a> Answers<'a> {
    /// Reads its numbers.
    ///
    /// # Errors
    /// The catalogue lacks one.
    pub fn start(brief: Brief<'a>) -> Result<Self, Missing> {
        let rows = brief.criterion;
        let all = |list: &[String], every: Vec<String>| {
            if list.iter().any(|name| name == ALL) {
                every
            } else {
                list.to_vec()
            }
        };
        let tools = all(
            rows.list("tools")?,
            brief.criteria.tools.keys().cloned().collect(),
        );
        let every = brief.criteria.transports.keys().cloned().collect();
        let transports = all(rows.list("transports")?, every);
        let checks: Vec<&str> = proof::CHECKS.iter().map(|(id, _)| *id).collect();
        Ok(Self {
            tools,
            transports,
            replay_ttl: rows.nanos("replay_ttl_s")?,
            cells: Cells::default(),
            slots: Slots::default(),
            providers: BTreeMap::new(),
            refusals: BTreeMap::new(),
            repeats: BTreeMap::new(),
            shown: Shown::start(brief)?,
            listed: BTreeMap::new(),
            usage: Usage::default(),
            proofs: ProofTallies::of(&checks),
            twins: Twins::default(),
            disguises: Disguises::default(),
            sequence: Tally::new("sequence", "answers with another call's provider request"),
            refused: Tally::new(
                "refusals",
                "wrong calls that were not refused as they should be",
            ),
            list: Tally::new("list", "tool lists that differ from the catalogue"),
            brief,
        })
    }

    fn call(&mut self, seen: &Seen<'_>, call: &Call) {
        let proof = proof::prove(self.brief.key, seen.journal, call);
        if matches!(call.proof, ProofKind::Refusal { .. }) {
            self.refusal(seen, call, &proof);
            return;
        }
        self.proofs.note(seen.is_tainted, call, &proof);
        self.disguises.call(seen, call);
        let stolen = self.usage.claim(call, &proof.seqs, self.replay_ttl);
        let is_right = proof.is_right() && stolen.is_none();
        self.sequence
            .trial(seen.is_tainted, Place::Call(call), stolen);
        if !is_right || seen.is_tainted || matches!(call.proof, ProofKind::None) {
            return;
        }
        if call.phase == STRUCTURED {
            self.cells.count_structured(call);
            return;
        }
        if let ProofKind::Twin { tracers } = &call.proof {
            self.twins.hold(seen, call, tracers);
            return;
        }
        let through = cells::through(seen.journal, call, &proof);
        if let Some(preview) = self.twins.settle(seen, call, &proof) {
            self.cells.count(&preview, &through);
        }
        self.cells.count(call, &through);
        self.slots.count(seen.journal, call, &proof);
        if let Some(repeat) = &call.repeat {
            let kind = match (repeat.exact, repeat.same_principal) {
                (true, true) => "repeats_same",
                (true, false) => "repeats_other",
                (false, _) => "repeats_near",
            };
            *self.repeats.entry(kind).or_default() += 1;
        }
        for seq in &proof.seqs {
            let Some(entry) = seen.journal.entry(seq) else {
                continue;
            };
            *self
                .providers
                .entry(entry.served.provider.clone())
                .or_default() += 1;
            self.shown.receive(call, &entry.served.system_sha256);
        }
    }

    fn refusal(&mut self, seen: &Seen<'_>, call: &Call, proof: &Proof) {
        self.refused
            .trial(seen.is_tainted, Place::Call(call), proof.wrong());
        if proof.is_right() && !seen.is_tainted {
            let is_known = self.brief.criteria.tools.contains_key(&call.tool);
            let kind = if is_known {
                "bad_argument"
            } else {
                "unknown_tool"
            };
            *self
                .refusals
                .entry((kind, call.transport.name()))
                .or_default() += 1;
        }
    }

    fn listed(&mut self, seen: &Seen<'_>, listed: &Listed) {
        let transport = listed.transport.name();
        let built = self
            .brief
            .criteria
            .tools
            .iter()
            .filter(|(_, row)| row.built);
        let wanted: BTreeSet<&String> = built.map(|(name, _)| name).collect();
        let shown: BTreeSet<&String> = listed.tools.keys().collect();
        let names = |set: Vec<&&String>| {
            set.iter()
                .map(|name| name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut wrong = Vec::new();
        if wanted != shown {
            let missing = names(wanted.difference(&shown).collect());
            let extra = names(shown.difference(&wanted).collect());
            wrong.push(format!("lacks [{missing}] and adds [{extra}]"));
        }
        for (tool, digest) in &listed.tools {
            wrong.extend(self.shown.wrong_schema(tool, digest));
        }
        if !listed.repeated.is_empty() {
            wrong.push(format!("repeats {}", listed.repeated.join(", ")));
        }
        if !listed.bad_cursor_refused {
            wrong.push("accepts a made-up cursor".to_owned());
        }
        let says = format!("the tool list over {transport} {}", wrong.join("; "));
        let wrong = (!wrong.is_empty()).then_some(says);
        self.list
            .trial(seen.is_tainted, Place::Moment(seen.at, transport), wrong);
        *self.listed.entry(transport).or_default() += 1;
    }

    fn floors(&self, finding: &mut Finding) -> Result<(), Missing> {
        let rows = self.brief.criterion;
        self.tool_floors(finding)?;
        self.transport_floors(finding)?;
        for provider in rows.list("providers")? {
            let seen = self.providers.get(provider).copied().unwrap_or_default();
            let count = (rows.floor("provider")?, seen);
            let event = format!("proven answers from {provider}");
            let id = format!("provider.{provider}");
            tally::floor(finding, &id, &event, count, Reason::EventNotSeen);
        }
        for kind in ["repeats_same", "repeats_other", "repeats_near"] {
            let seen = self.repeats.get(kind).copied().unwrap_or_default();
            let event = format!("proven {}", kind.replace('_', ", "));
            let count = (rows.floor(kind)?, seen);
            tally::floor(finding, kind, &event, count, Reason::BelowFloor);
        }
        Ok(())
    }

    fn is_built(&self, tool: &str) -> bool {
        self.brief
            .criteria
            .tools
            .get(tool)
            .is_some_and(|row| row.built)
    }

    fn is_spoken(&self, transport: &str) -> bool {
        self.brief
            .criteria
            .transports
            .get(transport)
            .is_some_and(|row| row.built)
    }

    /// The cells of each tool that is built, one row for each tool that is not.
    fn tool_floors(&self, finding: &mut Finding) -> Result<(), Missing> {
        let spoken: Vec<&String> = self
            .transports
            .iter()
            .filter(|name| self.is_spoken(name))
            .collect();
        for tool in &self.tools {
            if self.is_built(tool) {
                self.cells.floors(self.brief, tool, &spoken, finding)?;
            } else {
                let answers = self.brief.criterion.floor("answers")?;
                self.not_built(finding, "tool", tool, answers);
            }
        }
        self.slots.floors(self.brief.criterion, finding)
    }

    /// Lists and refusals on each transport that is built, one row for each that is not.
    fn transport_floors(&self, finding: &mut Finding) -> Result<(), Missing> {
        let rows = self.brief.criterion;
        for transport in &self.transports {
            if !self.is_spoken(transport) {
                self.not_built(finding, "transport", transport, rows.floor("answers")?);
                continue;
            }
            let lists = self
                .listed
                .get(transport.as_str())
                .copied()
                .unwrap_or_default();
            let event = format!("tool lists read over {transport}");
            let id = format!("list.{transport}");
            tally::floor(finding, &id, &event, (1, lists), Reason::EventNotSeen);
            for kind in ["unknown_tool", "bad_argument"] {
                let is_it = |of: &(&str, &str)| of.0 == kind && of.1 == transport;
                let found = self.refusals.iter().find(|(of, _)| is_it(of));
                let count = (rows.floor(kind)?, found.map_or(0, |(_, seen)| *seen));
                let id = format!("{kind}.{transport}");
                let event = format!("{} refused over {transport}", kind.replace('_', " "));
                tally::floor(finding, &id, &event, count, Reason::EventNotSeen);
            }
        }
        Ok(())
    }

    fn not_built(&self, finding: &mut Finding, what: &str, name: &str, needed: u64) {
        let event = format!("proven answers of the {what} {name}");
        let id = format!("{what}.{name}");
        tally::floor(finding, &id, &event, (needed, 0), Reason::NotTestable);
        finding
            .not_tested
            .push(format!("the {what} {name} is not built"));
    }
}

impl Checker for Answers<'_> {
    fn observe(&mut self, seen: &Seen<'_>) {
        if let Some(call) = tally::call_of(seen.event, &self.brief.criterion.id) {
            self.call(seen, call);
        } else if let Event::Listed(listed) = seen.event {
            self.listed(seen, listed);
        }
    }

    fn finish(self: Box<Self>) -> Result<Finding, Missing> {
        let mut finding = tally::blank(&self.brief.criterion.id);
        self.floors(&mut finding)?;
        let answers = self.cells.total();
        let covered = cells::covered(&finding.floors);
        let unbuilt = finding.not_tested.len();
        let Self {
            brief,
            shown,
            proofs,
            twins,
            disguises,
            sequence,
            refused,
            list,
            ..
        } = *self;
        shown.conclude(brief.ground.summary.until, &mut finding);
        proofs.conclude(&mut finding);
        twins.conclude(&mut finding);
        disguises.conclude(brief.criterion, &mut finding)?;
        sequence.conclude(&mut finding);
        refused.conclude(&mut finding);
        list.conclude(&mut finding);
        finding.headline = format!("{answers} proven answers; {covered}; not built: {unbuilt}");
        finding.conclude();
        Ok(finding)
    }
}
