//! Chaos: whatever was broken, in whichever overlap, no acknowledged turn is lost, no answer is
//! wrong, and everything works again afterwards. It is no criterion: its catalogue is its own.

use std::collections::BTreeMap;

use super::{Brief, Checker, Seen};
use crate::criterion::{Criterion, Missing};
use crate::finding::Finding;
use crate::ground::FaultLife;
use crate::observation::Event;
use crate::operation::{Call, Outcome};
use crate::proof::{self, Proof, ProofTallies};
use crate::recovery_time::{Probe, Window, sustained};
use crate::tally::{self, Place, Tally};
use crate::thread_model::{ThreadModel, ThreadRules};
use crate::verdict::Reason;

const PROBE: &str = "probe.";
const BEFORE: &str = "steady.before";
const AFTER: &str = "steady.after";
const EMBEDDED: &str = "embedded";
/// What an answer that did come must never be, faults or no faults.
const ALWAYS: &[&str] = &[
    "belongs",
    "failure_inside",
    "keyed",
    "lost_input",
    "leak",
    "seal",
    "text",
];

/// The checker of a chaos run.
pub struct Chaos<'a> {
    brief: Brief<'a>,
    rules: ThreadRules,
    window: Window,
    criticals: &'a [String],
    model: ThreadModel,
    probes: BTreeMap<String, Vec<Probe>>,
    proofs: ProofTallies,
    doubled: Tally,
    before: Tally,
    after: Tally,
    critical: Tally,
}

impl<'a> Chaos<'a> {
    /// Reads its numbers.
    ///
    /// # Errors
    /// The catalogue lacks one.
    pub fn start(brief: Brief<'a>) -> Result<Self, Missing> {
        let rows = brief.criterion;
        Ok(Self {
            rules: ThreadRules::read(rows)?,
            window: Window {
                length: rows.nanos("window_s")?,
                least: rows.floor("probes")?,
            },
            criticals: rows.list("criticals")?,
            model: ThreadModel::default(),
            probes: BTreeMap::new(),
            proofs: ProofTallies::of(ALWAYS),
            doubled: Tally::new("answered_twice", "requests answered more than once"),
            before: Tally::new("steady_before", "wrong answers before anything was broken"),
            after: Tally::new("steady_after", "wrong answers after everything was healed"),
            critical: Tally::new("critical", "critical errors that nobody ordered"),
            brief,
        })
    }

    fn call(&mut self, seen: &Seen<'_>, call: &Call) {
        self.model.call(call, seen.journal, seen.is_tainted);
        let proof = proof::prove(self.brief.key, seen.journal, call);
        let place = Place::Call(call);
        let twice = (call.replies > 1).then(|| format!("operation {} was answered twice", call.op));
        self.doubled.trial(seen.is_tainted, place, twice);
        if call.outcome == Outcome::Ok {
            self.proofs.note(seen.is_tainted, call, &proof);
        }
        match call.phase.as_str() {
            BEFORE => self.before.trial(seen.is_tainted, place, proof.wrong()),
            AFTER => self.after.trial(seen.is_tainted, place, proof.wrong()),
            _ => {}
        }
        if let Some(component) = call.phase.strip_prefix(PROBE).filter(|_| !seen.is_tainted) {
            let is_right = proof.is_right() && self.needs(seen, call, component, &proof);
            let probes = self.probes.entry(component.to_owned()).or_default();
            probes.push(Probe {
                at: call.intended_at,
                is_right,
            });
        }
    }

    /// Whether a right answer needed this component: a provider must have answered itself.
    fn needs(&self, seen: &Seen<'_>, call: &Call, component: &str, proof: &Proof) -> bool {
        let mut entries = proof.seqs.iter().filter_map(|seq| seen.journal.entry(seq));
        call.thread.is_some() || entries.any(|entry| entry.served.provider == component)
    }

    fn faults(&self) -> impl Iterator<Item = &'a FaultLife> + use<'a> {
        self.brief.ground.faults_of(&self.brief.criterion.id)
    }

    fn landed(&self, finding: &mut Finding) {
        let asked = u64::try_from(self.faults().count()).unwrap_or(u64::MAX);
        let landed = self.faults().filter(|life| life.has_landed()).count();
        let count = (asked.max(1), u64::try_from(landed).unwrap_or(u64::MAX));
        let event = "injected faults that landed, by proof";
        tally::floor(finding, "landed", event, count, Reason::FaultNotLanded);
        for life in self.faults() {
            if let Some(why) = &life.not_landed {
                finding.not_tested.push(format!("{}: {why}", life.fault.id));
            }
        }
    }

    /// Every component's probes are right for a whole window, soon after the last heal.
    fn recovered(&self, rows: &Criterion, finding: &mut Finding) -> Result<(), Missing> {
        let limit = rows.nanos("ttsr_s")?;
        let ends = self.faults().filter_map(|life| life.healed.or(life.cause));
        let last = ends.max().unwrap_or(self.brief.ground.summary.from);
        let kind = self.brief.ground.store().unwrap_or(EMBEDDED);
        for component in rows.list(&format!("components_{kind}"))? {
            let id = format!("recovered.{component}");
            let mut tally = Tally::new(&id, "components that did not recover from the last fault");
            let mut probes = self.probes.get(component).cloned().unwrap_or_default();
            probes.sort_by_key(|probe| probe.at);
            let time = sustained(&probes, last, u64::MAX, self.window);
            let wrong = match time {
                Some(time) if time < limit => None,
                Some(time) => Some(format!("{component} took {}", tally::millis(time))),
                None => Some(format!("{component} was never right for a whole window")),
            };
            if probes.iter().any(|probe| probe.at >= last) {
                tally.trial(false, Place::Moment(last, "probes"), wrong);
            }
            tally.conclude(finding);
        }
        Ok(())
    }
}

impl Checker for Chaos<'_> {
    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Call(call) if call.criterion == self.brief.criterion.id => self.call(seen, call),
            Event::Critical { what, detail, .. } if self.criticals.contains(what) => {
                let place = Place::Moment(seen.at, "server");
                self.critical
                    .bad(seen.is_tainted, place, format!("{what}: {detail}"));
            }
            Event::Health(_) => self.critical.good(seen.is_tainted),
            _ => {}
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Finding, Missing> {
        let rows = self.brief.criterion;
        let mut finding = tally::blank(&rows.id);
        self.landed(&mut finding);
        self.recovered(rows, &mut finding)?;
        let report = std::mem::take(&mut self.model).finish(self.rules);
        let settled = (report.threads.max(1), report.settled);
        let event = "threads read after their last acknowledged turn";
        tally::floor(&mut finding, "settled", event, settled, Reason::BelowFloor);
        report.conclude(&mut finding);
        let acknowledged = report.acknowledged;
        let faults = self.faults().count();
        let Self {
            proofs,
            doubled,
            before,
            after,
            critical,
            ..
        } = *self;
        for tally in [before, after, doubled, critical] {
            tally.conclude(&mut finding);
        }
        proofs.conclude(&mut finding);
        let wrong = report.anomalies.len();
        finding.headline =
            format!("{faults} faults, {wrong} anomalies in {acknowledged} acknowledged turns");
        finding.conclude();
        Ok(finding)
    }
}
