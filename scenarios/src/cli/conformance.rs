//! `verify conformance`: the official suite in both revisions, as two jobs (specs/mcp.md §5.5).

use std::path::{Path, PathBuf};

use exai_harness::client::Revision;
use exai_harness::conformance::baseline::{Baseline, Served};
use exai_harness::conformance::boot::Booted;
use exai_harness::conformance::judge::{self, Job, Outcome};
use exai_harness::conformance::suite::{REVISIONS, Record, Suite};
use exai_judge::Verdict;
use exai_judge::verdict::Exit;
use serde_json::{Value, json};

use super::arguments::{ConformanceArguments, Driver};
use super::{Ending, print};
use crate::binaries;

/// A server, what it was started from, and what came of its job.
struct Judged {
    sha256: String,
    outcomes: Vec<Outcome>,
}

fn harness(error: impl std::fmt::Display) -> Ending {
    Ending::Harness(error.to_string())
}

/// Runs both jobs. Absence of node or the suite is an error, never a skipped job.
///
/// # Errors
/// [`Ending::Usage`] when node or the suite is not here in the pinned version, with the command
/// that installs it; [`Ending::Harness`] when a build fails, a server does not start or the suite
/// does not run.
pub fn conformance(arguments: &ConformanceArguments, quiet: bool) -> Result<Exit, Ending> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(harness)?;
    let folder = match arguments.suite.is_absolute() {
        true => arguments.suite.clone(),
        false => binaries::workspace().join(&arguments.suite),
    };
    // Before the builds, which take minutes.
    binaries::check("--fixtures", arguments.fixtures.as_deref())?;
    let suite = runtime.block_on(Suite::find(&folder));
    let suite = suite.map_err(|error| Ending::Usage(error.to_string()))?;
    let baseline = Baseline::load().map_err(|error| Ending::Bug(format!("baseline: {error}")))?;
    let product = binaries::build(arguments.server.as_deref(), Driver::Local)?.exai;
    let fixtures = binaries::build_fixtures(arguments.fixtures.as_deref())?;
    let kept = tempfile::tempdir().map_err(harness)?;
    let out = arguments
        .keep
        .clone()
        .unwrap_or_else(|| kept.path().to_path_buf());
    let desk = Desk {
        suite,
        baseline,
        out,
        quiet,
    };
    let judged = runtime.block_on(async {
        let protocol = desk.job(Job::Protocol, &fixtures).await?;
        let product = desk.job(Job::Product, &product).await?;
        Ok::<_, Ending>([protocol, product])
    })?;
    let outcomes = || judged.iter().flat_map(|judged| &judged.outcomes);
    if arguments.json {
        print(&as_json(&desk.suite, &judged).to_string());
    } else {
        print(&desk.table(&judged));
    }
    Ok(Verdict::worst(outcomes().map(|outcome| outcome.verdict)).exit())
}

/// What both jobs need.
struct Desk {
    suite: Suite,
    baseline: Baseline,
    out: PathBuf,
    quiet: bool,
}

impl Desk {
    async fn job(&self, job: Job, binary: &Path) -> Result<Judged, Ending> {
        let server = Booted::start(binary).await.map_err(harness)?;
        check_build(job, &server)?;
        let mut outcomes = Vec::new();
        for (revision, _) in REVISIONS {
            let served = server.served(revision).await.map_err(harness)?;
            let record = self.run(job, &server, revision).await?;
            outcomes.push(self.judge(job, &record, &served));
        }
        let sha256 = server.sha256.clone();
        server.stop().await.map_err(harness)?;
        Ok(Judged { sha256, outcomes })
    }

    async fn run(&self, job: Job, server: &Booted, revision: Revision) -> Result<Record, Ending> {
        let out = self.out.join(word(job)).join(revision.name());
        // Records of an earlier run in the same folder would be taken for this one's.
        match std::fs::remove_dir_all(&out) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(harness(error));
            }
            _ => {}
        }
        if !self.quiet {
            eprintln!("{}, {} …", word(job), revision.name());
        }
        let ran = self.suite.run(server.public, revision, &out).await;
        ran.map_err(|error| harness(format!("{error}\n{}", server.tail())))
    }

    fn judge(&self, job: Job, record: &Record, served: &Served) -> Outcome {
        match job {
            Job::Protocol => judge::protocol(record),
            Job::Product => judge::product(record, &self.baseline, served),
        }
    }

    fn table(&self, judged: &[Judged]) -> String {
        let mut lines = vec![format!(
            "{:<10} {:<11} {:>9} {:>9} {:>15} {:>9}  verdict",
            "job", "revision", "required", "beyond", "checks", "baseline"
        )];
        for outcome in judged.iter().flat_map(|one| &one.outcomes) {
            lines.push(row(outcome));
            lines.extend(
                outcome
                    .against
                    .iter()
                    .map(|against| format!("    {against}")),
            );
        }
        lines.push(String::new());
        lines.push(closing(judged, &self.suite));
        lines.join("\n")
    }
}

