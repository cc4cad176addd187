//! The trust bundle: whose keys count for what, which harness may judge, and by which criteria.
//!
//! It belongs to the one who asks, not to the repository that is judged, and is pinned by digest.

use std::path::Path;

use exai_judge::claim::Role;
use exai_judge::refusal::{Refusal, Why};
use jiff::Timestamp;
use serde::Deserialize;

use super::AttestError;
use super::key::PublicKey;

/// A parsed bundle.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    keys: Vec<TrustedKey>,
    harness: Vec<String>,
    criteria_sha256: Option<String>,
}

#[derive(Debug, Clone)]
struct TrustedKey {
    public: PublicKey,
    owner: String,
    role: Role,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    revoked: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    criteria_sha256: Option<String>,
    #[serde(default)]
    harness_sha256: Vec<String>,
    #[serde(default, rename = "key")]
    keys: Vec<WrittenKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    owner: String,
    role: Role,
    public: String,
    from: Option<String>,
    until: Option<String>,
    revoked: Option<String>,
}

/// A key that signed, as far as it is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// SHA-256 (hex) of the key in DER.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// What for.
    pub role: Role,
}

impl Trust {
    /// Reads a bundle; where `pinned` is given, its bytes must have that SHA-256 (hex).
    ///
    /// # Errors
    /// When it cannot be read, is not what was pinned, or is no bundle.
    pub fn read(path: &Path, pinned: Option<&str>) -> Result<Self, AttestError> {
        let text = std::fs::read_to_string(path).map_err(|cause| AttestError::File {
            path: path.display().to_string(),
            cause,
        })?;
        let found = exai_judge::hex::sha256(text.as_bytes());
        if let Some(pinned) = pinned.filter(|pinned| **pinned != found) {
            let says = format!("{} is {found}, not the pinned {pinned}", path.display());
            return Err(AttestError::Trust(says));
        }
        Self::parse(&text)
    }

    /// Parses a bundle.
    ///
    /// # Errors
    /// When a key or a date is none.
    pub fn parse(text: &str) -> Result<Self, AttestError> {
        let written: Written =
            toml::from_str(text).map_err(|error| AttestError::Trust(error.to_string()))?;
        let keys = written.keys.into_iter().map(TrustedKey::of);
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
            harness: written.harness_sha256,
            criteria_sha256: written.criteria_sha256,
        })
    }

    /// Trust in given public keys alone, for anything.
    #[must_use]
    pub fn of_keys(keys: Vec<PublicKey>) -> Self {
        let trusted = |public| TrustedKey {
            public,
            owner: "given on the command line".to_owned(),
            role: Role::Release,
            from: None,
            until: None,
            revoked: None,
        };
        Self {
            keys: keys.into_iter().map(trusted).collect(),
            ..Self::default()
        }
    }

    /// Every key of the bundle, revoked ones included: whether they count is [`Trust::signer`]'s.
    #[must_use]
    pub fn keys(&self) -> Vec<PublicKey> {
        self.keys.iter().map(|key| key.public.clone()).collect()
    }

    /// The key of that id, if it could sign at that moment.
    ///
    /// # Errors
    /// [`Why::UntrustedKey`] when it was revoked or the moment is outside its window.
    pub fn signer(&self, id: &str, at: Timestamp) -> Result<Trusted, Refusal> {
        let refused = |says: String| Err(Refusal::new(Why::UntrustedKey, says));
        let Some(key) = self.keys.iter().find(|key| key.public.id() == id) else {
            return refused(format!("key {id} is not in the trust bundle"));
        };
        let owner = &key.owner;
        if let Some(date) = &key.revoked {
            return refused(format!("the key of {owner} was revoked on {date}"));
        }
        if key.from.is_some_and(|from| at < from) || key.until.is_some_and(|until| at > until) {
            return refused(format!("the key of {owner} is not valid at {at}"));
        }
        Ok(Trusted {
            id: id.to_owned(),
            owner: owner.clone(),
            role: key.role,
        })
    }

    /// Refuses a harness or a text of the criteria that the bundle does not name. A bundle that
    /// names none leaves them open.
    ///
    /// # Errors
    /// [`Why::Harness`], [`Why::CriterionText`].
    pub fn check_judge(&self, harness: &str, criteria: &str) -> Result<(), Refusal> {
        let is_named = |sha256: &String| sha256 == harness;
        if !self.harness.is_empty() && !self.harness.iter().any(is_named) {
            let says = format!("judged by harness {harness}, which the trust bundle does not name");
            return Err(Refusal::new(Why::Harness, says));
        }
        match &self.criteria_sha256 {
            Some(named) if named != criteria => {
                let says = format!("judged by criteria {criteria}, the trust bundle names {named}");
                Err(Refusal::new(Why::CriterionText, says))
            }
            _ => Ok(()),
        }
    }
}

impl TrustedKey {
    fn of(written: WrittenKey) -> Result<Self, AttestError> {
        let owner = written.owner;
        let public = PublicKey::from_pem(&written.public).ok_or_else(|| {
            AttestError::Trust(format!(
                "the key of {owner} is no Ed25519 public key in PEM"
            ))
        })?;
        let moment = |text: Option<String>| {
            let parsed = text.map(|text| moment(&text).ok_or(text));
            parsed.transpose().map_err(|text| {
                AttestError::Trust(format!("{text:?} of {owner} is no date (2026-12-31)"))
            })
        };
        Ok(Self {
            from: moment(written.from)?,
            until: moment(written.until)?,
            revoked: written.revoked,
            role: written.role,
            public,
            owner,
        })
    }
}

/// A moment as people write it: a time with its zone, or a date, which ends with its day in UTC.
#[must_use]
pub fn moment(text: &str) -> Option<Timestamp> {
    let of_day = || format!("{text}T23:59:59Z").parse().ok();
    text.parse().ok().or_else(of_day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::key::PrivateKey;

    fn bundle(key: &PrivateKey, more: &str) -> Trust {
        let pem = key.public().to_pem();
        let text = format!("[[key]]\nowner = \"ann\"\nrole = \"ci\"\npublic = '''{pem}'''\n{more}");
        Trust::parse(&text).unwrap()
    }

    #[test]
    fn a_key_counts_within_its_window_and_never_once_revoked() {
        let key = PrivateKey::generate().unwrap();
        let id = key.public().id();
        let at: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let counts = |more: &str| bundle(&key, more).signer(&id, at).is_ok();
        assert!(counts(""));
        assert!(counts("until = \"2026-11-21\""));
        assert!(!counts("until = \"2026-11-20\""));
        assert!(!counts("from = \"2026-11-22T00:00:00Z\""));
        assert!(!counts("revoked = \"2026-12-24\""));
        assert!(bundle(&key, "").signer("another", at).is_err());
    }

    #[test]
    fn a_bundle_is_pinned_by_its_bytes_and_knows_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trust.toml");
        std::fs::write(&path, "harness_sha256 = [\"aa\"]\n").unwrap();
        let digest = exai_judge::hex::sha256(b"harness_sha256 = [\"aa\"]\n");
        let trust = Trust::read(&path, Some(&digest)).unwrap();
        assert_eq!(trust.check_judge("bb", "").unwrap_err().why, Why::Harness);
        assert!(trust.check_judge("aa", "").is_ok());
        assert!(Trust::read(&path, Some("00")).is_err());
        assert!(Trust::parse("unknown = 1").is_err());
        let locked = Trust::parse("criteria_sha256 = \"cc\"").unwrap();
        let refused = locked.check_judge("aa", "dd").unwrap_err();
        assert_eq!(refused.why, Why::CriterionText);
    }
}
