//! The newest earlier run like this one, so that a report can say what changed since.

use std::collections::BTreeMap;
use std::path::Path;

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

/// The same profile, store and criteria, and a good server in both.
fn is_alike(report: &Report, now: &RunFacts, criteria: &[String]) -> bool {
    let key = |run: &RunFacts| (run.profile.clone(), run.driver.clone(), run.store.clone());
    let judged: Vec<&str> = report
        .judged()
        .map(|judged| judged.finding.criterion.as_str())
        .collect();
    key(&report.run) == key(now)
        && report.run.spoiler == now.spoiler
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
