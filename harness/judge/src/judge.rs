//! The engine: two passes over a history, every checker on its own, one finding a criterion.

mod desk;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

use crate::checker::{self, Brief, Checker, Seen};
use crate::criterion::{CatalogueError, Criteria, Criterion, Missing};
use crate::finding::{Check, Finding, Floor};
use crate::ground::{Ground, GroundSummary};
use crate::journal::Journal;
use crate::observation::Observation;
use crate::run_key::RunKey;
use crate::verdict::{Reason, Verdict};
use desk::Desk;

/// The criterion that is the worse of its two tiers.
const BENCHMARK: &str = "V.8";
const TIERS: [&str; 2] = ["V.8g", "V.8t"];
/// Whether `id` is a tier of the criterion `name`, whose word is the worse of its tiers.
#[must_use]
pub fn is_tier(name: &str, id: &str) -> bool {
    name == BENCHMARK && TIERS.contains(&id)
}

/// Criteria watched over the whole run, without a phase of their own.
const WATCHED: [&str; 2] = ["V.7", "V.7m"];

/// What was concluded from a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// One finding a criterion, in the catalogue's order.
    pub findings: Vec<Finding>,
    /// The ground it stands on.
    pub ground: GroundSummary,
}

/// Deliberate damage to the judge itself, for the self-test of the self-test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handicap {
    /// Checkers that do not run: their criteria end Inconclusive(skipped_check).
    pub disabled: BTreeSet<String>,
    /// Checkers that panic on their first observation: HarnessError.
    pub panicking: BTreeSet<String>,
}

/// Why nothing could be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The catalogue or the profile cannot be used.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A number of the judge's own ground is missing.
    #[error(transparent)]
    Missing(#[from] Missing),
}

/// Judges a history. The factory is called twice and must give the same observations each time.
///
/// # Errors
/// The profile is unknown or the catalogue lacks a number of the ground.
pub fn judge<I: Iterator<Item = Observation>>(
    criteria: &Criteria,
    profile: &str,
    key: &RunKey,
    history: impl Fn() -> I,
) -> Result<Judgement, JudgeError> {
    judge_with(criteria, profile, key, &Handicap::default(), history)
}

/// As [`judge()`], with deliberate damage.
///
/// # Errors
/// As [`judge()`].
pub fn judge_with<I: Iterator<Item = Observation>>(
    criteria: &Criteria,
    profile: &str,
    key: &RunKey,
    handicap: &Handicap,
    history: impl Fn() -> I,
) -> Result<Judgement, JudgeError> {
    let numbers = criteria.ground(profile)?;
    let rows = criteria.of_profile(profile)?;
    let ground = Ground::survey(&numbers, history())?;
    let mut bench: Vec<Seat<'_>> = rows
        .iter()
        .filter(|row| row.id != BENCHMARK)
        .map(|criterion| {
            Seat::take(
                Brief {
                    criteria,
                    criterion,
                    key,
                    ground: &ground,
                },
                handicap,
            )
        })
        .collect();
    let mut desk = Desk {
        ground: &ground,
        key,
        journal: Journal::default(),
        waiting: VecDeque::new(),
        now: 0,
        settle: numbers.nanos("settle_s")?,
        retention: numbers.nanos("retention_s")?,
    };
    for observation in history() {
        desk.receive(observation, &mut bench);
    }
    desk.close(&mut bench);
    let mut findings: Vec<Finding> = bench.into_iter().map(Seat::rise).collect();
    let needed = (numbers.floor("identities")?, numbers.floor("rig_samples")?);
    for finding in &mut findings {
        stand_on(&ground, needed, finding);
    }
    add_benchmark(&rows, &mut findings);
    Ok(Judgement {
        findings,
        ground: ground.summary,
    })
}

/// A criterion's place on the bench.
struct Seat<'a> {
    criterion: &'a Criterion,
    was_tried: bool,
    holds: Holds<'a>,
}

enum Holds<'a> {
    Checker(Box<dyn Checker + 'a>),
    Panicking,
    Nothing(Verdict, Option<Reason>, String),
}

impl<'a> Seat<'a> {
    fn take(brief: Brief<'a>, handicap: &Handicap) -> Self {
        let criterion = brief.criterion;
        let id = criterion.id.as_str();
        let workload = if TIERS.contains(&id) { BENCHMARK } else { id };
        let was_tried = WATCHED.contains(&id)
            || [workload, id]
                .iter()
                .any(|name| brief.ground.tried.contains(*name));
        let skipped = |why: &str| {
            Holds::Nothing(
                Verdict::Inconclusive,
                Some(Reason::SkippedCheck),
                why.to_owned(),
            )
        };
        let holds = if handicap.disabled.contains(id) {
            skipped("its checker was switched off")
        } else if handicap.panicking.contains(id) {
            Holds::Panicking
        } else {
            match checker::start(brief) {
                Ok(Some(checker)) => Holds::Checker(checker),
                Ok(None) => skipped("it has no checker"),
                Err(missing) => lacking(&missing),
            }
        };
        Self {
            criterion,
            was_tried,
            holds,
        }
    }

