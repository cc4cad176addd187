//! Whether one reply is right: proven, whole, its own, and no failure in a success's clothes.

pub mod simulator;
mod usage;

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::journal::{Attempt, Journal};
use crate::operation::{AnswerSeen, Call, Outcome, Planted, ProofKind};
use crate::run_key::RunKey;
use crate::tally::{Place, Tally};
use crate::tracer::{self, Flaw};
pub use usage::Usage;

/// Slots whose tracer belongs to one model's question only.
const STANCE: &str = "stance.";

/// What was found out about one reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// Journal sequences named in its answers.
    pub seqs: Vec<String>,
    /// Check id and sentence for each flaw.
    pub flaws: Vec<(&'static str, String)>,
    /// The reply says itself that its text is not the whole answer.
    pub is_partial: bool,
}

/// Checks a reply can fail, with their names.
pub const CHECKS: [(&str, &str); 13] = [
    ("ok", "calls that were not answered"),
    ("belongs", "replies that did not carry their request's id"),
    ("doubled", "requests answered more than once"),
    ("failure_inside", "failures inside a success"),
    ("keyed", "answers without a provider's proof"),
    ("lost_input", "inputs that never reached the provider"),
    ("leak", "answers made from another call's input"),
    ("seal", "answers not bound to the request as received"),
    ("text", "answers whose text is not what the provider sent"),
    ("site", "answers that lack this run's own configuration"),
    ("memory", "answers that lack what earlier steps said"),
    (
        "model",
        "answers by another model than was asked or is named",
    ),
    (
        "structured",
        "structured contents that are not the whole answer by themselves",
    ),
];

impl Proof {
    /// The reply is right and whole.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.flaws.is_empty() && !self.is_partial
    }

    /// The first thing wrong, in words; None when right.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        let first = self.flaws.first().map(|(_, says)| says.clone());
        first.or_else(|| {
            self.is_partial
                .then(|| "the answer is flagged incomplete".to_owned())
        })
    }

    fn flaw(&mut self, check: &'static str, says: String) {
        self.flaws.push((check, says));
    }
}

/// Proves one reply against the simulators' journal.
#[must_use]
pub fn prove(key: &RunKey, journal: &Journal, call: &Call) -> Proof {
    let mut proof = Proof::default();
    let name = format!("operation {} ({})", call.op, call.tool);
    if call.belongs == Some(false) {
        proof.flaw(
            "belongs",
            format!("{name} got a reply with another request's id"),
        );
    }
    if call.replies > 1 {
        proof.flaw(
            "doubled",
            format!("{name} got {} terminal replies", call.replies),
        );
    }
    match &call.proof {
        ProofKind::Refusal { category } => {
            refusal(&mut proof, call, category, &name);
            return proof;
        }
        _ if call.outcome != Outcome::Ok => {
            proof.flaw("ok", format!("{name} was not answered: {}", why(call)));
            return proof;
        }
        _ => {}
    }
    if call.failure.is_some() {
        proof.flaw(
            "failure_inside",
            format!("{name} carries a failure inside a success"),
        );
    }
    by_kind(&mut proof, (key, journal), call, &name);
    if proof.is_right() {
        structured(&mut proof, (key, journal), call, &name);
    }
    proof
}

/// What the text of an answered call proves.
fn by_kind(proof: &mut Proof, by: (&RunKey, &Journal), call: &Call, name: &str) {
    match &call.proof {
        ProofKind::Keyed { tracers, sets } => {
            proof.is_partial = call
                .meta
                .as_ref()
                .is_some_and(|meta| meta.incomplete.is_some());
            if !proof.is_partial {
                keyed(proof, by, call, (tracers, *sets));
                seated(proof, by.1, call, name);
            }
        }
        ProofKind::Site { needles } => {
            let missing: Vec<_> = needles
                .iter()
                .filter(|needle| !call.found.contains(needle))
                .cloned()
                .collect();
            if !missing.is_empty() || needles.is_empty() {
                proof.flaw("site", format!("{name} lacks {}", missing.join(", ")));
            }
        }
        ProofKind::Memory { tracers } => memory(proof, call, tracers, name),
        // A preview is judged when the chat that follows has shown what is sent.
        ProofKind::Twin { .. } | ProofKind::Refusal { .. } | ProofKind::Read | ProofKind::None => {}
    }
}

