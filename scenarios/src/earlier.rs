//! The runs before this one: the newest like it, so that a report can say what changed since, and
//! what the ledger tells of the last ones.

use std::collections::BTreeMap;
use std::path::Path;

use exai_harness::evidence::EvidenceError;
use exai_harness::evidence::ledger::Ledger;
use exai_harness::evidence::ledger::trend::{Kind, Trend};
use exai_harness::report::Report;
use exai_harness::report::facts::RunFacts;
use exai_harness::report::model::Previous;

/// Records looked at before giving up.
const LOOKED_AT: usize = 50;

/// Finds it among the folders of `runs`, whose names begin with the time. Its record is not checked
/// against its digests: what changed is told beside the verdicts and decides none.
#[must_use]
pub fn like(runs: &Path, now: &RunFacts, criteria: &[String]) -> Option<Previous> {
    let mut names: Vec<String> = std::fs::read_dir(runs)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| *name < now.run_id)
        .collect();
    names.sort_unstable();
    names.iter().rev().take(LOOKED_AT).find_map(|name| {
        let text = std::fs::read(runs.join(name).join("report.json")).ok()?;
        let report: Report = serde_json::from_slice(&text).ok()?;
        is_alike(&report, now, criteria).then(|| previous(&report))
    })
}

/// Runs in a report's trend, this one among them.
const IN_TREND: usize = 20;

/// What the ledger beside `runs` tells of the runs of this kind, for the report of one more. A run
/// with a spoiler, or of several instances, is of no kind.
///
/// # Errors
/// A ledger that is refused.
pub fn trend(runs: &Path, now: &RunFacts) -> Result<Trend, EvidenceError> {
    let Some(reports) = runs.parent().filter(|_| is_of_a_kind(now)) else {
        return Ok(Trend::default());
    };
    let entries = Ledger::at(&reports.join("ledger")).entries()?;
    let kind = Kind {
        profile: Some(&now.profile),
        driver: Some(&now.driver),
        store: Some(&now.store),
    };
    Ok(Trend::of(entries.values(), kind, IN_TREND - 1))
}

const fn is_of_a_kind(run: &RunFacts) -> bool {
    run.spoiler.is_none() && run.instances == 1
}

/// The same profile, store, instances and criteria, a good server and a whole run in both.
fn is_alike(report: &Report, now: &RunFacts, criteria: &[String]) -> bool {
    let key = |run: &RunFacts| (run.profile.clone(), run.driver.clone(), run.store.clone());
    let judged: Vec<&str> = report
        .judged()
        .map(|judged| judged.finding.criterion.as_str())
        .collect();
    key(&report.run) == key(now)
        && report.run.spoiler == now.spoiler
        && report.run.instances == now.instances
        && report.run.cut_short.or(now.cut_short).is_none()
        && criteria.len() == judged.len()
        && criteria.iter().all(|name| judged.contains(&name.as_str()))
}

fn previous(report: &Report) -> Previous {
    let verdicts = report.judged().map(|judged| {
        let finding = &judged.finding;
        (finding.criterion.clone(), finding.verdict)
    });
    let figures = report
        .figures
        .iter()
        .map(|figure| (figure.name.clone(), figure.value));
    Previous {
        run_id: report.run.run_id.clone(),
        version: report.run.version.clone(),
        commit: report.run.commit.clone(),
        started_at: report.run.started_at,
        verdicts: verdicts.collect::<BTreeMap<_, _>>(),
        figures: figures.collect(),
    }
}

#[cfg(test)]
mod tests {
    use exai_harness::evidence::ledger::Told;
    use exai_harness::report::facts::CutShort;
    use exai_harness::report::model::Figure;
    use exai_judge::Verdict;
    use serde_json::json;

    use super::*;
    use crate::conclude;

    /// A whole report of V.4 on Redis.
    const SAMPLE: &str = include_str!("earlier/report.json");

    fn record(runs: &Path, name: &str, store: &str) {
        let mut report: Report = serde_json::from_str(SAMPLE).unwrap();
        report.run.run_id = name.to_owned();
        report.run.store = store.to_owned();
        std::fs::create_dir(runs.join(name)).unwrap();
        let text = serde_json::to_vec(&report).unwrap();
        std::fs::write(runs.join(name).join("report.json"), text).unwrap();
    }

    #[test]
    fn the_newest_earlier_run_of_the_same_store_and_criteria_is_compared_with() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path();
        let sample: Report = serde_json::from_str(SAMPLE).unwrap();
        let mut now = sample.run;
        now.run_id = "20261121T120000Z-0000000-1".to_owned();
        let named = ["V.4".to_owned()];
        assert_eq!(like(runs, &now, &named), None);
        for (name, store) in [
            ("20261121T080000Z-0000000-1", "redis"),
            ("20261121T090000Z-0000000-1", "redis"),
            ("20261121T100000Z-0000000-1", "embedded"),
            ("20261121T130000Z-0000000-1", "redis"),
        ] {
            record(runs, name, store);
        }
        let found = like(runs, &now, &named).unwrap();
        assert_eq!(found.run_id, "20261121T090000Z-0000000-1");
        assert_eq!(found.verdicts["V.4"], Verdict::Inconclusive);
        now.instances = 2;
        assert_eq!(like(runs, &now, &named), None, "two instances are not one");
        now.instances = 1;
        now.cut_short = Some(CutShort::Sigint);
        assert_eq!(like(runs, &now, &named), None, "half a run is like none");
        now.cut_short = None;
        let more = ["V.4".to_owned(), "V.5".to_owned()];
        assert_eq!(like(runs, &now, &more), None);
    }

    #[test]
    fn what_a_report_draws_is_what_the_ledger_tells_once_the_run_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        let ledger = Ledger::at(&folder.path().join("ledger"));
        let mut report: Report = serde_json::from_str(SAMPLE).unwrap();
        let mut drawn = None;
        for (second, value) in [(1, 4.25), (2, 3.5), (3, 8.125)] {
            report.run.run_id = format!("20261121T10000{second}Z-0000000-1");
            let (name, unit) = ("p50".to_owned(), "ms".to_owned());
            report.figures = vec![Figure { name, value, unit }];
            drawn = report.after(trend(&runs, &report.run).unwrap());
            let outcome = json!({
                "profile": report.run.profile, "driver": report.run.driver,
                "store": report.run.store, "spoiler": null,
                "verdicts": conclude::verdicts(&report), "figures": report.figures,
            });
            let at = format!("2026-11-21T10:00:0{second}Z");
            ledger
                .append(Told::Outcome, &report.run.run_id, &at, outcome)
                .unwrap();
        }
        let entries = ledger.entries().unwrap();
        let told = Trend::of(entries.values(), Kind::default(), IN_TREND);
        assert_eq!(told.figures[0].values, [Some(4.25), Some(3.5), Some(8.125)]);
        assert_eq!(drawn, Some(told));
        report.run.spoiler = Some("canned@kimi".to_owned());
        assert_eq!(trend(&runs, &report.run).unwrap(), Trend::default());
        report.run.spoiler = None;
        report.run.instances = 2;
        assert_eq!(trend(&runs, &report.run).unwrap(), Trend::default());
    }
}
