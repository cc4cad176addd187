//! The law of arrivals: each one that our generator sent is a call in the history, answered or
//! proven lost. Both sides are the judge's own, so that a difference says nothing of the server.

use std::collections::BTreeMap;

use crate::bounds;
use crate::finding::{Check, Finding};
use crate::observation::LoadAccount;
use crate::operation::Call;
use crate::verdict::{Reason, Verdict};

/// What was sent by the generator's accounts, and what the history tells of it.
#[derive(Debug, Default)]
pub struct Arrivals {
    sent: BTreeMap<String, u64>,
    told: BTreeMap<String, u64>,
}

impl Arrivals {
    /// Takes the account of a step.
    pub fn account(&mut self, load: &LoadAccount) {
        *self.sent.entry(load.phase.clone()).or_default() += load.sent;
    }

    /// Takes a call that the generator made.
    pub fn call(&mut self, call: &Call) {
        *self.told.entry(call.phase.clone()).or_default() += 1;
    }

    /// Writes the row, if there was any account: Inconclusive(contradictory) where a phase has one
    /// and the history tells of more calls or of fewer. Then so is a Fail of the checks in `rest`,
    /// which compare the server with that history.
    pub fn conclude(self, rest: &[&str], finding: &mut Finding) {
        let told = |phase: &String| self.told.get(phase).copied().unwrap_or_default();
        let differs = |(phase, sent): &(&String, &u64)| **sent != told(phase);
        let broken = self.sent.iter().find(differs);
        let (verdict, measured) = match broken {
            Some((phase, sent)) => {
                let (sent, told) = (bounds::grouped(*sent), bounds::grouped(told(phase)));
                let measured = format!("{sent} sent in {phase}, {told} told");
                (Verdict::Inconclusive, measured)
            }
            None => (Verdict::Pass, "all".to_owned()),
        };
        let n = self.sent.values().sum();
        if n == 0 {
            return;
        }
        let resting = finding.checks.iter_mut().filter(|check| {
            broken.is_some() && check.verdict == Verdict::Fail && rest.contains(&&*check.id)
        });
        for check in resting {
            check.verdict = Verdict::Inconclusive;
            check.reason = Some(Reason::Contradictory);
        }
        finding.checks.push(Check {
            id: "arrivals".to_owned(),
            name: "calls sent by the generator that the history tells of".to_owned(),
            measured,
            limit: "all".to_owned(),
            verdict,
            reason: broken.map(|_| Reason::Contradictory),
            n,
        });
    }
}
