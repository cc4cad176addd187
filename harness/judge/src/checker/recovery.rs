//! V.2: each provider fault is met as its row demands, and the session goes on.

mod breakers;
mod limits;
mod outages;
mod rows;

use std::collections::BTreeMap;

use self::breakers::{Breakers, Instance, everywhere};
use self::limits::Limits;
use self::outages::Outages;
use self::rows::Rows;
use super::{Brief, Checker, Seen};
use crate::bounds;
use crate::criterion::Missing;
use crate::finding::Finding;
use crate::journal::Attempt;
use crate::observation::Event;
use crate::operation::{Call, Outcome, ProofKind};
use crate::proof::{self, Proof};
use crate::reaction;
use crate::tally::{self, Place};
use crate::thread_model::ThreadModel;
use crate::verdict::Reason;

const ALL: &str = "*";
const BREAKER: &str = "breaker.";
/// The phase of calls to a provider whose quota was just said to be used up.
const FLAGGED: &str = "flagged.";
const THINKING: &str = "thinking";

/// The checker of V.2.
pub struct Recovery<'a> {
    brief: Brief<'a>,
    limits: Limits,
    known_categories: &'a [String],
    landed: BTreeMap<String, u64>,
    /// What each failover took, ns, in the order in which they were seen.
    failovers: Vec<u64>,
    next_calls: u64,
    categories: BTreeMap<String, u64>,
    /// Sessions whose last call was faulted: session to (operation, when it was done).
    pending: BTreeMap<String, (u64, u64)>,
    breakers: Breakers,
    /// By session, the one of several instances that answered its last faulted call.
    faulted_at: BTreeMap<String, Instance>,
    outages: Outages,
    model: ThreadModel,
    rows: Rows,
}

impl<'a> Recovery<'a> {
    /// Reads its numbers.
    ///
    /// # Errors
    /// The catalogue lacks one.
    pub fn start(brief: Brief<'a>) -> Result<Self, Missing> {
        Ok(Self {
            limits: Limits::read(brief.criterion)?,
            known_categories: brief.criterion.list("known_categories")?,
            landed: BTreeMap::new(),
            failovers: Vec::new(),
            next_calls: 0,
            categories: BTreeMap::new(),
            pending: BTreeMap::new(),
            breakers: Breakers::default(),
            faulted_at: BTreeMap::new(),
            outages: Outages::default(),
            model: ThreadModel::default(),
            rows: Rows::new(),
            brief,
        })
    }

    fn call(&mut self, seen: &Seen<'_>, call: &Call) {
        self.model.call(call, seen.journal, seen.is_tainted);
        let proof = proof::prove(self.brief.key, seen.journal, call);
        let attempts = seen.journal.attempts(call);
        let own = self.instance_of(call);
        if own.is_some() {
            self.breakers.made(&attempts, &own);
        }
        if let Some(provider) = call.phase.strip_prefix(BREAKER) {
            self.breakers.want(provider, call.sent_at, own.clone());
            self.outages.note(provider, (seen, call), &attempts, &proof);
        }
        let flagged_at = self.faulted_at.get(&session(call)).cloned().flatten();
        if let Some(provider) = call.phase.strip_prefix(FLAGGED)
            && flagged_at == own
        {
            self.spared(seen, call, &attempts, provider);
        }
        if call.fault.is_some() {
            self.faulted_at.insert(session(call), own);
        }
        self.went_on(seen, call, &proof);
        self.react(seen, call, &attempts, &proof);
        self.spend(seen, call, &attempts);
        if call.outcome == Outcome::Ok {
            let is_flagged = call
                .meta
                .as_ref()
                .is_some_and(|meta| meta.incomplete.is_some());
            let is_cut = !is_flagged && proof::is_cut(&proof);
            let says = format!("operation {} shows a cut answer as whole", call.op);
            self.rows
                .truncated
                .trial(seen.is_tainted, Place::Call(call), is_cut.then_some(says));
        }
        if let Some(failure) = &call.failure {
            let is_known = self.known_categories.contains(&failure.category);
            let category = &failure.category;
            let says = format!("operation {} failed with category \"{category}\"", call.op);
            let place = Place::Call(call);
            self.rows
                .typed
                .trial(seen.is_tainted, place, (!is_known).then_some(says));
        }
    }

    /// Of several instances the one that answered: each has breakers and quota flags of its own.
    fn instance_of(&self, call: &Call) -> Instance {
        let answered = call.instance.clone();
        answered.filter(|_| self.brief.ground.several() > 1)
    }

