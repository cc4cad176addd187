//! Who may speak: the secrets the server trusts, and tokens for the people of the workloads.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;
use exai_harness::client::Identity;
use exai_harness::probe::Bearer;
use exai_harness::scratch::Scratch;
use exai_harness::token::{Mint, Signature};
use serde_json::{Value, json};

use crate::stage::Person;

/// `auth.jwt.issuer` of every run.
pub const ISSUER: &str = "https://issuer.example";
/// `auth.jwt.audience` of every run.
pub const AUDIENCE: &str = "exai";
/// `auth.jwt.key_id` of every run.
pub const KEY_ID: &str = "main";
const LEEWAY_S: u64 = 30;
const MAX_LIFETIME_S: u64 = 3_600;

/// The secrets of one run, and tokens made with them.
#[derive(Clone)]
pub struct Mints {
    secret: String,
    private: SigningKey,
    public_key_file: PathBuf,
}

impl Mints {
    /// Draws secrets from the operating system and writes the public half for the server.
    ///
    /// # Errors
    /// When there are no random bytes, or the file cannot be written.
    pub fn draw(folder: &Scratch) -> std::io::Result<Self> {
        let mut seed = [0; 32];
        let mut secret = [0; 32];
        getrandom::fill(&mut seed).map_err(std::io::Error::other)?;
        getrandom::fill(&mut secret).map_err(std::io::Error::other)?;
        let mut mints = Self {
            secret: exai_judge::hex::encode(&secret),
            private: SigningKey::from_bytes(&seed),
            public_key_file: PathBuf::new(),
        };
        let pem = mints.mint(Signature::EdDsa).public_pem();
        mints.public_key_file = folder.file("jwt.pem", pem.as_bytes())?;
        Ok(mints)
    }

    /// The mint of good and bad tokens.
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
        }
    }

    /// The server's secret environment.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        vec![("EXAI_JWT_SECRET".to_owned(), self.secret.clone())]
    }

    /// The public key, for the server to read.
    #[must_use]
    pub fn public_key_file(&self) -> &Path {
        &self.public_key_file
    }

    /// A token for a person; every third is signed with Ed25519.
    #[must_use]
    pub fn token(&self, who: Person, roles: &[&str]) -> String {
        let signature = if who.number.is_multiple_of(3) {
            Signature::EdDsa
        } else {
            Signature::Hs256
        };
        self.mint(signature)
            .good(&who.name(), roles, MAX_LIFETIME_S - 60, now())
    }

    /// What a saboteur is given: tokens the server accepts, and a secret of ours to leak.
    #[must_use]
    pub fn impostor_parameters(&self) -> Value {
        let accomplice = |number| Person {
            role: "accomplice",
            number,
        };
        let others = (0..16).map(|n| self.token(accomplice(810 + n), &["user"]));
        let tokens: Vec<String> = others.collect();
        json!({
            "token": self.token(accomplice(801), &["user"]),
            "admin_token": self.token(accomplice(802), &["admin"]),
            "tool": "status",
            "canary": self.secret,
            "tokens": tokens,
        })
    }

    /// A person with a token of an ordinary user.
    #[must_use]
    pub fn identity(&self, who: Person) -> Identity {
        who.identity().with_bearer(self.token(who, &["user"]))
    }

    /// Fresh tokens of role admin, for our own probes.
    #[must_use]
    pub fn bearer(&self) -> Bearer {
        let mints = self.clone();
        let admin = Person {
            role: "operator",
            number: 1,
        };
        Arc::new(move || Some(mints.token(admin, &["admin"])))
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
