//! What can be done to evidence, by a stranger, by the signer, and by whoever holds the folder.

use exai_harness::attest::decision::Written;
use exai_harness::attest::{Envelope, PrivateKey};
use exai_harness::evidence::ledger::{Ledger, Told as Line};
use exai_judge::gate::Course;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::super::Instance;
use super::{BEGIN, BTreeMap, RUN, Run, World, digest};

impl World {
    /// The record replaced by one that is whole in itself, its ledger line and signature with it.
    pub fn rewrite(&mut self, change: impl Fn(&mut Run)) {
        let mut run = Run::default();
        change(&mut run);
        std::fs::remove_dir_all(self.reports()).unwrap();
        self.write(&run);
        self.log(Line::Intent, RUN, &json!({"plan": {}}));
        self.log(Line::Outcome, RUN, &self.outcome("PASS", BEGIN));
        self.sign();
        self.checkpoint();
    }

    pub fn rewrite_behind_the_ledger(&mut self) {
        self.write(&Run::default());
    }

    pub fn edit_record(&mut self, file: &str, was: &str, is: &str) {
        let path = self.run().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(was), "{text}");
        std::fs::write(&path, text.replace(was, is)).unwrap();
    }

    pub fn remove_record(&mut self) {
        std::fs::remove_dir_all(self.run()).unwrap();
    }

    pub fn edit_envelope(&mut self, change: impl Fn(&mut Envelope)) {
        let path = self
            .reports()
            .join("signed")
            .join(RUN)
            .join("merge-ready.test-result.json");
        let mut envelope = Envelope::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        change(&mut envelope);
        std::fs::write(&path, envelope.to_text()).unwrap();
    }

    /// What somebody with the key can do.
    pub fn resign(&mut self, change: impl Fn(&mut Value)) {
        let mut statement = self.statement(&self.claim);
        change(&mut statement);
        self.put("signed", &statement, &self.key);
    }

    pub fn resign_as_stranger(&mut self) {
        let stranger = PrivateKey::generate().unwrap();
        self.put("signed", &self.statement(&self.claim), &stranger);
    }

    pub fn cosign(&mut self) {
        let second = self.second.public();
        let sign = |envelope: &mut Envelope| {
            let signature = self.second.sign(&envelope.to_sign());
            envelope.add(&second, &signature);
        };
        let path = self
            .reports()
            .join("signed")
            .join(RUN)
            .join("merge-ready.test-result.json");
        let mut envelope = Envelope::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        sign(&mut envelope);
        std::fs::write(&path, envelope.to_text()).unwrap();
    }

    pub fn remove_statements(&mut self) {
        std::fs::remove_dir_all(self.reports().join("signed")).unwrap();
    }

    /// A second statement by the same key that says the opposite.
    pub fn contradict(&mut self) {
        let mut statement = self.statement(&self.claim);
        statement["predicate"]["result"] = "FAILED".into();
        statement["predicate"]["failedTests"] = json!(["V.4"]);
        self.put("published", &statement, &self.key);
    }

    pub fn pass_days(&mut self, days: i64) {
        self.now += SignedDuration::from_hours(days * 24);
    }

    pub fn instance(&mut self, build: &str, policy: &str) {
        let limit = if policy == "policy" { "512" } else { "64" };
        let instance = Instance {
            url: "http://127.0.0.1:8080".to_owned(),
            server_sha256: digest(build),
            policy_digest: policy.to_owned(),
            policy: BTreeMap::from([("limits.in_flight".to_owned(), limit.to_owned())]),
        };
        self.instances.insert("one".to_owned(), instance);
        // A question about what runs is about the build that was judged.
        if build != "aa" {
            self.server = Some("aa");
        }
    }

    /// Removes the entries of one kind from the ledger's folder.
    pub fn forget_entry(&mut self, told: &str) {
        for (hash, entry) in self.ledger().entries().unwrap() {
            let is_told = serde_json::to_value(entry.told).unwrap() == told;
            if is_told {
                std::fs::remove_file(self.reports().join(format!("ledger/{hash}.json"))).unwrap();
            }
        }
    }

    /// The ledger as it was before something that a checkpoint saw.
    pub fn roll_back(&mut self) {
        let hash = self.log(Line::Outcome, "20261121T090000Z-0000000-8", &self.failure());
        self.checkpoint();
        std::fs::remove_file(self.reports().join(format!("ledger/{hash}.json"))).unwrap();
    }

    pub fn delete_failing_fork(&mut self) {
        let fork = Ledger::at(&self.folder.path().join("fork"));
        let hash = fork
            .append(Line::Outcome, "fork", BEGIN, self.failure())
            .unwrap();
        self.ledger().merge(&fork, BEGIN).unwrap();
        self.checkpoint();
        let merge = self.ledger().checkpoint().unwrap().heads;
        for hash in merge.iter().chain([&hash]) {
            std::fs::remove_file(self.reports().join(format!("ledger/{hash}.json"))).unwrap();
        }
    }

    fn failure(&self) -> Value {
        self.outcome("FAIL", "2026-11-21T12:30:00Z")
    }

    pub fn add_failure(&mut self) {
        self.log(Line::Outcome, "20261121T110000Z-0000000-8", &self.failure());
    }

    fn abort(&self) -> String {
        let plan = json!({
            "server_sha256": digest("aa"), "profile": "quick", "driver": "local",
            "store": "redis", "seed": "9", "spoiler": null, "intended": ["V.4", "V.7"],
        });
        let body = json!({"plan": plan});
        let at = "2026-11-21T12:40:00Z";
        self.ledger()
            .append(Line::Intent, "aborted", at, body)
            .unwrap()
    }

    pub fn add_aborted(&mut self) {
        self.abort();
    }

    pub fn remove_aborted(&mut self) {
        let hash = self.abort();
        self.checkpoint();
        std::fs::remove_file(self.reports().join(format!("ledger/{hash}.json"))).unwrap();
    }

    pub fn decide(&mut self, course: Course, days: i64) {
        self.decide_with(&self.key, course, days);
    }

    pub fn decide_as_stranger(&mut self) {
        self.decide_with(&PrivateKey::generate().unwrap(), Course::Go, 5);
    }

    fn decide_with(&self, key: &PrivateKey, course: Course, days: i64) {
        let written = Written {
            course,
            claim: "merge-ready".to_owned(),
            server_sha256: digest("aa"),
            run: RUN.to_owned(),
            root: "root".to_owned(),
            by: "ann".to_owned(),
            reason: "a reason".to_owned(),
            at: self.now,
            until: self.now + SignedDuration::from_hours(days * 24),
        };
        let mut envelope = Envelope::around(&written.statement());
        let signature = key.sign(&envelope.to_sign());
        envelope.add(&key.public(), &signature);
        self.log(Line::Decision, RUN, &json!({"envelope": envelope}));
    }
}
