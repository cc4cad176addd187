//! Tokens signed by hand: good ones for the clients, and every malformed one of the battery.
//!
//! No token library is used: it would refuse to make what a server must refuse to take.

pub mod battery;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::{Sha256, Sha384, Sha512};

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// Ed25519.
    EdDsa,
    /// No signature bytes at all.
    None,
}

impl Signature {
    /// The `alg` that names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::EdDsa => "EdDSA",
            Self::None => "none",
        }
    }
}

/// What the server under judgement trusts, as the harness configured it.
#[derive(Clone)]
pub struct Mint {
    /// The HMAC secret.
    pub secret: Vec<u8>,
    /// The Ed25519 key whose public half the server holds.
    pub private: SigningKey,
    /// The algorithm of good tokens: `Hs256` or `EdDsa`, as the server allows.
    pub signature: Signature,
    /// `auth.jwt.key_id`.
    pub key_id: String,
    /// `auth.jwt.issuer`.
    pub issuer: String,
    /// `auth.jwt.audience`.
    pub audience: String,
    /// `auth.jwt.leeway`, s.
    pub leeway: u64,
    /// `auth.jwt.max_lifetime`, s.
    pub max_lifetime: u64,
    /// Whom its drafts are for.
    pub subject: String,
    /// The one role of its drafts.
    pub role: String,
}

/// A token before it is signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The header's fields.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
}

impl Draft {
    /// The same with a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// The same with a claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// The same without a claim.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }
}

impl Mint {
    /// A good token for `subject` with `roles`, valid for `lifetime` s from `now` (Unix time, s).
    #[must_use]
    pub fn good(&self, subject: &str, roles: &[&str], lifetime: u64, now: u64) -> String {
        let draft = self
            .draft(now)
            .claim("sub", subject)
            .claim("roles", json!(roles));
        self.sign(&draft.claim("exp", now + lifetime))
    }

    /// The draft of a good token of ten minutes, or of the longest allowed life when that is less.
    #[must_use]
    pub fn draft(&self, now: u64) -> Draft {
        let mut random = [0; 16];
        // A repeated identifier would only make two good tokens equal.
        let _drawn = getrandom::fill(&mut random);
        let header = json!({"alg": self.signature.name(), "typ": "JWT", "kid": self.key_id});
        let claims = json!({
            "sub": self.subject, "iss": self.issuer, "aud": self.audience, "iat": now,
            "exp": now + self.max_lifetime.min(600),
            "jti": exai_judge::hex::encode(&random), "roles": [self.role],
        });
        Draft {
            header: fields(header),
            claims: fields(claims),
        }
    }

    /// Signs a draft as good tokens are signed.
    #[must_use]
    pub fn sign(&self, draft: &Draft) -> String {
        let (header, claims) = (Value::from(draft.header.clone()), draft.claims.clone());
        self.sign_bytes(
            header.to_string().as_bytes(),
            Value::from(claims).to_string().as_bytes(),
            self.signature,
        )
    }

    /// Signs any bytes as header and payload, with any algorithm.
    #[must_use]
    pub fn sign_bytes(&self, header: &[u8], payload: &[u8], signature: Signature) -> String {
        let signed = format!("{}.{}", encode(header), encode(payload));
        let proof = match signature {
            Signature::Hs256 => hmac::<Hmac<Sha256>>(&self.secret, &signed),
            Signature::Hs384 => hmac::<Hmac<Sha384>>(&self.secret, &signed),
            Signature::Hs512 => hmac::<Hmac<Sha512>>(&self.secret, &signed),
            Signature::EdDsa => self.private.sign(signed.as_bytes()).to_bytes().to_vec(),
            Signature::None => Vec::new(),
        };
        format!("{signed}.{}", encode(&proof))
    }

    /// Signs with another Ed25519 key from now on.
    pub fn change_private(&mut self, seed: [u8; 32]) {
        self.private = SigningKey::from_bytes(&seed);
    }

    /// The public Ed25519 key as a JWK (RFC 8037).
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let x = encode(self.private.verifying_key().as_bytes());
        json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": x,
            "kid": self.key_id})
    }

    /// The public key as the PEM file that the server reads (RFC 8410).
    #[must_use]
    pub fn public_pem(&self) -> String {
        const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
        let mut der = PREFIX.to_vec();
        der.extend_from_slice(self.private.verifying_key().as_bytes());
        let body = STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }
}

/// Whom a token says it is of, whether or not it is good: the `sub` of its claims; None when it
/// cannot be read or names nobody.
#[must_use]
pub fn subject(token: &str) -> Option<String> {
    let claims = token.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    claims["sub"].as_str().map(str::to_owned)
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hmac<M: Mac + KeyInit>(secret: &[u8], signed: &str) -> Vec<u8> {
    // HMAC takes a key of any length; the empty answer would fail every good case at once.
    let Ok(mac) = <M as KeyInit>::new_from_slice(secret) else {
        return Vec::new();
    };
    mac.chain_update(signed).finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests;
