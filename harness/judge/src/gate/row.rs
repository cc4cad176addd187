//! One criterion of a claim, on one store where the claim names stores: which run speaks for it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{DAY_S, Exhibit, JudgeDigests, Question, Waiver};
use crate::claim::Role;
use crate::finding::Finding;
use crate::refusal::{Refusal, Why};
use crate::verdict::Verdict;

/// The profile of `verify target`.
const TARGET: &str = "target";

/// Passes with fresh seeds that outweigh a Fail on the same build.
const FRESH: usize = 3;

/// What stands for one criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The criterion.
    pub criterion: String,
    /// The store, where the claim names stores.
    pub store: Option<String>,
    /// What the newest live evidence says, under the claim.
    pub verdict: Verdict,
    /// In one sentence.
    pub says: String,
    /// The run that speaks for it.
    pub run: Option<String>,
    /// Until when it does, seconds since 1970.
    pub valid_until: Option<i64>,
    /// Why no evidence stands.
    pub refusal: Option<Refusal>,
    /// The waiver that covers it.
    pub waiver: Option<Waiver>,
    /// Whose keys signed the run.
    pub signers: Vec<Role>,
    /// What judged that run.
    #[serde(skip)]
    pub judge: JudgeDigests,
    /// The finding behind it.
    #[serde(skip)]
    pub finding: Option<Finding>,
}

impl Row {
    /// Criterion and store: `V.4 on redis`.
    #[must_use]
    pub fn label(&self) -> String {
        self.store.as_ref().map_or_else(
            || self.criterion.clone(),
            |store| format!("{} on {store}", self.criterion),
        )
    }
}

/// A row for each criterion of the claim, and each store it must hold on.
pub(super) fn rows(question: &Question<'_>, exhibits: &[Exhibit]) -> Vec<Row> {
    let claim = question.claim;
    let policy = question.policy.or_else(|| {
        let of_server = exhibits.iter().filter(|one| one.server == question.server);
        of_server
            .max_by_key(|one| one.ended_at)
            .and_then(|one| one.policy.as_deref())
    });
    let mut rows = Vec::new();
    for criterion in &claim.criteria {
        if claim.stores.is_empty() || claim.any_store.contains(criterion) {
            rows.push(row(question, exhibits, (criterion, None, policy)));
            continue;
        }
        for store in &claim.stores {
            rows.push(row(question, exhibits, (criterion, Some(store), policy)));
        }
    }
    rows
}

fn row(
    question: &Question<'_>,
    exhibits: &[Exhibit],
    (criterion, store, policy): (&str, Option<&str>, Option<&str>),
) -> Row {
    let attempts = attempts(question, exhibits, (criterion, store, policy));
    let mut row = Row {
        criterion: criterion.to_owned(),
        store: store.map(str::to_owned),
        verdict: Verdict::Inconclusive,
        says: String::new(),
        run: None,
        valid_until: None,
        refusal: None,
        waiver: None,
        signers: Vec::new(),
        judge: JudgeDigests::default(),
        finding: None,
    };
    match attempts.last() {
        None => row.refusal = Some(absent(question, exhibits, criterion)),
        Some((one, finding)) => {
            let until = one.ended_at + i64::from(question.claim.max_age_days) * DAY_S;
            row.run = Some(one.run.clone());
            row.valid_until = Some(until);
            row.signers.clone_from(&one.signers);
            row.judge.clone_from(&one.judge);
            row.finding = Some((*finding).clone());
            row.verdict = question.claim.weigh(finding);
            row.says.clone_from(&finding.headline);
            if row.verdict != Verdict::Fail && until < question.now {
                let days = (question.now - one.ended_at) / DAY_S;
                let says = format!(
                    "{} ended {days} days ago, {} are allowed",
                    one.run, question.claim.max_age_days
                );
                row.refusal = Some(Refusal::new(Why::Expired, says));
            } else if let Some(says) = revoked(&attempts) {
                row.verdict = Verdict::Fail;
                row.says = says;
            }
        }
    }
    row.waiver = waiver(question, &row);
    row
}

/// Every run that counts for or against, oldest first.
fn attempts<'a>(
    question: &Question<'_>,
    exhibits: &'a [Exhibit],
    (criterion, store, policy): (&str, Option<&str>, Option<&str>),
) -> Vec<(&'a Exhibit, &'a Finding)> {
    let claim = question.claim;
    let any_driver = claim.drivers.is_empty() || claim.any_driver.iter().any(|id| id == criterion);
    let mut attempts: Vec<(&Exhibit, &Finding)> = exhibits
        .iter()
        .filter(|one| one.server == question.server)
        .filter(|one| store.is_none_or(|store| one.store == store))
        .filter(|one| any_driver || claim.drivers.contains(&one.driver))
        .filter_map(|one| {
            let of = |finding: &&Finding| finding.criterion == criterion;
            Some((one, one.findings.iter().find(of)?))
        })
        .filter(|(one, finding)| {
            // Under which policy an aborted run stood is not known; it counts all the same.
            one.policy.as_deref() == policy
                || (one.policy.is_none() && finding.verdict != Verdict::Pass)
        })
        .filter(|(one, finding)| {
            // A failure counts whatever its size; anything else only from a run of full size.
            finding.verdict == Verdict::Fail || is_full(&one.profile, &claim.profile)
        })
        .collect();
    attempts.sort_by_key(|(one, _)| one.ended_at);
    attempts
}

