//! A reports folder with one good signed run, and everything that can be done to it.

mod run;
mod tampering;

use std::collections::BTreeMap;
use std::path::PathBuf;

use exai_harness::attest::selftest::Passed;
use exai_harness::attest::statement::Subject;
use exai_harness::attest::{Envelope, PrivateKey, Trust};
use exai_harness::evidence::ledger::{Ledger, Told as Line};
use exai_harness::evidence::{Evidence, Record, RunName};
use exai_harness::gate::Rules;
use exai_harness::report::Report;
use exai_harness::runkey;
use exai_judge::claim::Claims;
use exai_judge::verdict::Reason;
use exai_judge::{Event, Finding};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::*;
use crate::cli::arguments::evidence::TrustArguments;
use run::{Run, findings};

/// A whole report of V.4.
const SAMPLE: &str = include_str!("../../../earlier/report.json");
const RUN: &str = "20261121T080000Z-0000000-7";
const BEGIN: &str = "2026-11-21T08:00:00Z";

pub struct World {
    pub folder: tempfile::TempDir,
    pub claim: Claim,
    pub criteria: &'static str,
    pub text: &'static str,
    pub role: &'static str,
    pub server: Option<&'static str>,
    key: PrivateKey,
    second: PrivateKey,
    now: Timestamp,
    instances: BTreeMap<String, Instance>,
}

fn digest(word: &str) -> String {
    exai_judge::hex::sha256(word.as_bytes())
}

/// A line of a history.
fn figure(at: u64, name: &str, value: f64) -> Value {
    json!({"at": at, "event": "figure", "name": name, "value": value, "unit": "count"})
}

