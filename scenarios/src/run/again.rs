//! `verify run --again RUN`: only what that run could not decide, under its conditions, as a second
//! attempt beside the first. A Fail is never tried again, and a Pass never given back.

use std::path::Path;

use clap::ValueEnum as _;
use exai_harness::report::Report;
use exai_harness::report::model::Judged;
use exai_judge::Verdict;
use exai_judge::verdict::Exit;
use serde_json::Value;

use super::once;
use crate::cli::arguments::{Driver, Profile, RunArguments, StoreChoice};
use crate::cli::{Ending, print, record};
use crate::{binaries, conclude, facts};

/// Repeats what the run at `first` left open and tells both attempts.
///
/// # Errors
/// [`Ending::Usage`] when there is no such run or it judged another build, [`Ending::Refused`] when
/// its record says what its history does not give, and what a run itself ends with.
pub fn again(arguments: &RunArguments, first: &Path) -> Result<Exit, Ending> {
    let read = record::read(first)?;
    let before = &read.report;
    let open: Vec<&Judged> = before.criteria.iter().filter(|one| is_open(one)).collect();
    if open.is_empty() {
        eprintln!("verify: {} left nothing open", before.run.run_id);
        return Ok(conclude::exit(before));
    }
    let asked = narrowed(arguments, &read.plan, before, &open)?;
    same_build(&asked, &read.plan, before)?;
    let after = once(&asked)?;
    if after.run.cut_short.is_some() {
        return Ok(conclude::exit(&after));
    }
    let together = together(before, &after);
    if !arguments.json {
        tell(before, &after, &open, together);
    }
    Ok(together.exit())
}

/// What a second attempt can change: neither a Fail nor what the claim tolerates.
fn is_open(judged: &Judged) -> bool {
    let verdict = judged.finding.verdict;
    let undecided = matches!(verdict, Verdict::Inconclusive | Verdict::HarnessError);
    undecided && !judged.tolerated
}

/// The same words as the first attempt's, for fewer criteria.
fn narrowed(
    arguments: &RunArguments,
    plan: &Value,
    before: &Report,
    open: &[&Judged],
) -> Result<RunArguments, Ending> {
    let word = |key: &str| plan[key].as_str().unwrap_or_default();
    let unknown = |key: &str| Ending::Usage(format!("this verify has no {key} {:?}", word(key)));
    if !plan["spoiler"].is_null() {
        let says = "a run with a saboteur is evidence for nothing and is not tried again";
        return Err(Ending::Usage(says.to_owned()));
    }
    // A tier such as V.8g is repeated with the whole it belongs to.
    let whole = |judged: &&Judged| {
        let id = judged.finding.criterion.as_str();
        id.trim_end_matches(|last: char| last.is_ascii_lowercase())
            .to_owned()
    };
    let mut criteria: Vec<String> = open.iter().map(whole).collect();
    criteria.dedup();
    let seed = word("seed").parse().map_err(|_| unknown("seed"))?;
    let instances = plan["instances"].as_u64().unwrap_or(1);
    Ok(RunArguments {
        instances: instances.try_into().map_err(|_| unknown("instances"))?,
        criteria,
        profile: Profile::from_str(word("profile"), false).map_err(|_| unknown("profile"))?,
        driver: Driver::from_str(word("driver"), false).map_err(|_| unknown("driver"))?,
        store: StoreChoice::from_str(word("store"), false).map_err(|_| unknown("store"))?,
        seed,
        claim: Some(word("claim").to_owned()),
        again: Some(before.run.run_id.clone().into()),
        ..arguments.clone()
    })
}

/// Two attempts at two builds decide nothing together.
fn same_build(asked: &RunArguments, plan: &Value, before: &Report) -> Result<(), Ending> {
    let built = binaries::build(asked.server.as_deref(), asked.driver)?;
    if plan["server_sha256"] == facts::sha256_of(&built.exai).as_str() {
        return Ok(());
    }
    Err(Ending::Usage(format!(
        "{} judged another build of the server (commit {}); name it with --server, or run all anew",
        before.run.run_id, before.run.commit
    )))
}