    #[expect(
        clippy::panic,
        reason = "a checker told to panic is the proof that panics are caught"
    )]
    fn hear(&mut self, seen: &Seen<'_>) {
        let heard = catch_unwind(AssertUnwindSafe(|| match &mut self.holds {
            Holds::Checker(checker) => checker.observe(seen),
            Holds::Panicking => std::panic::panic_any("it was told to panic".to_owned()),
            Holds::Nothing(..) => {}
        }));
        if let Err(panic) = heard {
            self.holds = crashed(panic.as_ref());
        }
    }

    fn rise(self) -> Finding {
        let id = self.criterion.id.as_str();
        let concluded = match self.holds {
            Holds::Checker(checker) => {
                let finding = catch_unwind(AssertUnwindSafe(|| checker.finish()));
                match finding {
                    Ok(Ok(finding)) => Ok(finding),
                    Ok(Err(missing)) => Err(lacking(&missing)),
                    Err(panic) => Err(crashed(panic.as_ref())),
                }
            }
            other => Err(other),
        };
        let mut finding = match concluded {
            Ok(finding) => finding,
            Err(Holds::Nothing(verdict, reason, why)) => lone(id, verdict, reason, &why),
            Err(_) => lone(
                id,
                Verdict::Inconclusive,
                Some(Reason::ZeroSamples),
                "saw nothing",
            ),
        };
        if !self.was_tried && finding.verdict == Verdict::Inconclusive {
            finding.reasons = vec![Reason::NotSelected];
            finding.headline = "was not part of this run".to_owned();
        }
        finding
    }
}

fn lacking<'a>(missing: &Missing) -> Holds<'a> {
    Holds::Nothing(Verdict::HarnessError, None, missing.to_string())
}

fn crashed<'a>(panic: &(dyn Any + Send)) -> Holds<'a> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let why = format!(
        "its checker panicked: {}",
        text.unwrap_or("without a message")
    );
    Holds::Nothing(Verdict::HarnessError, None, why)
}

fn lone(id: &str, verdict: Verdict, reason: Option<Reason>, why: &str) -> Finding {
    let mut finding = Finding {
        criterion: id.to_owned(),
        verdict,
        reasons: Vec::new(),
        headline: why.to_owned(),
        floors: Vec::new(),
        checks: vec![Check {
            id: "checker".to_owned(),
            name: "the criterion's checker ran".to_owned(),
            measured: why.to_owned(),
            limit: "a conclusion".to_owned(),
            verdict,
            reason,
            n: 0,
        }],
        violations: Vec::new(),
        not_tested: Vec::new(),
        series: BTreeMap::new(),
    };
    finding.conclude();
    finding
}

/// Adds what holds for every criterion: identity, a rig that was watched, and what the harness
/// could not try.
fn stand_on(ground: &Ground, (identities, samples): (u64, u64), finding: &mut Finding) {
    let told = ground
        .not_tested
        .get(&finding.criterion)
        .into_iter()
        .flatten();
    finding.not_tested.extend(told.cloned());
    if ground.summary.foreign.is_empty() {
        let floor = |id: &str, event: &str, needed, seen| Floor {
            id: id.to_owned(),
            event: event.to_owned(),
            needed,
            seen,
            reason: Reason::EventNotSeen,
        };
        let event = "identifications of the running executable";
        let seen = ground.summary.identities;
        stand_above(finding, floor("identity", event, identities, seen));
        let event = "samples of the rig itself";
        stand_above(
            finding,
            floor("rig_samples", event, samples, ground.rig_samples()),
        );
        let containers = ground.containers();
        if containers > 0 {
            let event = "containers looked at when they stood and at the end";
            let seen = ground.containers_seen();
            stand_above(finding, floor("containers", event, containers, seen));
        }
        let several = ground.several();
        if several > 1 {
            let event = "identified instances that answered its calls";
            let seen = ground.answering(&finding.criterion);
            stand_above(finding, floor("instances", event, several, seen));
        }
        return;
    }
    let mut void = lone(
        &finding.criterion,
        Verdict::Inconclusive,
        Some(Reason::ForeignIdentity),
        &ground.summary.foreign.join("; "),
    );
    void.not_tested = std::mem::take(&mut finding.not_tested);
    *finding = void;
}

/// Adds a floor to a finding that was concluded without it.
fn stand_above(finding: &mut Finding, floor: Floor) {
    if !floor.is_met() && finding.verdict <= Verdict::Inconclusive {
        finding.verdict = Verdict::Inconclusive;
        finding.reasons.push(floor.reason);
        finding.reasons.sort_unstable();
        finding.reasons.dedup();
    }
    finding.floors.push(floor);
}

/// V.8 is the worse of its tiers, each with its own row.
fn add_benchmark(rows: &[Criterion], findings: &mut Vec<Finding>) {
    let Some(index) = rows.iter().position(|row| row.id == BENCHMARK) else {
        return;
    };
    let tiers = findings
        .iter()
        .filter(|finding| TIERS.contains(&finding.criterion.as_str()));
    let checks: Vec<Check> = tiers
        .map(|tier| Check {
            id: tier.criterion.clone(),
            name: format!("{} holds", tier.criterion),
            measured: tier.headline.clone(),
            limit: Verdict::Pass.word().to_owned(),
            verdict: tier.verdict,
            reason: tier.reasons.first().copied(),
            n: tier
                .checks
                .iter()
                .map(|check| check.n)
                .max()
                .unwrap_or_default(),
        })
        .collect();
    let headline = checks
        .iter()
        .map(|check| format!("{} {}", check.id, check.verdict.word()));
    let mut finding = lone(BENCHMARK, Verdict::Inconclusive, None, "");
    finding.headline = headline.collect::<Vec<_>>().join(", ");
    finding.checks = checks;
    finding.conclude();
    findings.insert(index.min(findings.len()), finding);
}
