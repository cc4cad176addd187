//! Evidence, statements, gate and prose from outside: exit codes and what is said.

#![expect(clippy::expect_used, reason = "a test without its ground has failed")]

#[path = "evidence/packing.rs"]
mod packing;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use exai_harness::evidence::ledger::{Ledger, Told};
use exai_harness::evidence::{Evidence, RunName};
use exai_harness::history::History;
use exai_harness::report::Report;
use exai_harness::runkey;
use exai_scenarios::{catalogue, conclude};
use serde_json::{Value, json};

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    own.canonicalize().expect("the workspace")
}

/// A folder with a reports folder in it.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.folder.path().join(name), text).expect("a file");
        self.path(name)
    }

    /// Runs `verify` with this desk's reports.
    fn verify(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_verify"))
            .args(words)
            .arg("--reports")
            .arg(self.folder.path().join("reports"))
            .current_dir(root())
            .output()
            .expect("verify starts")
    }

    /// A pair of keys, private and public.
    fn keys(&self) -> (String, String) {
        let (key, public) = (self.path("ci.pem"), self.path("ci.pem.pub"));
        let made = Command::new(env!("CARGO_BIN_EXE_verify"))
            .args(["attest", "keygen", &key])
            .output()
            .expect("verify starts");
        ends(&made, 0, "key id");
        (key, public)
    }

    /// A record of a run in which nothing was observed, on the ledger.
    fn record(&self) -> String {
        let reports = self.folder.path().join("reports");
        let mut report: Report =
            serde_json::from_str(include_str!("../src/earlier/report.json")).expect("a report");
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
        let criteria = catalogue::criteria().expect("criteria");
        let history = History::in_folder(evidence.folder());
        let found = conclude::judge(&criteria, "quick", &key, &history).expect("findings");
        let template = report.judged().next().expect("a criterion").clone();
        let judged = found.iter().map(|finding| {
            let mut judged = template.clone();
            judged.finding = finding.clone();
            judged
        });
        report.criteria = judged.collect();
        report.outside_claim.clear();
        let verdicts = conclude::verdicts(&report);
        let texts = conclude::criteria_texts(&criteria, "quick").expect("texts");
        let value = serde_json::to_value(&report).expect("JSON");
        let root = evidence.seal(&json!(found), &value, texts).expect("save 3");
        let ledger = Ledger::at(&reports.join("ledger"));
        let at = begin.to_string();
        let intent = json!({"intent": evidence.intent(), "plan": plan});
        ledger
            .append(Told::Intent, &report.run.run_id, &at, intent)
            .expect("an intent");
        let outcome = json!({
            "root": root, "claim": "merge-ready", "verdicts": verdicts, "server_sha256": server,
            "policy_digest": report.identity.policy_digest, "profile": "quick",
            "driver": report.run.driver, "store": report.run.store, "seed": "7",
            "ended_at": at, "spoiler": null,
        });
        ledger
            .append(Told::Outcome, &report.run.run_id, &at, outcome)
            .expect("an outcome");
        evidence.folder().display().to_string()
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

fn says(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[track_caller]
fn ends(output: &Output, expected: i32, hint: &str) {
    assert_eq!(code(output), expected, "{}", says(output));
    assert!(
        says(output).contains(hint),
        "no {hint:?} in: {}",
        says(output)
    );
}

#[test]
fn a_record_is_signed_and_checked_offline() {
    let desk = Desk::new();
    let run = desk.record();
    let (key, public) = desk.keys();
    let sign = ["attest", "sign", &run, "--signing-key", &key];
    ends(
        &desk.verify(&sign),
        0,
        "merge-ready: Inconclusive, signed by",
    );
    ends(&desk.verify(&sign), 64, "has signed this already");
    let name = Path::new(&run)
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let envelope = desk.path(&format!(
        "reports/signed/{name}/merge-ready.test-result.json"
    ));
    let check = [
        "attest", "check", &envelope, "--key", &public, "--run", &run,
    ];
    ends(&desk.verify(&check), 1, "merge-ready FAILED");
    let other = desk.write("exai", "another binary");
    ends(
        &desk.verify(&[&check[..], &["--server", &other]].concat()),
        5,
        "subject mismatch",
    );
    ends(&desk.verify(&["attest", "check", &envelope]), 64, "--key");
    ends(&desk.verify(&["ledger", "publish", &run]), 0, "published");
}

#[test]
fn the_gate_weighs_a_record_and_a_decision_is_no_pass() {
    let desk = Desk::new();
    let run = desk.record();
    let (key, public) = desk.keys();
    let other = desk.write("exai", "another binary");
    let gate = ["gate", "--claim", "merge-ready", "--key", &public];
    ends(&desk.verify(&gate), 2, "No-go: merge-ready is not carried");
    ends(
        &desk.verify(&[&gate[..], &["--run", &run]].concat()),
        2,
        "No-go",
    );
    ends(
        &desk.verify(&[&gate[..], &["--server", &other]].concat()),
        5,
        "foreign identity",
    );
    ends(
        &desk.verify(&[&gate[..], &["--as-of", "2027-12-31"]].concat()),
        5,
        "expired",
    );
    let decide = [
        "decide",
        "go",
        "--claim",
        "merge-ready",
        "--run",
        &run,
        "--by",
        "ann",
        "--reason",
        "a reason",
        "--signing-key",
        &key,
        "--until",
    ];
    ends(
        &desk.verify(&[&decide[..], &["2001-01-01"]].concat()),
        64,
        "must lie ahead",
    );
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48);
    let until = until.to_string();
    ends(&desk.verify(&[&decide[..], &[&until]].concat()), 0, "until");
    ends(&desk.verify(&gate), 6, "overridden by ann");
    let json = desk.verify(&[&gate[..], &["--json"]].concat());
    let value: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(value["schema"], "exai-verify-gate/1");
    assert_eq!(value["exit_code"], 6);
    ends(
        &desk.verify(&["ledger", "show"]),
        0,
        "Inconclusive, counts until",
    );
    std::fs::write(Path::new(&run).join("history-000.ndjson"), "{}").expect("a file");
    ends(&desk.verify(&gate), 5, "changed");
}

#[test]
fn prose_that_leans_on_a_decision_is_waived_and_proves_nothing() {
    let desk = Desk::new();
    let run = desk.record();
    let (key, public) = desk.keys();
    let file = desk.write("status.md", "It is production-ready.\n");
    let lint = ["claims", "lint", &file];
    ends(&desk.verify(&lint), 1, "unproven readiness");
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48);
    let until = until.to_string();
    let decide = [
        "decide",
        "go",
        "--claim",
        "merge-ready",
        "--run",
        &run,
        "--by",
        "ann",
        "--reason",
        "a reason",
        "--signing-key",
        &key,
        "--until",
        &until,
    ];
    ends(&desk.verify(&decide), 0, "until");
    ends(&desk.verify(&lint), 1, "unproven readiness");
    let pem = std::fs::read_to_string(&public).expect("a key");
    let bundle = format!("[[key]]\nowner = \"ann\"\nrole = \"dev\"\npublic = \"\"\"{pem}\"\"\"\n");
    desk.write("reports/trust.toml", &bundle);
    ends(&desk.verify(&lint), 1, "waived readiness");
}

