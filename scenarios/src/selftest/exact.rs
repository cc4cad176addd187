//! The violations of a row held against the impostor's own account: nobody is named who was not
//! spoiled, and everyone is found who was.

use std::collections::{BTreeMap, BTreeSet};

use exai_judge::operation::ProofKind;
use exai_judge::{Call, Finding, bounds, proof};

use super::told::Told;
use crate::account::Account;
use crate::saboteur::{Held, Saboteur};

/// Phases whose calls are not held to how long they took.
const UNTIMED: [&str; 2] = ["hot", "warm-up"];

/// Checks that name the turn, not the read that shows it.
const OF_TURNS: [&str; 2] = ["lost", "doubled"];

/// What came of one row's comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Spoiled operations that a check could see.
    pub(super) spoiled: u64,
    /// Violations found.
    pub(super) found: u64,
    /// What was wrong.
    pub(super) misses: Vec<String>,
}

/// Holds each check that must fail against the account.
pub(super) fn compare(
    row: &Saboteur,
    account: &Account,
    told: &Told,
    findings: &[Finding],
) -> Compared {
    let mut compared = Compared::default();
    let kept = u64::try_from(account.spoiled.len()).unwrap_or(u64::MAX);
    if account.count > kept {
        let says = format!("the account holds {kept} of {}", account.count);
        compared.misses.push(says);
    }
    for (criterion, checks) in &row.fail {
        let Some(finding) = findings.iter().find(|one| one.criterion == *criterion) else {
            continue;
        };
        for check in checks {
            let sight = Sight::of(row, account, told, (finding, check));
            compared.spoiled += sight.spoiled;
            compared.found += sight.found;
            let misses = sight.misses(row.account);
            let says = misses.map(|miss| format!("{criterion}: {check} {miss}"));
            compared.misses.extend(says);
        }
    }
    compared
}

/// What one check saw of what was spoiled.
struct Sight {
    /// Operations that were spoiled and that it could see.
    spoiled: u64,
    /// Those of them that may have met a fault of our own rig, which counts for nothing.
    tainted: u64,
    /// Violations outside such faults.
    found: u64,
    /// Operations named though nobody spoiled them; None is a violation that names none.
    innocent: Vec<Option<u64>>,
}

impl Sight {
    fn of(
        row: &Saboteur,
        account: &Account,
        told: &Told,
        (finding, check): (&Finding, &str),
    ) -> Self {
        let mut guilty: BTreeSet<u64> = BTreeSet::new();
        // Exchanges by the operations that each may have been.
        let mut alike: BTreeMap<BTreeSet<u64>, u64> = BTreeMap::new();
        let mut tainted: BTreeSet<u64> = BTreeSet::new();
        for exchange in &account.spoiled {
            let (asked, turns) = (told.spoiled(&row.edge, exchange), told.turns(exchange));
            let named = asked.iter().chain(&turns).flatten();
            guilty.extend(named.map(|call| call.op));
            let is_of_turns = OF_TURNS.contains(&check);
            for mut of in if is_of_turns { turns } else { asked } {
                of.retain(|call| call.criterion == finding.criterion && may_fail(check, call));
                let own = of.iter().filter(|call| told.is_tainted(call));
                tainted.extend(own.map(|call| call.op));
                let times = alike.entry(of.iter().map(|call| call.op).collect());
                let times = times.or_default();
                // A turn is spoiled once, however often it is read.
                *times = if is_of_turns { 1 } else { *times + 1 };
            }
        }
        let count = |of: &BTreeSet<u64>| u64::try_from(of.len()).unwrap_or(u64::MAX);
        let spoiled = alike.iter().map(|(of, times)| count(of).min(*times));
        let spoiled = spoiled.sum();
        let tainted = count(&tainted);
        let shown = finding.checks.iter().find(|shown| shown.id == check);
        let found = shown.and_then(|shown| bounds::bad_in(&shown.measured));
        let violations = finding.violations.iter();
        let named = violations
            .filter(|one| one.check == check)
            .map(|one| one.op);
        let is_innocent = |op: &Option<u64>| op.is_none_or(|op| !guilty.contains(&op));
        Self {
            spoiled,
            tainted,
            found: found.unwrap_or_default(),
            innocent: named.filter(is_innocent).collect(),
        }
    }

    fn misses(&self, held: Held) -> impl Iterator<Item = String> {
        let name = |op: &Option<u64>| op.map_or_else(|| "none".to_owned(), |op| op.to_string());
        let named: Vec<String> = self.innocent.iter().map(name).collect();
        let innocent = (!named.is_empty()).then(|| {
            format!(
                "names operations that were not spoiled: {}",
                named.join(", ")
            )
        });
        let least = match held {
            Held::Each => self.spoiled.saturating_sub(self.tainted).max(1),
            Held::Only | Held::No => 1,
        };
        let is_counted = (least..=self.spoiled).contains(&self.found);
        let Self { spoiled, found, .. } = self;
        let counted = (!is_counted)
            .then(|| format!("found {found} of the {spoiled} spoiled that it could see"));
        innocent.into_iter().chain(counted)
    }
}

/// Whether a check says anything about such an operation.
fn may_fail(check: &str, call: &Call) -> bool {
    let is_refusal = matches!(call.proof, ProofKind::Refusal { .. });
    let is_proof = proof::CHECKS.iter().any(|(id, _)| *id == check);
    match check {
        "refusals" => is_refusal,
        "sequence" => !is_refusal,
        "truncated" => matches!(call.proof, ProofKind::Keyed { .. }),
        "structured" if matches!(call.proof, ProofKind::None) => false,
        "maximum" => !UNTIMED.contains(&call.phase.as_str()),
        _ if is_proof => !is_refusal && proof::applies(check, call),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
