//! What a person decided against or without the evidence: signed, bound to a build, with an end.

use std::collections::BTreeSet;

use exai_judge::gate::{Course, Decision};
use exai_judge::refusal::{Refusal, Why};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::envelope::Envelope;
use super::statement::STATEMENT;
use super::trust::Trust;

/// The predicate of a decision.
pub const DECISION: &str = "https://exai.dev/decision/v1";

/// A decision as it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// What was decided.
    pub course: Course,
    /// For which claim.
    pub claim: String,
    /// SHA-256 (hex) of the server it is about.
    pub server_sha256: String,
    /// The run that was in front of the person, and the root of its record.
    pub run: String,
    /// The Merkle root of that record.
    pub root: String,
    /// Who decided.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl Written {
    /// The statement to be signed.
    #[must_use]
    pub fn statement(&self) -> Value {
        json!({
            "_type": STATEMENT,
            "subject": [{"name": "exai", "digest": {"sha256": self.server_sha256}}],
            "predicateType": DECISION,
            "predicate": self,
        })
    }

    /// Reads a decision that a trusted key signed.
    ///
    /// # Errors
    /// A [`Refusal`] when it is none, or no trusted key signed it at that time.
    pub fn read(envelope: &Envelope, trust: &Trust) -> Result<Self, Refusal> {
        let (statement, ids): (Value, BTreeSet<String>) = envelope.open(&trust.keys())?;
        if statement["predicateType"] != DECISION {
            return Err(Refusal::new(Why::StatementType, "this is no decision"));
        }
        let written: Self = serde_json::from_value(statement["predicate"].clone())
            .map_err(|error| Refusal::new(Why::StatementType, error.to_string()))?;
        for id in &ids {
            trust.signer(id, written.at)?;
        }
        Ok(written)
    }

    /// As the gate weighs it.
    #[must_use]
    pub fn weighed(&self) -> Decision {
        Decision {
            course: self.course,
            claim: self.claim.clone(),
            server: self.server_sha256.clone(),
            by: self.by.clone(),
            reason: self.reason.clone(),
            at: self.at.as_second(),
            until: self.until.as_second(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::key::PrivateKey;

    #[test]
    fn only_a_trusted_key_decides_and_only_a_decision_is_one() {
        let at: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let written = Written {
            course: Course::Go,
            claim: "merge-ready".to_owned(),
            server_sha256: "ab".repeat(32),
            run: "r".to_owned(),
            root: "cd".repeat(32),
            by: "ann".to_owned(),
            reason: "a reason".to_owned(),
            at,
            until: at,
        };
        let key = PrivateKey::generate().unwrap();
        let trust = Trust::of_keys(vec![key.public()]);
        let sign = |statement: &Value| {
            let mut envelope = Envelope::around(statement);
            let signature = key.sign(&envelope.to_sign());
            envelope.add(&key.public(), &signature);
            envelope
        };
        let envelope = sign(&written.statement());
        assert_eq!(Written::read(&envelope, &trust).unwrap(), written);
        let stranger = Trust::of_keys(vec![PrivateKey::generate().unwrap().public()]);
        assert!(Written::read(&envelope, &stranger).is_err());
        let other = sign(&json!({"predicateType": "x", "predicate": written}));
        assert_eq!(
            Written::read(&other, &trust).unwrap_err().why,
            Why::StatementType
        );
    }
}