    /// The call after a faulted or failed one, in the same session, must be good.
    fn went_on(&mut self, seen: &Seen<'_>, call: &Call, proof: &Proof) {
        let session = session(call);
        if call.fault.is_none() {
            self.next_call(seen, call, proof, &session);
        }
        if call.fault.is_some() || call.failure.is_some() {
            self.pending.insert(session, (call.op, call.done_at));
        }
    }

    fn next_call(&mut self, seen: &Seen<'_>, call: &Call, proof: &Proof, session: &str) {
        let Some((failed, done)) = self.pending.get(session).copied() else {
            return;
        };
        if call.sent_at < done {
            return;
        }
        self.pending.remove(session);
        self.next_calls += u64::from(!seen.is_tainted);
        let wrong = proof
            .wrong()
            .map(|wrong| format!("after operation {failed}: {wrong}"));
        self.rows
            .next_call
            .trial(seen.is_tainted, Place::Call(call), wrong);
    }

    fn react(&mut self, seen: &Seen<'_>, call: &Call, attempts: &[&Attempt], proof: &Proof) {
        let Some(fault) = &call.fault else { return };
        let id = reaction::fault_id(fault);
        let Some(observed) = reaction::observe(call, attempts, proof, fault) else {
            return;
        };
        if !seen.is_tainted {
            *self.landed.entry(id.to_owned()).or_default() += 1;
        }
        let row = self.brief.criteria.faults.get(id);
        let demanded = call.reaction.clone();
        let demanded = demanded.or_else(|| row.map(|row| row.reaction.join(" | ")));
        let demanded = demanded.unwrap_or_default();
        let is_right = observed.is_one_of(&reaction::parse(&demanded));
        let says = format!("{fault} demands {demanded}; the server {}", observed.says());
        let place = Place::Call(call);
        self.rows
            .reaction
            .trial(seen.is_tainted, place, (!is_right).then_some(says));
        if row.is_some_and(|row| row.silent) {
            self.leave(seen, call, attempts, id);
        }
    }

    /// A provider without quota is not asked for the same model until the flag has run out.
    fn spared(&mut self, seen: &Seen<'_>, call: &Call, attempts: &[&Attempt], provider: &str) {
        let asked = attempts
            .iter()
            .filter(|attempt| attempt.served.provider == provider)
            .count();
        let says = format!("{provider} was asked again at once, without quota");
        let place = Place::Call(call);
        self.rows
            .flagged
            .trial(seen.is_tainted, place, (asked > 0).then_some(says));
    }

    /// A silent provider must be left within its class's limit.
    fn leave(&mut self, seen: &Seen<'_>, call: &Call, attempts: &[&Attempt], fault: &str) {
        let is_thinking = call.phase.contains(THINKING);
        let limit = if is_thinking {
            self.limits.silent_thinking
        } else {
            self.limits.silent_prompt
        };
        for (index, attempt) in attempts.iter().enumerate() {
            if attempt.served.fault.as_deref().map(reaction::fault_id) != Some(fault) {
                continue;
            }
            let next = attempts.get(index + 1).map(|next| next.began);
            let ended = attempt.ended.as_ref().map(|(at, _)| *at);
            let left = [next, ended]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(call.done_at);
            let waited = left.saturating_sub(attempt.began);
            let says = format!(
                "the silent provider of {fault} was left after {}",
                tally::millis(waited)
            );
            let place = Place::Call(call);
            self.rows
                .silent
                .trial(seen.is_tainted, place, (waited > limit).then_some(says));
        }
    }

    /// Attempts and gaps, from the journal, against the judge's own budget.
    fn spend(&mut self, seen: &Seen<'_>, call: &Call, attempts: &[&Attempt]) {
        let ProofKind::Keyed { sets, .. } = &call.proof else {
            return;
        };
        if attempts.is_empty() {
            return;
        }
        let sets = u64::from((*sets).max(1));
        let mut by_provider: BTreeMap<&str, u64> = BTreeMap::new();
        for attempt in attempts {
            *by_provider
                .entry(attempt.served.provider.as_str())
                .or_default() += 1;
        }
        let most = by_provider.values().max().copied().unwrap_or_default();
        let all: u64 = by_provider.values().sum();
        let over =
            most > self.limits.attempts_provider * sets || all > self.limits.attempts_call * sets;
        let mut wrong =
            over.then(|| format!("operation {} took {all} attempts, {most} at one", call.op));
        for pair in attempts.windows(1 + 1).filter(|_| sets == 1) {
            let left = pair[0].ended.as_ref().map_or(pair[1].began, |(at, _)| *at);
            let gap = pair[1].began.saturating_sub(left);
            if pair[0].served.provider == pair[1].served.provider {
                let says = format!(
                    "operation {} waited {} to retry",
                    call.op,
                    tally::millis(gap)
                );
                wrong = wrong.or((gap > self.limits.gap).then_some(says));
            } else {
                if !seen.is_tainted {
                    self.failovers.push(gap);
                }
                let says = format!(
                    "operation {} took {} to fail over",
                    call.op,
                    tally::millis(gap)
                );
                let late = (gap > self.limits.failover).then_some(says);
                self.rows
                    .failover
                    .trial(seen.is_tainted, Place::Call(call), late);
            }
        }
        self.rows
            .budget
            .trial(seen.is_tainted, Place::Call(call), wrong);
    }