/// Whether a run of a profile tries what a claim of another needs. The run of a server that is not
/// exai is of a kind of its own.
fn is_full(profile: &str, needed: &str) -> bool {
    if [profile, needed].contains(&TARGET) {
        return profile == needed;
    }
    rank(profile) >= rank(needed)
}

/// How much a profile tries; a self-test's row carries nothing.
fn rank(profile: &str) -> u8 {
    match profile {
        "smoke" => 1,
        "quick" => 2,
        "full" | "soak" => 3,
        _ => 0,
    }
}

/// Why nothing is there: no run at all, or runs of something else.
fn absent(question: &Question<'_>, exhibits: &[Exhibit], criterion: &str) -> Refusal {
    let claim = question.claim;
    let judged = |one: &&Exhibit| {
        one.findings
            .iter()
            .any(|found| found.criterion == criterion)
    };
    let newest = exhibits
        .iter()
        .filter(judged)
        .max_by_key(|one| one.ended_at);
    match newest {
        None => Refusal::new(Why::MissingCriterion, "no run on record judged it"),
        Some(one) if one.server != question.server => Refusal::new(
            Why::ForeignIdentity,
            format!(
                "{} judged server {}, the question is about {}",
                one.run,
                short(&one.server),
                short(question.server)
            ),
        ),
        Some(one) if question.policy.is_some() && one.policy.as_deref() != question.policy => {
            Refusal::new(
                Why::ForeignIdentity,
                format!("{} judged another policy", one.run),
            )
        }
        Some(one) => Refusal::new(
            Why::MissingCriterion,
            format!(
                "{} is a {} run on {} by the {} driver; {} needs {}",
                one.run,
                one.profile,
                one.store,
                one.driver,
                claim.id,
                needed(question)
            ),
        ),
    }
}

fn needed(question: &Question<'_>) -> String {
    let claim = question.claim;
    let list = |names: &[String], else_: &str| {
        if names.is_empty() {
            else_.to_owned()
        } else {
            names.join(" and ")
        }
    };
    format!(
        "{}, {}, {}",
        claim.profile,
        list(&claim.stores, "any store"),
        list(&claim.drivers, "any driver")
    )
}

/// The first characters of a digest.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// A Pass after a Fail on one build stands only after a green replay of the failing seed and three
/// passes in a row with fresh seeds.
fn revoked(attempts: &[(&Exhibit, &Finding)]) -> Option<String> {
    let is =
        |verdict: Verdict| move |(_, finding): &(&Exhibit, &Finding)| finding.verdict == verdict;
    let failed = attempts.iter().rposition(is(Verdict::Fail))?;
    let (failure, _) = attempts.get(failed)?;
    let after = attempts.get(failed + 1..)?;
    if after.is_empty() {
        return None;
    }
    let replayed = after
        .iter()
        .any(|(one, finding)| finding.verdict == Verdict::Pass && one.seed == failure.seed);
    let in_a_row = after
        .iter()
        .rev()
        .take_while(|pair| is(Verdict::Pass)(pair));
    let fresh: BTreeSet<&str> = in_a_row
        .map(|(one, _)| one.seed.as_str())
        .filter(|seed| *seed != failure.seed)
        .collect();
    if replayed && fresh.len() >= FRESH {
        return None;
    }
    let replay = if replayed {
        ""
    } else {
        "a green replay of its seed, and "
    };
    Some(format!(
        "{} failed it on this build with seed {}; what passed since stands after {replay}{FRESH} \
         passes in a row with fresh seeds ({} so far)",
        failure.run,
        failure.seed,
        fresh.len()
    ))
}

/// A waiver that is in force, agreed by two people, and covers nothing that none may: a finding is
/// there, and in it every check that no waiver covers passed.
fn waiver(question: &Question<'_>, row: &Row) -> Option<Waiver> {
    let covers = |waiver: &&Waiver| {
        waiver.criterion == row.criterion
            && waiver.claim == question.claim.id
            && waiver.until >= question.now
            && waiver.owner != waiver.approved_by
    };
    let found = question.waivers.iter().find(covers)?;
    // What was never tried is not exempt: nobody knows what it would have shown.
    let finding = row.finding.as_ref().filter(|one| !one.checks.is_empty())?;
    let is_barred = finding
        .checks
        .iter()
        .any(|check| check.verdict != Verdict::Pass && question.never_waived.contains(&check.id));
    (!is_barred).then(|| found.clone())
}