fn as_json(suite: &Suite, judged: &[Judged]) -> Value {
    let jobs = judged
        .iter()
        .map(|one| json!({"server_sha256": one.sha256, "outcomes": one.outcomes}));
    json!({
        "schema": "exai-verify-conformance/1",
        "suite": suite,
        "jobs": jobs.collect::<Vec<_>>(),
    })
}

/// The fixtures' build must say that it is one, and the product that it is not.
fn check_build(job: Job, server: &Booted) -> Result<(), Ending> {
    let has_fixtures = server.manifest["conformance_fixtures"] == true;
    if has_fixtures == (job == Job::Protocol) {
        return Ok(());
    }
    let says = &server.manifest["conformance_fixtures"];
    let job = word(job);
    Err(Ending::Harness(format!(
        "the binary for the job {job} says conformance_fixtures = {says} in its manifest. Nothing \
         was judged."
    )))
}

const fn word(job: Job) -> &'static str {
    match job {
        Job::Protocol => "protocol",
        Job::Product => "product",
    }
}

fn row(outcome: &Outcome) -> String {
    let of = |part: usize, whole: usize| format!("{part}/{whole}");
    let all = outcome.checks_succeeded + outcome.checks_failed;
    let excused = outcome
        .baseline
        .as_ref()
        .map(|weighed| weighed.excused.len());
    format!(
        "{:<10} {:<11} {:>9} {:>9} {:>15} {:>9}  {}",
        word(outcome.job),
        outcome.revision,
        of(outcome.passed, outcome.required),
        of(outcome.beyond_passed, outcome.beyond),
        of(outcome.checks_succeeded, all),
        excused.map_or_else(|| "none".to_owned(), |excused| excused.to_string()),
        outcome.verdict.word(),
    )
}

fn closing(judged: &[Judged], suite: &Suite) -> String {
    let protocol = judged.iter().flat_map(|one| &one.outcomes);
    let protocol = protocol.filter(|outcome| outcome.job == Job::Protocol);
    let (passed, required) = protocol.fold((0, 0), |(passed, required), outcome| {
        (passed + outcome.passed, required + outcome.required)
    });
    format!(
        "{passed}/{required} required server scenarios at suite {} ({}).\n\
         Baseline: failures of the product that are proven to be an absent fixture.",
        suite.version, suite.node_version
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::Command;

    use exai_harness::conformance::suite::VERSION;

    use super::*;
    use crate::published::errors_of;

    /// A suite that is found and never run: a bundle of nothing, and a node that says its version.
    async fn suite() -> Suite {
        let folder = tempfile::tempdir().unwrap();
        let modules = folder.path().join("node_modules");
        let own = modules.join("@modelcontextprotocol/conformance");
        std::fs::create_dir_all(own.join("dist")).unwrap();
        std::fs::create_dir_all(modules.join("node/bin")).unwrap();
        let package = json!({"version": VERSION}).to_string();
        std::fs::write(own.join("package.json"), package).unwrap();
        std::fs::write(own.join("dist/index.js"), "").unwrap();
        let node = modules.join("node/bin/node");
        // Written by another process: a test beside this one may fork while we hold it open.
        let script = "printf '#!/bin/sh\\necho v22.0.0\\n' >\"$0\" && chmod +x \"$0\"";
        let written = Command::new("sh").args(["-c", script]).arg(&node).status();
        assert!(written.unwrap().success());
        Suite::find(folder.path()).await.unwrap()
    }

    /// Both jobs of a server on which a scenario did not run.
    fn judged() -> [Judged; 2] {
        let record = Record {
            revision: Revision::V2026,
            required: vec!["server-initialize".to_owned()],
            scenarios: BTreeMap::new(),
        };
        let baseline = Baseline::load().unwrap();
        let outcomes = [
            judge::protocol(&record),
            judge::product(&record, &baseline, &Served::default()),
        ];
        outcomes.map(|outcome| Judged {
            sha256: exai_judge::hex::sha256(b"exai"),
            outcomes: vec![outcome],
        })
    }

    #[tokio::test]
    async fn the_outcome_of_both_jobs_as_json_is_of_its_schema() {
        let value = as_json(&suite().await, &judged());
        assert_eq!(errors_of(&value), [""; 0]);
        for lost in [
            "/suite/version",
            "/jobs/0/outcomes/0/verdict",
            "/jobs/1/outcomes/0/baseline",
        ] {
            let mut less = value.clone();
            let (place, field) = lost.rsplit_once('/').unwrap();
            let holder = less.pointer_mut(place).unwrap().as_object_mut().unwrap();
            assert!(holder.remove(field).is_some(), "{lost}");
            assert_eq!(errors_of(&less).len(), 1, "{lost}");
        }
    }
}
