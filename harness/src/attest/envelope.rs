//! DSSE envelopes: exact bytes, and signatures over them (secure-systems-lab/dsse, version 1).
//!
//! Signatures are checked first and the same bytes are parsed afterwards; nothing is serialised
//! again in between.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exai_judge::refusal::{Refusal, Why};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::key::PublicKey;
use crate::canonical::canonical;

/// The media type of an in-toto statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Signed bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Always [`IN_TOTO`].
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// Standard base64 of the statement's exact bytes.
    pub payload: String,
    /// Who signed.
    pub signatures: Vec<Signature>,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// A hint: the SHA-256 (hex) of the public key in DER.
    #[serde(default)]
    pub keyid: String,
    /// Standard base64 of the 64 bytes.
    pub sig: String,
}

/// The bytes that are signed: the type and the body, each after its length.
#[must_use]
pub fn pre_authentication(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        body.len()
    );
    [head.as_bytes(), body].concat()
}

impl Envelope {
    /// An envelope around a statement that nobody has signed yet.
    #[must_use]
    pub fn around(statement: &Value) -> Self {
        Self {
            payload_type: IN_TOTO.to_owned(),
            payload: STANDARD.encode(canonical(statement)),
            signatures: Vec::new(),
        }
    }

    /// The bytes to be signed.
    #[must_use]
    pub fn to_sign(&self) -> Vec<u8> {
        let body = STANDARD.decode(&self.payload).unwrap_or_default();
        pre_authentication(&self.payload_type, &body)
    }

    /// Adds a signature over [`Envelope::to_sign`].
    pub fn add(&mut self, key: &PublicKey, signature: &[u8]) {
        self.signatures.push(Signature {
            keyid: key.id(),
            sig: STANDARD.encode(signature),
        });
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// [`Why::Changed`] when the text is none.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        serde_json::from_str(text)
            .map_err(|error| Refusal::new(Why::Changed, format!("this is no envelope: {error}")))
    }

    /// The statement as it stands, whoever signed it; null when it is none. For comparing two
    /// statements, never for believing one.
    #[must_use]
    pub fn unchecked(&self) -> Value {
        let body = STANDARD.decode(&self.payload).unwrap_or_default();
        serde_json::from_slice(&body).unwrap_or_default()
    }

    /// The text of a file.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Strings and lists of strings always serialise.
        serde_json::to_value(self).map_or_else(|_| String::new(), |value| canonical(&value))
    }

    /// The statement, and the ids of those of `keys` that signed it, each counted once. Signatures
    /// of other keys are passed over.
    ///
    /// # Errors
    /// [`Why::StatementType`] for another media type, [`Why::Signature`] when nobody signed or a
    /// signature under the name of one of `keys` does not fit, [`Why::UntrustedKey`] when none of
    /// `keys` did, [`Why::Changed`] when the body is no JSON.
    pub fn open(&self, keys: &[PublicKey]) -> Result<(Value, BTreeSet<String>), Refusal> {
        if self.payload_type != IN_TOTO {
            let says = format!("the envelope holds {}", self.payload_type);
            return Err(Refusal::new(Why::StatementType, says));
        }
        if self.signatures.is_empty() {
            return Err(Refusal::new(
                Why::Signature,
                "the envelope carries no signature",
            ));
        }
        let not_base64 = |_| Refusal::new(Why::Signature, "the payload is not base64");
        let body = STANDARD.decode(&self.payload).map_err(not_base64)?;
        let bytes = pre_authentication(&self.payload_type, &body);
        let mut signers = BTreeSet::new();
        for signature in &self.signatures {
            let sig = STANDARD.decode(&signature.sig).unwrap_or_default();
            let fits = keys.iter().find(|key| key.has_signed(&bytes, &sig));
            match fits {
                Some(key) => {
                    signers.insert(key.id());
                }
                None if keys.iter().any(|key| key.id() == signature.keyid) => {
                    let says = format!("the signature of key {} does not fit", signature.keyid);
                    return Err(Refusal::new(Why::Signature, says));
                }
                None => {}
            }
        }
        if signers.is_empty() {
            let named: Vec<&str> = self.signatures.iter().map(|one| &*one.keyid).collect();
            let says = format!("signed by {}, which is not trusted", named.join(", "));
            return Err(Refusal::new(Why::UntrustedKey, says));
        }
        let statement = serde_json::from_slice(&body)
            .map_err(|error| Refusal::new(Why::Changed, format!("the payload: {error}")))?;
        Ok((statement, signers))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::attest::key::PrivateKey;

    fn signed(by: &[&PrivateKey]) -> Envelope {
        let mut envelope = Envelope::around(&json!({"a": 1}));
        for key in by {
            let signature = key.sign(&envelope.to_sign());
            envelope.add(&key.public(), &signature);
        }
        envelope
    }

    #[test]
    fn the_signed_bytes_are_those_of_the_specification() {
        // The example of the DSSE protocol text.
        assert_eq!(
            pre_authentication("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn one_key_that_signs_twice_is_one_signer() {
        let key = PrivateKey::generate().unwrap();
        let (_, signers) = signed(&[&key, &key]).open(&[key.public()]).unwrap();
        assert_eq!(signers.len(), 1);
    }

    #[test]
    fn no_signature_a_foreign_one_and_one_that_does_not_fit_are_told_apart() {
        let (key, other) = (
            PrivateKey::generate().unwrap(),
            PrivateKey::generate().unwrap(),
        );
        let why = |envelope: &Envelope| envelope.open(&[key.public()]).unwrap_err().why;
        assert_eq!(why(&signed(&[])), Why::Signature);
        assert_eq!(why(&signed(&[&other])), Why::UntrustedKey);
        let mut touched = signed(&[&key]);
        touched.payload = Envelope::around(&json!({"a": 2})).payload;
        assert_eq!(why(&touched), Why::Signature);
        let mut typed = signed(&[&key]);
        typed.payload_type = "application/json".to_owned();
        assert_eq!(why(&typed), Why::StatementType);
        let both = signed(&[&other, &key]).open(&[key.public()]).unwrap();
        assert_eq!(both.1, BTreeSet::from([key.public().id()]));
    }
}