/// Where the text is right, the structured content must prove the same without it.
fn structured(proof: &mut Proof, by: (&RunKey, &Journal), call: &Call, name: &str) {
    let Some(shown) = call.structured.clone() else {
        return;
    };
    let alone = Call {
        answers: shown.answers,
        found: shown.found,
        structured: None,
        ..call.clone()
    };
    if let Some((_, says)) = prove(by.0, by.1, &alone).flaws.first() {
        let says = format!("the structured content of {name} is not the answer: {says}");
        proof.flaw("structured", says);
    }
}

/// Each seat was answered by the model it was given, and the reply names those that answered.
fn seated(proof: &mut Proof, journal: &Journal, call: &Call, name: &str) {
    let served: Vec<&str> = proof
        .seqs
        .iter()
        .filter_map(|seq| journal.entry(seq))
        .map(|entry| entry.served.model.as_str())
        .collect();
    if served.len() != call.answers.len() {
        return;
    }
    let meta = call.meta.as_ref();
    let mut wrong = None;
    for (seat, (asked, used)) in call.asked.iter().zip(&served).enumerate() {
        // A failover is lawful where it is told and the model asked was really tried.
        let is_failover = || {
            let tried = journal.attempts(call);
            meta.is_some_and(|meta| meta.failover)
                && tried.iter().any(|attempt| attempt.served.model == *asked)
        };
        if asked != used && !is_failover() {
            wrong = Some(format!("seat {seat} of {name} was {used}, not {asked}"));
        }
    }
    let named = meta.and_then(|meta| meta.model_used.as_deref());
    if let Some(named) = named.filter(|named| *named != served.join(", ")) {
        wrong = wrong.or_else(|| {
            let served = served.join(", ");
            Some(format!("{name} names {named}, and {served} answered"))
        });
    }
    if let Some(says) = wrong.filter(|_| !call.asked.is_empty()) {
        proof.flaw("model", says);
    }
}

fn refusal(proof: &mut Proof, call: &Call, category: &str, name: &str) {
    let seen = call
        .failure
        .as_ref()
        .map_or("", |failure| failure.category.as_str());
    if call.outcome == Outcome::Ok || seen != category {
        let came = if call.outcome == Outcome::Ok {
            "an answer".to_owned()
        } else {
            why(call)
        };
        proof.flaw(
            "ok",
            format!("{name} should be refused with {category}, came {came}"),
        );
    }
}

fn memory(proof: &mut Proof, call: &Call, tracers: &[Planted], name: &str) {
    let forgotten: Vec<&str> = tracers
        .iter()
        .filter(|planted| !call.found.contains(&planted.text))
        .map(|planted| planted.slot.as_str())
        .collect();
    if !forgotten.is_empty() || tracers.is_empty() {
        let slots = forgotten.join(", ");
        proof.flaw("memory", format!("{name} does not remember {slots}"));
    }
}

/// Why a call has no result, in a few words.
#[must_use]
pub fn why(call: &Call) -> String {
    if let Some(failure) = &call.failure {
        return format!("{} {}: {}", failure.category, failure.code, failure.message);
    }
    let status = call.status.map(|status| format!("status {status}"));
    let trouble = call.trouble.clone().or(status);
    trouble.unwrap_or_else(|| "no reply".to_owned())
}

