//! Whether one reply is right: proven, whole, its own, and no failure in a success's clothes.

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::journal::{Attempt, Journal};
use crate::operation::{AnswerSeen, Call, Outcome, Planted, ProofKind};
use crate::run_key::RunKey;
use crate::tally::{Place, Tally};
use crate::tracer::{self, Flaw};

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
pub const CHECKS: [(&str, &str); 11] = [
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
    match &call.proof {
        ProofKind::Keyed { tracers, sets } => {
            proof.is_partial = call
                .meta
                .as_ref()
                .is_some_and(|meta| meta.incomplete.is_some());
            if !proof.is_partial {
                keyed(&mut proof, (key, journal), call, (tracers, *sets));
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
        ProofKind::Memory { tracers } => memory(&mut proof, call, tracers, &name),
        // A preview is judged when the chat that follows has shown what is sent.
        ProofKind::Twin { .. } | ProofKind::Refusal { .. } | ProofKind::Read | ProofKind::None => {}
    }
    proof
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

/// The SHA-256 of the one answer a call carries; None with none or several.
#[must_use]
pub fn answer_sha256(call: &Call) -> Option<&str> {
    match call.answers.as_slice() {
        [AnswerSeen { text_sha256, .. }] => Some(text_sha256),
        _ => None,
    }
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
fn applies(check: &str, call: &Call) -> bool {
    match check {
        "keyed" | "lost_input" | "leak" | "seal" | "text" => {
            matches!(call.proof, ProofKind::Keyed { .. })
        }
        "site" => matches!(call.proof, ProofKind::Site { .. }),
        "memory" => matches!(call.proof, ProofKind::Memory { .. }),
        _ => true,
    }
}

/// Which call used which journal sequence first: one provider request serves one call.
#[derive(Debug, Default)]
pub struct Usage {
    first: BTreeMap<String, Use>,
}

#[derive(Debug, Clone)]
struct Use {
    op: u64,
    group: u64,
    identity: String,
    is_exact: bool,
    sent_at: u64,
}

impl Usage {
    /// Claims a call's sequences; a sentence for the first that another call used unlawfully.
    ///
    /// Lawful is an exact repeat by the same principal within the time to live.
    pub fn claim(&mut self, call: &Call, seqs: &[String], replay_ttl: u64) -> Option<String> {
        let repeat = call.repeat.as_ref();
        let mine = Use {
            op: call.op,
            group: repeat.map_or(call.op, |repeat| repeat.of),
            identity: call.identity.clone(),
            is_exact: repeat.is_none_or(|repeat| repeat.exact && repeat.same_principal),
            sent_at: call.sent_at,
        };
        let mut wrong = None;
        for seq in seqs {
            let Some(first) = self.first.get(seq) else {
                self.first.insert(seq.clone(), mine.clone());
                continue;
            };
            let is_lawful = first.group == mine.group
                && first.identity == mine.identity
                && first.is_exact
                && mine.is_exact
                && mine.sent_at.abs_diff(first.sent_at) <= replay_ttl;
            if !is_lawful && wrong.is_none() {
                let (op, other) = (mine.op, first.op);
                wrong = Some(format!(
                    "operation {op} was answered with {seq}, which answered operation {other}"
                ));
            }
        }
        wrong
    }
}
