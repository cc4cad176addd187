//! A reports folder of its own, keys, and the record of a run in which nothing was observed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use exai_harness::evidence::ledger::{Ledger, Told as Line, Trend};
use exai_harness::evidence::{Evidence, RunName};
use exai_harness::history::History;
use exai_harness::report::Report;
use exai_harness::runkey;
use exai_judge::Finding;
use exai_judge::criterion::Criteria;
use exai_scenarios::drawing::{Asked, Told};
use exai_scenarios::{catalogue, conclude};
use serde_json::{Value, json};

/// The workspace.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    own.canonicalize().expect("the workspace")
}

/// A folder with a reports folder in it.
pub struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("reports")).expect("a folder");
        Self { folder }
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Runs `verify` with this desk's reports.
    pub fn verify(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_verify"))
            .args(words)
            .arg("--reports")
            .arg(self.folder.path().join("reports"))
            .current_dir(root())
            .output()
            .expect("verify starts")
    }

    /// A pair of keys, private and public.
    pub fn keys(&self) -> (String, String) {
        let (key, public) = (self.path("ci.pem"), self.path("ci.pem.pub"));
        let made = Command::new(env!("CARGO_BIN_EXE_verify"))
            .args(["attest", "keygen", &key])
            .output()
            .expect("verify starts");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        (key, public)
    }

    /// A record of a run in which nothing was observed, on the ledger.
    pub fn record(&self) -> String {
        let reports = self.folder.path().join("reports");
        let mut report: Report =
            serde_json::from_str(include_str!("../../src/earlier/report.json")).expect("a report");
        let criteria = catalogue::criteria().expect("criteria");
        let digest = exai_judge::hex::sha256(catalogue::CRITERIA.as_bytes());
        let begin: jiff::Timestamp = "2026-11-21T08:00:00Z".parse().expect("a time");
        let begin = begin.min(jiff::Timestamp::now());
        report.run.run_id = begin.strftime("%Y%m%dT%H%M%SZ-0000000-7").to_string();
        report.run.profile = "quick".to_owned();
        (report.run.started_at, report.run.ended_at) = (begin, begin);
        (report.run.measured_seconds, report.run.seed) = (0, 7);
        report.identity.criteria_digest = Some(digest.clone());
        let server = exai_judge::hex::sha256(b"a server");
        report.identity.server_sha256 = Some(server.clone());
        let plan = json!({
            "profile": "quick", "driver": report.run.driver, "store": report.run.store,
            "seed": "7", "server_sha256": server, "criteria_sha256": digest, "spoiler": null,
            "claim": "merge-ready", "criteria": [],
            "intended": criteria.ids().collect::<Vec<_>>(),
        });
        let name = RunName {
            utc: begin.strftime("%Y%m%dT%H%M%SZ").to_string(),
            commit7: "0000000".to_owned(),
            seed: 7,
        };
        let key = runkey::draw().expect("a key");
        let evidence = Evidence::create(&reports.join("runs"), &name, &plan, &key).expect("save 1");
        evidence.write("history-000.ndjson", "").expect("save 2");
        evidence.reveal(&key).expect("the key");
        let history = History::in_folder(evidence.folder());
        let found = conclude::judge(&criteria, "quick", &key, &history).expect("findings");
        let asked = Asked {
            criteria: &criteria,
            profile: "quick",
            claim: &catalogue::named("merge-ready").expect("a claim"),
            named: &[],
        };
        let told = Told {
            run: report.run,
            identity: report.identity,
            previous: None,
            before: Trend::default(),
        };
        let report = asked.draw(told, found.clone(), conclude::sidelines(&history));
        self.enter(&criteria, &evidence, (&plan, &found, &report));
        evidence.folder().display().to_string()
    }

    /// What a self-test of the whole table prints that was passed.
    pub fn table() -> Value {
        let rows = exai_scenarios::saboteur::all().expect("the table");
        let ids = rows.iter().map(|row| row.id.as_str()).chain([""]);
        let digest = exai_judge::hex::sha256;
        json!({
            "schema": exai_scenarios::selftest::SCHEMA, "at": jiff::Timestamp::now(),
            "harness_sha256": digest(b"a harness"),
            "criteria_sha256": digest(catalogue::CRITERIA.as_bytes()),
            "rows": ids.map(|id| json!({"id": id, "seed": 7, "name": format!("row {id}"),
                "demanded": "V.1 Fail", "misses": [], "seconds": 1})).collect::<Vec<_>>(),
        })
    }

    /// Seals the record and tells the ledger of it.
    fn enter(
        &self,
        criteria: &Criteria,
        evidence: &Evidence,
        (plan, found, report): (&Value, &[Finding], &Report),
    ) {
        let verdicts = conclude::verdicts(report);
        let texts = conclude::criteria_texts(criteria, "quick").expect("texts");
        let value = serde_json::to_value(report).expect("JSON");
        let root = evidence.seal(&json!(found), &value, texts).expect("save 3");
        let ledger = Ledger::at(&self.folder.path().join("reports/ledger"));
        let at = report.run.ended_at.to_string();
        let intent = json!({"intent": evidence.intent(), "plan": plan});
        ledger
            .append(Line::Intent, &report.run.run_id, &at, intent)
            .expect("an intent");
        let outcome = json!({
            "root": root, "claim": "merge-ready", "verdicts": verdicts,
            "server_sha256": report.identity.server_sha256,
            "policy_digest": report.identity.policy_digest, "profile": "quick",
            "driver": report.run.driver, "store": report.run.store, "seed": "7",
            "ended_at": at, "spoiler": null,
        });
        ledger
            .append(Line::Outcome, &report.run.run_id, &at, outcome)
            .expect("an outcome");
    }
}
