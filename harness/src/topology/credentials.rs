//! The secrets the server trusts in one run, and the mints that make tokens with them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;

use super::TopologyError;
use crate::probe::Bearer;
use crate::scratch::Scratch;
use crate::server::Settings;
use crate::token::{Mint, Signature};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "exai";
const KEY_ID: &str = "main";
const LEEWAY_S: u64 = 30;
const MAX_LIFETIME_S: u64 = 3_600;
/// Our own probes' tokens live this long.
const PROBE_LIFETIME_S: u64 = 600;

/// Drawn from the operating system.
#[derive(Clone)]
pub struct Credentials {
    secret: String,
    private: SigningKey,
    metrics_token: String,
    public_key_file: PathBuf,
}

impl Credentials {
    pub(super) fn draw(scratch: &Scratch) -> Result<Self, TopologyError> {
        let failed = |cause| TopologyError::Files {
            what: "the run's credentials",
            cause,
        };
        let random = || {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes)
                .map(|()| bytes)
                .map_err(|cause| failed(cause.into()))
        };
        let mut credentials = Self {
            secret: exai_judge::hex::encode(&random()?),
            private: SigningKey::from_bytes(&random()?),
            metrics_token: exai_judge::hex::encode(&random()?),
            public_key_file: PathBuf::new(),
        };
        let pem = credentials.mint(Signature::EdDsa).public_pem();
        let file = scratch.file("jwt.pem", pem.as_bytes());
        credentials.public_key_file = file.map_err(failed)?;
        Ok(credentials)
    }

    /// A mint of good and malformed tokens, signing as the server allows.
    #[must_use]
    pub fn mint(&self, signature: Signature) -> Mint {
        Mint {
            secret: self.secret.clone().into_bytes(),
            private: self.private.clone(),
            signature,
            key_id: KEY_ID.to_owned(),
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            leeway: LEEWAY_S,
            max_lifetime: MAX_LIFETIME_S,
            subject: "ada".to_owned(),
            role: "user".to_owned(),
        }
    }

    /// The static token of `/metrics`.
    #[must_use]
    pub fn metrics_token(&self) -> &str {
        &self.metrics_token
    }

    /// What no output may show.
    pub(super) fn secrets(&self) -> [&str; 2] {
        [&self.secret, &self.metrics_token]
    }

    /// Fresh tokens of role admin, for our own probes.
    #[must_use]
    pub fn bearer(&self) -> Bearer {
        let mint = self.mint(Signature::Hs256);
        Arc::new(move || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_or(0, |since| since.as_secs());
            Some(mint.good("operator", &["admin"], PROBE_LIFETIME_S, now))
        })
    }

    /// A good token of role `admin` or `user` for `subject`, for as long as tokens may live.
    #[must_use]
    pub fn token(&self, subject: &str, roles: &[&str], signature: Signature) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        self.mint(signature)
            .good(subject, roles, MAX_LIFETIME_S - LEEWAY_S, now)
    }

    /// The secrets of the server's environment.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        vec![
            ("EXAI_JWT_SECRET".to_owned(), self.secret.clone()),
            ("EXAI_METRICS_TOKEN".to_owned(), self.metrics_token.clone()),
        ]
    }

    /// The server's configuration of authentication.
    pub(super) fn settings(&self) -> Settings {
        let algorithms = [Signature::Hs256, Signature::EdDsa].map(|one| one.name().to_owned());
        Settings::default()
            .with("auth.mode", "jwt")
            .with("auth.jwt.algorithms", algorithms.to_vec())
            .with("auth.jwt.issuer", ISSUER)
            .with("auth.jwt.audience", AUDIENCE)
            .with("auth.jwt.key_id", KEY_ID)
            .with(
                "auth.jwt.public_key_file",
                self.public_key_file.display().to_string(),
            )
    }
}
