//! Evidence, statements, gate and prose from outside: exit codes and what is said.

#![expect(clippy::expect_used, reason = "a test without its ground has failed")]

#[path = "evidence/desk.rs"]
mod desk;
#[path = "evidence/packing.rs"]
mod packing;
#[path = "evidence/provenance.rs"]
mod provenance;
#[path = "evidence/resealed.rs"]
mod resealed;
#[path = "evidence/selftest.rs"]
mod selftest;

use std::path::Path;
use std::process::Output;

use desk::Desk;
use serde_json::Value;

impl Desk {
    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).expect("a file");
        self.path(name)
    }
}

/// Runs `verify` with these words alone.
fn verify(words: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_verify"));
    command.args(words).output().expect("verify starts")
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
    let gate = ["gate", "--claim", "merge-ready", "--reports", "/no/such"];
    ends(&verify(&gate), 64, "there is no such folder");
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