#[test]
fn a_gate_without_evidence_is_refused_and_mistakes_are_explained() {
    let desk = Desk::new();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["gate", "--claim", "merge-ready"], 5, "missing criterion"),
        (&["gate", "--claim", "perfect"], 64, "Known"),
        (
            &["gate", "--claim", "merge-ready", "--run", "no-such-run"],
            64,
            "no record",
        ),
        (
            &["gate", "--claim", "merge-ready", "--server", "/no/such"],
            64,
            "no such file",
        ),
        (
            &["gate", "--claim", "merge-ready", "--as-of", "2001-01-01"],
            64,
            "in the past",
        ),
        (
            &["gate", "--claim", "merge-ready", "--runtime-proof", "pid:1"],
            64,
            "--url",
        ),
        (
            &["gate", "--claim", "merge-ready", "--url", "https://x"],
            64,
            "http://HOST:PORT",
        ),
        (&["ledger", "show"], 0, "the ledger is empty"),
    ];
    for (words, exit, hint) in cases {
        ends(&desk.verify(words), exit, hint);
    }
}

#[test]
fn this_projects_own_prose_claims_nothing_without_evidence() {
    let desk = Desk::new();
    let prose = [
        "README.md",
        "CHANGELOG.md",
        "ARCHITECTURE.md",
        "docs",
        "reports",
        "benches",
    ];
    let output = desk.verify(&[&["claims", "lint"][..], &prose].concat());
    ends(&output, 0, "0 marked");
}

#[test]
fn prose_that_git_ignores_is_read_only_when_it_is_named() {
    let desk = Desk::new();
    let claim = "It is production-ready.\n";
    desk.write(".gitignore", "/latest/\n");
    std::fs::create_dir(desk.path("latest")).expect("a folder");
    desk.write("latest/report.md", claim);
    let folder = desk.path("");
    ends(&desk.verify(&["claims", "lint", &folder]), 0, "0 marked");
    for named in [desk.path("latest"), desk.path("latest/report.md")] {
        ends(&desk.verify(&["claims", "lint", &named]), 1, "1 marked");
    }
    desk.write("status.md", claim);
    ends(&desk.verify(&["claims", "lint", &folder]), 1, "1 marked");
}

#[test]
fn a_status_report_is_marked_with_place_worth_and_reason() {
    let desk = Desk::new();
    let file = desk.write(
        "status.md",
        "# Status\n\nIt is production-ready.\n- ✅ Failover\n",
    );
    let text = desk.verify(&["claims", "lint", &file]);
    ends(&text, 1, ":3:7: unproven readiness: \"production-ready\"");
    let json = desk.verify(&["claims", "lint", &file, "--json"]);
    let value: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(value["schema"], "exai-verify-lint/1");
    assert_eq!(value["marked"], 2);
    let sarif = desk.verify(&["claims", "lint", &file, "--format", "sarif"]);
    let value: Value = serde_json::from_slice(&sarif.stdout).expect("JSON");
    assert_eq!(value["version"], "2.1.0");
    let results = value["runs"][0]["results"].as_array().expect("results");
    assert_eq!(results.len(), 2);
    assert_eq!(
        results[0]["locations"][0]["physicalLocation"]["region"]["startLine"],
        3
    );
    ends(
        &desk.verify(&["claims", "lint", "/no/such/file.md"]),
        64,
        "/no/such/file.md",
    );
}