    fn floors(&self, cycles: u64, finding: &mut Finding) -> Result<(), Missing> {
        let rows = self.brief.criterion;
        self.fault_floors(finding)?;
        for category in rows.list("categories")? {
            let seen = self.categories.get(category).copied().unwrap_or_default();
            let count = (rows.floor("category")?, seen);
            let event = format!("failures of category {category}");
            let id = format!("category.{category}");
            tally::floor(finding, &id, &event, count, Reason::EventNotSeen);
        }
        let counted = [
            (
                "failovers",
                "failovers in the simulators' journals",
                self.failovers.len() as u64,
            ),
            (
                "breaker_cycles",
                "breakers seen closed, open, probing, closed",
                cycles,
            ),
            (
                "next_calls",
                "calls after a fault in the same session",
                self.next_calls,
            ),
        ];
        for (id, event, seen) in counted {
            let count = (rows.floor(id)?, seen);
            tally::floor(finding, id, event, count, Reason::EventNotSeen);
        }
        Ok(())
    }

    /// One row for each fault id the profile asks for.
    fn fault_floors(&self, finding: &mut Finding) -> Result<(), Missing> {
        let needed = self.brief.criterion.floor("landed")?;
        let list = self.brief.criterion.list("faults")?;
        let is_all = list.iter().any(|name| name == ALL);
        let faults = self.brief.criteria.faults.iter();
        for (id, row) in faults.filter(|(id, _)| is_all || list.contains(id)) {
            let seen = self.landed.get(id).copied().unwrap_or_default();
            let event = format!("operations hit by {id}, {}", row.title);
            tally::floor(
                finding,
                &format!("fault.{id}"),
                &event,
                (needed, seen),
                Reason::FaultNotLanded,
            );
        }
        Ok(())
    }
}

impl Checker for Recovery<'_> {
    fn observe(&mut self, seen: &Seen<'_>) {
        let id = &self.brief.criterion.id;
        match seen.event {
            Event::Call(call) => {
                if let Some(failure) = &call.failure {
                    *self.categories.entry(failure.category.clone()).or_default() += 1;
                }
                if call.criterion == *id {
                    self.call(seen, call);
                }
            }
            Event::Served(served) if self.brief.ground.is_within(id, seen.at) => {
                self.breakers.serve(seen.at, served);
            }
            Event::Delivered(delivered) if self.brief.ground.is_within(id, seen.at) => {
                self.breakers.deliver(seen.at, delivered);
            }
            _ => {}
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Finding, Missing> {
        let mut finding = tally::blank(&self.brief.criterion.id);
        let breakers = std::mem::take(&mut self.breakers);
        let ground = self.brief.ground;
        let lives = breakers.judge(ground, self.limits.breaker, &mut self.rows.breaker);
        let cycles = everywhere(ground, &lives);
        let report = std::mem::take(&mut self.model).finish(self.limits.threads);
        for anomaly in &report.anomalies {
            let place = Place::Operation(anomaly.op, anomaly.at, "thread model");
            self.rows
                .thread
                .bad(anomaly.is_tainted, place, anomaly.says.clone());
        }
        (0..report.acknowledged).for_each(|_| self.rows.thread.good(false));
        let turns = (
            self.brief.criterion.floor("thread_turns")?,
            report.acknowledged,
        );
        let event = "turns acknowledged in sessions with faults";
        tally::floor(
            &mut finding,
            "thread_turns",
            event,
            turns,
            Reason::EventNotSeen,
        );
        self.floors(cycles, &mut finding)?;
        let needed = self.brief.criterion.floor("outage_calls")?;
        std::mem::take(&mut self.outages).conclude(needed, &mut finding);
        let (wrong, tried) = (self.rows.reaction.count(), self.rows.reaction.trials());
        finding.headline = format!(
            "{wrong} of {tried} faults met otherwise than demanded, {} fault ids landed, \
             {} failovers{}",
            self.landed.len(),
            bounds::grouped(self.failovers.len() as u64),
            rows::spread(&self.failovers)
        );
        self.rows.conclude(&mut finding);
        rows::time_failovers(&self.failovers, &mut finding);
        finding.conclude();
        Ok(finding)
    }
}

fn session(call: &Call) -> String {
    format!("{} {}", call.identity, call.transport.name())
}
