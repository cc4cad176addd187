//! That a judge passed its own test: signed, and bound to its digests.

use std::collections::BTreeSet;

use exai_judge::gate::{JudgeDigests, SelfTest};
use exai_judge::refusal::{Refusal, Why};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::envelope::Envelope;
use super::statement::STATEMENT;
use super::trust::Trust;

/// The predicate of a self-test.
pub const SELFTEST: &str = "https://exai.dev/selftest/v1";

/// A self-test of the whole table in which every row came out as demanded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passed {
    /// SHA-256 (hex) of the harness' executable.
    pub harness_sha256: String,
    /// SHA-256 (hex) of the criteria text.
    pub criteria_sha256: String,
    /// Rows of the table beside the honest control.
    pub rows: usize,
    /// The seeds it was run with.
    pub seeds: BTreeSet<u64>,
    /// Its end.
    pub at: Timestamp,
}

impl Passed {
    /// The statement to be signed.
    #[must_use]
    pub fn statement(&self) -> Value {
        json!({
            "_type": STATEMENT,
            "subject": [{"name": "verify", "digest": {"sha256": self.harness_sha256}}],
            "predicateType": SELFTEST,
            "predicate": self,
        })
    }

    /// Reads a self-test that a trusted key signed, as the gate weighs it.
    ///
    /// # Errors
    /// A [`Refusal`] when it is none, or no trusted key signed it at that time.
    pub fn read(envelope: &Envelope, trust: &Trust) -> Result<SelfTest, Refusal> {
        let (statement, ids) = envelope.open(&trust.keys())?;
        if statement["predicateType"] != SELFTEST {
            return Err(Refusal::new(Why::StatementType, "this is no self-test"));
        }
        let passed: Self = serde_json::from_value(statement["predicate"].clone())
            .map_err(|error| Refusal::new(Why::StatementType, error.to_string()))?;
        let mut signer = None;
        for id in &ids {
            signer = signer.max(Some(trust.signer(id, passed.at)?.role));
        }
        let unsigned = || Refusal::new(Why::Signature, "nobody signed it");
        Ok(SelfTest {
            signer: signer.ok_or_else(unsigned)?,
            at: passed.at.as_second(),
            judge: JudgeDigests {
                harness: passed.harness_sha256,
                criteria: passed.criteria_sha256,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use exai_judge::claim::Role;

    use super::*;
    use crate::attest::key::PrivateKey;

    fn signed(statement: &Value, key: &PrivateKey) -> Envelope {
        let mut envelope = Envelope::around(statement);
        let signature = key.sign(&envelope.to_sign());
        envelope.add(&key.public(), &signature);
        envelope
    }

    #[test]
    fn only_a_trusted_key_vouches_for_a_judge_and_by_its_own_role() {
        let passed = Passed {
            harness_sha256: "ab".repeat(32),
            criteria_sha256: "cd".repeat(32),
            rows: 84,
            seeds: BTreeSet::from([7]),
            at: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        let key = PrivateKey::generate().unwrap();
        let pem = key.public().to_pem();
        let bundle = format!("[[key]]\nowner = \"ci\"\nrole = \"ci\"\npublic = '''{pem}'''\n");
        let trust = Trust::parse(&bundle).unwrap();
        let read = |envelope: &Envelope| Passed::read(envelope, &trust);
        let found = read(&signed(&passed.statement(), &key)).unwrap();
        assert_eq!(found.signer, Role::Ci);
        assert_eq!(found.at, passed.at.as_second());
        assert_eq!(found.judge.harness, passed.harness_sha256);
        assert_eq!(found.judge.criteria, passed.criteria_sha256);
        let stranger = PrivateKey::generate().unwrap();
        assert!(read(&signed(&passed.statement(), &stranger)).is_err());
        let other = signed(&json!({"predicateType": "x", "predicate": passed}), &key);
        assert_eq!(read(&other).unwrap_err().why, Why::StatementType);
    }
}