/// Changes one character in the middle of base64.
pub fn flip(text: &mut String) {
    let at = text.len() / 2;
    let other = if text[at..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    text.replace_range(at..=at, other);
}

impl World {
    pub fn new() -> Self {
        let text = "[[claim]]\nid = \"merge-ready\"\ntext = \"\"\nprofile = \"quick\"\n\
                    criteria = [\"V.4\", \"V.7\"]\nmax_age_days = 7\nsigned_by = \"ci\"\n";
        let begin: Timestamp = BEGIN.parse().unwrap();
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            claim: Claims::parse(text).unwrap().rows.remove(0),
            criteria: "criteria",
            text: "a text",
            role: "ci",
            server: None,
            key: PrivateKey::generate().unwrap(),
            second: PrivateKey::generate().unwrap(),
            now: begin + SignedDuration::from_hours(5),
            instances: BTreeMap::new(),
        };
        world.write(&Run::default());
        world.log(Line::Intent, RUN, &json!({"plan": {}}));
        world.log(Line::Outcome, RUN, &world.outcome("PASS", BEGIN));
        world.sign();
        world.checkpoint();
        world
    }

    pub fn reports(&self) -> PathBuf {
        self.folder.path().join("reports")
    }

    pub fn run(&self) -> PathBuf {
        self.reports().join("runs").join(RUN)
    }

    fn ledger(&self) -> Ledger {
        Ledger::at(&self.reports().join("ledger"))
    }

    fn kept(&self) -> PathBuf {
        self.folder.path().join("checkpoint.json")
    }

    fn checkpoint(&self) {
        self.ledger()
            .checkpoint()
            .unwrap()
            .write(&self.kept())
            .unwrap();
    }

    fn log(&self, told: Line, run: &str, body: &Value) -> String {
        self.ledger()
            .append(told, run, BEGIN, body.clone())
            .unwrap()
    }

    fn outcome(&self, storage: &str, ended: &str) -> Value {
        let root =
            Evidence::open(&self.run()).map_or_else(|_| String::new(), |one| one.digests.root);
        json!({
            "root": root, "server_sha256": digest("aa"), "policy_digest": "policy",
            "profile": "quick", "driver": "local", "store": "redis", "seed": "7",
            "ended_at": ended, "spoiler": null,
            "verdicts": {
                "V.4": {"verdict": storage, "reasons": []},
                "V.7": {"verdict": "PASS", "reasons": []},
            },
        })
    }

    fn write(&self, run: &Run) {
        let _ = std::fs::remove_dir_all(self.run());
        let name = RunName {
            utc: "20261121T080000Z".to_owned(),
            commit7: "0000000".to_owned(),
            seed: 7,
        };
        let mut found = findings(run.claims_lost, run);
        let intended: Vec<String> = found.iter().map(|one| one.criterion.clone()).collect();
        let spoiler = run.spoiled.then_some("foreign-build");
        let plan = json!({
            "profile": "quick", "driver": "local", "store": "redis", "seed": "7",
            "server_sha256": digest("aa"), "criteria_sha256": digest(run.criteria),
            "spoiler": spoiler, "intended": intended, "instances": run.instances.0,
        });
        let key = runkey::draw().unwrap();
        let evidence = Evidence::create(&self.reports().join("runs"), &name, &plan, &key).unwrap();
        let (line, other) = (figure(1, "turns lost", run.lost), figure(2, "p95", 0.5));
        evidence
            .write("history-000.ndjson", &format!("{line}\n{other}\n"))
            .unwrap();
        evidence
            .write("policy.json", "{\"limits.in_flight\":\"512\"}")
            .unwrap();
        evidence.reveal(&key).unwrap();
        found.retain(|one| Some(one.criterion.as_str()) != run.hidden);
        let texts = found
            .iter()
            .map(|one| (one.criterion.clone(), digest("a text")));
        let report = self.drawn(run, &found);
        evidence
            .seal(
                &json!(found),
                &serde_json::to_value(report).unwrap(),
                texts.collect(),
            )
            .unwrap();
    }

    fn drawn(&self, run: &Run, found: &[Finding]) -> Report {
        let mut report: Report = serde_json::from_str(SAMPLE).unwrap();
        let template = report.judged().next().unwrap().clone();
        report.criteria = found
            .iter()
            .map(|finding| {
                let mut judged = template.clone();
                judged.finding = finding.clone();
                judged
            })
            .collect();
        report.outside_claim.clear();
        report.run.run_id = RUN.to_owned();
        report.run.profile = "quick".to_owned();
        report.run.started_at = BEGIN.parse().unwrap();
        report.run.ended_at = report.run.started_at + SignedDuration::from_secs(14_400);
        report.run.measured_seconds = run.seconds;
        report.run.seed = 7;
        report.run.spoiler = run.spoiled.then(|| "foreign-build".to_owned());
        report.run.instances = run.instances.1;
        if run.boasts {
            report.criteria[0].finding.headline = "all fine".to_owned();
        }
        report.identity.server_sha256 = Some(digest("aa"));
        report.identity.harness_sha256 = Some(digest(run.harness));
        report.identity.criteria_digest = Some(digest(run.criteria));
        report.identity.policy_digest = Some("policy".to_owned());
        report
    }

    fn statement(&self, claim: &Claim) -> Value {
        let record = Evidence::open(&self.run()).unwrap();
        let report: Report = serde_json::from_value(record.report).unwrap();
        let found: Vec<Finding> = report.judged().map(|one| one.finding.clone()).collect();
        let answer = claim.judge(&found);
        let subject = Subject {
            report: &report,
            claim,
            answer: &answer,
            root: &record.digests.root,
            ledger: Checkpoint::default(),
            signed_at: report.run.ended_at,
        };
        subject.test_result()
    }

    /// A self-test of some harness on the ledger, signed, that ended so many hours ago.
    pub fn test(&self, harness: &str, hours: i64) {
        let passed = Passed {
            harness_sha256: digest(harness),
            criteria_sha256: digest("criteria"),
            rows: 1,
            seeds: [7].into(),
            at: self.now - SignedDuration::from_hours(hours),
        };
        let mut envelope = Envelope::around(&passed.statement());
        let signature = self.key.sign(&envelope.to_sign());
        envelope.add(&self.key.public(), &signature);
        self.log(
            Line::Selftest,
            "self-test",
            &json!({ "envelope": envelope }),
        );
    }

    fn sign(&self) {
        self.put("signed", &self.statement(&self.claim), &self.key);
    }

    fn put(&self, folder: &str, statement: &Value, key: &PrivateKey) {
        let mut envelope = Envelope::around(statement);
        let signature = key.sign(&envelope.to_sign());
        envelope.add(&key.public(), &signature);
        let folder = self.reports().join(folder).join(RUN);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(
            folder.join("merge-ready.test-result.json"),
            envelope.to_text(),
        )
        .unwrap();
    }

    fn trust(&self) -> Trust {
        let key = |key: &PrivateKey, owner: &str| {
            let (pem, role) = (key.public().to_pem(), self.role);
            format!("[[key]]\nowner = \"{owner}\"\nrole = \"{role}\"\npublic = '''{pem}'''\n")
        };
        Trust::parse(&format!(
            "harness_sha256 = [\"{}\"]\ncriteria_sha256 = \"{}\"\n{}{}",
            digest("bb"),
            digest("criteria"),
            key(&self.key, "ci"),
            key(&self.second, "ann")
        ))
        .unwrap()
    }

    fn arguments(&self) -> GateArguments {
        let binary = self.server.map(|word| {
            let path = self.folder.path().join("exai");
            std::fs::write(&path, word).unwrap();
            path
        });
        GateArguments {
            claim: "merge-ready".to_owned(),
            run: None,
            ledger: true,
            server: binary,
            url: Vec::new(),
            replicas: 1,
            token_env: None,
            runtime_proof: None,
            checkpoint: Some(self.kept()),
            accept_waivers: false,
            trust: TrustArguments::default(),
        }
    }

    /// Asks the gate; gives the exit code and everything on the screen.
    pub fn ask(&self) -> (Exit, String) {
        let arguments = self.arguments();
        let text = digest(self.text);
        let texts = |_: &str| {
            ["V.4", "V.7"]
                .map(|id| (id.to_owned(), text.clone()))
                .into_iter()
                .collect()
        };
        let judge = |record: &Record, _: &str| {
            let lost = record
                .history
                .observations()
                .find_map(|seen| match seen.event {
                    Event::Figure { name, value, .. } if name == "turns lost" => Some(value),
                    _ => None,
                });
            let stored: Vec<Finding> = serde_json::from_value(record.findings.clone()).unwrap();
            let is = |reason| stored.iter().any(|one| one.reasons.contains(&reason));
            let shape = Run {
                foreign: is(Reason::ForeignIdentity),
                short: is(Reason::DurationShort),
                ..Run::default()
            };
            let mut found = findings(lost.unwrap_or(1.0), &shape);
            let intended = record.plan["intended"].as_array().unwrap();
            found.retain(|one| intended.iter().any(|id| *id == one.criterion.as_str()));
            Ok(found)
        };
        let draw = |_: &Record, told: &Report, found: &[Finding]| {
            let mut drawn = told.clone();
            for (judged, finding) in drawn.criteria.iter_mut().zip(found) {
                judged.finding = finding.clone();
            }
            Ok(drawn)
        };
        let rules = Rules {
            criteria_sha256: digest(self.criteria),
            texts: &texts,
            least_seconds: BTreeMap::from([("V.7".to_owned(), 14_400)]),
            judge: &judge,
            draw: &draw,
        };
        let (reports, trust) = (self.reports(), self.trust());
        let shelf = Shelf::at(&reports, rules, &trust, self.now);
        let asked = Gate {
            arguments: &arguments,
            claim: &self.claim,
            shelf: &shelf,
            register: &Register::default(),
            instances: self.instances.clone(),
        };
        match asked.ask() {
            Ok((answer, told)) => {
                let lines = screen::lines(&answer, &told, self.now.as_second());
                (answer.exit, lines.join("\n"))
            }
            Err(ending) => (ending.exit(), ending.to_string()),
        }
    }
}