fn keyed(
    proof: &mut Proof,
    (key, journal): (&RunKey, &Journal),
    call: &Call,
    (tracers, sets): (&[Planted], u32),
) {
    let name = format!("operation {} ({})", call.op, call.tool);
    let count = u32::try_from(call.answers.len()).unwrap_or(u32::MAX);
    if count != sets {
        proof.flaw(
            "keyed",
            format!("{name} carries {count} keyed answers, not {sets}"),
        );
    }
    for (seat, answer) in call.answers.iter().enumerate() {
        let Some(entry) = entry_of(proof, journal, answer, &name) else {
            continue;
        };
        // The panel answers in the order it was listed, each over its own stance; what follows the
        // panel, the synthesis, has seen none.
        let own = format!("{STANCE}{seat}");
        let declared: Vec<Planted> = tracers
            .iter()
            .filter(|planted| !planted.slot.starts_with(STANCE) || planted.slot == own)
            .cloned()
            .collect();
        let seen = (&entry.served, entry.delivered());
        for flaw in tracer::flaws(key, answer, &declared, seen) {
            let says = format!("the answer of {name} {}", flaw.says());
            proof.flaw(check_of(&flaw), says);
        }
    }
}

/// The journal's entry an answer names; a flaw where there is none.
fn entry_of<'a>(
    proof: &mut Proof,
    journal: &'a Journal,
    answer: &AnswerSeen,
    name: &str,
) -> Option<&'a Attempt> {
    let Some(line) = tracer::read_line(&answer.first) else {
        proof.flaw(
            "keyed",
            format!("the answer of {name} {}", Flaw::NotKeyed.says()),
        );
        return None;
    };
    proof.seqs.push(line.seq.clone());
    let entry = journal.entry(&line.seq);
    if entry.is_none() {
        let says = format!("{name} names {}, which no simulator received", line.seq);
        proof.flaw("keyed", says);
    }
    entry
}

const fn check_of(flaw: &Flaw) -> &'static str {
    match flaw {
        Flaw::NotKeyed => "keyed",
        Flaw::LostInput(_) => "lost_input",
        Flaw::Leak(_) => "leak",
        Flaw::Seal => "seal",
        Flaw::LinesDiffer | Flaw::Text | Flaw::NotAsSent => "text",
    }
}

/// Whether the text of an answer was cut, replaced or doubled on its way.
#[must_use]
pub fn is_cut(proof: &Proof) -> bool {
    proof
        .flaws
        .iter()
        .any(|(check, _)| ["text", "keyed"].contains(check))
}

/// One tally for each check a reply can fail.
#[derive(Debug)]
pub struct ProofTallies(BTreeMap<&'static str, Tally>);

impl ProofTallies {
    /// Tallies of the named checks; the rest is somebody else's matter.
    #[must_use]
    pub fn of(checks: &[&str]) -> Self {
        let rows = CHECKS.iter().filter(|(id, _)| checks.contains(id));
        Self(rows.map(|(id, name)| (*id, Tally::new(id, name))).collect())
    }

    /// Counts one reply in every tally.
    pub fn note(&mut self, is_tainted: bool, call: &Call, proof: &Proof) {
        for (id, tally) in &mut self.0 {
            if !applies(id, call) {
                continue;
            }
            let flaw = proof.flaws.iter().find(|(check, _)| check == id);
            tally.trial(
                is_tainted,
                Place::Call(call),
                flaw.map(|(_, says)| says.clone()),
            );
        }
    }

    /// Writes the rows.
    pub fn conclude(self, finding: &mut Finding) {
        for (_, tally) in self.0 {
            tally.conclude_if_tried(finding);
        }
    }
}

/// Whether a check can say anything about that kind of call.
#[must_use]
pub fn applies(check: &str, call: &Call) -> bool {
    match check {
        "keyed" | "lost_input" | "leak" | "seal" | "text" => {
            matches!(call.proof, ProofKind::Keyed { .. })
        }
        "model" => !call.asked.is_empty(),
        "structured" => call.structured.is_some(),
        "site" => matches!(call.proof, ProofKind::Site { .. }),
        "memory" => matches!(call.proof, ProofKind::Memory { .. }),
        _ => true,
    }
}