/// What the first attempt decided and the second found, by the claim's own rules.
fn together(before: &Report, after: &Report) -> Verdict {
    let repeated = |one: &&Judged| is_open(one);
    let kept = before.criteria.iter().filter(|one| !repeated(one));
    let kept = kept
        .filter(|one| !one.tolerated)
        .map(|one| one.finding.verdict);
    let anew = before.criteria.iter().filter(repeated).map(|one| {
        let id = &one.finding.criterion;
        let now = after.judged().find(|then| then.finding.criterion == *id);
        now.map_or(Verdict::Inconclusive, |then| then.finding.verdict)
    });
    let rules = |report: &Report| {
        let unmet = !report.claim.reasons.is_empty();
        unmet.then_some(report.claim.verdict.min(Verdict::Inconclusive))
    };
    let rules = rules(before).into_iter().chain(rules(after));
    Verdict::worst(kept.chain(anew).chain(rules))
}

fn tell(before: &Report, after: &Report, open: &[&Judged], together: Verdict) {
    let said = |report: &Report, one: &Judged| {
        let id = &one.finding.criterion;
        let found = report.judged().find(|then| then.finding.criterion == *id);
        let word = found.map_or("not judged", |then| then.finding.verdict.word());
        format!("{id} {word}")
    };
    let list = |report: &Report| {
        let said: Vec<String> = open.iter().map(|one| said(report, one)).collect();
        said.join(", ")
    };
    let kept = before.criteria.iter().filter(|one| !is_open(one));
    let kept: Vec<String> = kept.map(|one| said(before, one)).collect();
    print("");
    print(&format!(
        "attempt 1  {}: {}",
        before.run.run_id,
        list(before)
    ));
    print(&format!("attempt 2  {}: {}", after.run.run_id, list(after)));
    if !kept.is_empty() {
        print(&format!("kept       {}", kept.join(", ")));
    }
    let (claim, word) = (&before.claim.name, together.word());
    print(&format!("together   {claim}: {word}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../earlier/report.json");

    fn report(verdicts: &[(&str, Verdict)]) -> Report {
        let mut report: Report = serde_json::from_str(SAMPLE).unwrap();
        let one = report.criteria.first().unwrap().clone();
        report.outside_claim.clear();
        report.claim.reasons.clear();
        report.criteria = verdicts
            .iter()
            .map(|(id, verdict)| {
                let mut judged = one.clone();
                judged.tolerated = false;
                judged.finding.criterion = (*id).to_owned();
                judged.finding.verdict = *verdict;
                judged
            })
            .collect();
        report
    }

    #[test]
    fn a_second_attempt_decides_what_was_open_and_nothing_else() {
        use Verdict::{Fail, HarnessError, Inconclusive, Pass};
        let open = [("V.1", Pass), ("V.3", Inconclusive), ("V.5", HarnessError)];
        let before = report(&open);
        let after = |three, five| report(&[("V.3", three), ("V.5", five)]);
        assert_eq!(together(&before, &after(Pass, Pass)), Pass);
        assert_eq!(together(&before, &after(Pass, Inconclusive)), Inconclusive);
        assert_eq!(together(&before, &after(Fail, Pass)), Fail);
        let half = report(&[("V.3", Pass)]);
        assert_eq!(together(&before, &half), Inconclusive, "V.5 came back");
        let failed = report(&[("V.1", Fail), ("V.3", Inconclusive)]);
        let lucky = report(&[("V.1", Pass), ("V.3", Pass)]);
        assert_eq!(together(&failed, &lucky), Fail, "a Fail stays");
    }

    #[test]
    fn a_rule_of_the_claim_that_was_not_met_stays_unmet() {
        let mut before = report(&[("V.3", Verdict::Inconclusive)]);
        before
            .claim
            .reasons
            .push("evidence on the other store".to_owned());
        before.claim.verdict = Verdict::Inconclusive;
        let after = report(&[("V.3", Verdict::Pass)]);
        assert_eq!(together(&before, &after), Verdict::Inconclusive);
    }
}
