//! Bearer tokens: compact, signed, short-lived, for us, from the one issuer (RFC 7519, RFC 8725).
//!
//! Everything that is not exactly that is refused, and every refusal looks the same from outside;
//! the reason goes to the audit line. Not built here: JWKS, discovery, revocation by `jti`.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm as Signature, DecodingKey, crypto};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

use super::policy::Policy;
use super::principal::{LONGEST_NAME, Principal};
use super::strict_json::StrictObject;
use crate::config::{Algorithm, Config};

/// Header members that let a token bring its own key or change how it is read.
const FOREIGN: [&str; 9] = [
    "crit", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "zip", "b64",
];

/// Token kinds accepted in `typ`.
const KINDS: [&str; 2] = ["jwt", "at+jwt"];

/// Most roles read from one token.
const MOST_ROLES: usize = 32;

/// Why a token is refused: a code for the audit line, never for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TokenError(pub &'static str);

type Checked<T> = Result<T, TokenError>;

const fn refuse<T>(code: &'static str) -> Checked<T> {
    Err(TokenError(code))
}

/// Why a key could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The PEM file could not be read.
    #[error("the public key file {0} could not be read: {1}")]
    Unreadable(String, std::io::Error),
    /// The PEM file does not hold a key of the configured algorithm.
    #[error("the public key file {0} holds no {1:?} public key")]
    Unfit(String, Algorithm),
}

/// Checks tokens against one configuration.
pub struct TokenCheck {
    keys: HashMap<&'static str, (Signature, DecodingKey)>,
    issuer: String,
    audience: String,
    key_id: String,
    leeway: u64,
    max_lifetime: u64,
    longest: usize,
    policy: Arc<Policy>,
}

impl std::fmt::Debug for TokenCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenCheck({:?})", self.keys.keys())
    }
}

const fn signature(algorithm: Algorithm) -> (&'static str, Signature) {
    match algorithm {
        Algorithm::HS256 => ("HS256", Signature::HS256),
        Algorithm::EdDsa => ("EdDSA", Signature::EdDSA),
        Algorithm::RS256 => ("RS256", Signature::RS256),
        Algorithm::ES256 => ("ES256", Signature::ES256),
    }
}

impl TokenCheck {
    /// Prepares the keys of a checked configuration.
    ///
    /// # Errors
    /// When the public key file cannot be read or holds another kind of key.
    pub fn new(config: &Config, policy: Arc<Policy>) -> Result<Self, KeyError> {
        let jwt = &config.auth.jwt;
        let mut keys = HashMap::new();
        for algorithm in &jwt.algorithms {
            let (name, signature) = signature(*algorithm);
            if let Some(key) = key(config, *algorithm)? {
                keys.insert(name, (signature, key));
            }
        }
        Ok(Self {
            keys,
            issuer: jwt.issuer.clone(),
            audience: jwt.audience.clone(),
            key_id: jwt.key_id.clone(),
            leeway: jwt.leeway.as_secs(),
            max_lifetime: jwt.max_lifetime.as_secs(),
            longest: config.limits.token_bytes,
            policy,
        })
    }

    /// The caller a token stands for, at a time in seconds since the epoch.
    ///
    /// # Errors
    /// The reason's code, for the audit line.
    pub fn check(&self, token: &str, now: u64) -> Checked<Principal> {
        if token.len() > self.longest {
            return refuse("token_too_long");
        }
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, proof] = parts.as_slice() else {
            return refuse("token_not_compact");
        };
        if proof.is_empty() {
            return refuse("token_unsigned");
        }
        let (signature, key) = self.key_of(&decode(header)?)?;
        canonical(proof)?;
        let signed = token.rsplit_once('.').map_or("", |(signed, _)| signed);
        match crypto::verify(proof, signed.as_bytes(), key, signature) {
            Ok(true) => {}
            Ok(false) | Err(_) => return refuse("token_signature"),
        }
        self.principal(&decode(payload)?, now)
    }

    fn key_of(&self, header: &Map<String, Value>) -> Checked<(Signature, &DecodingKey)> {
        if FOREIGN.iter().any(|name| header.contains_key(*name)) {
            return refuse("token_foreign_header");
        }
        match header.get("typ") {
            None => {}
            Some(Value::String(kind)) if KINDS.contains(&kind.to_lowercase().as_str()) => {}
            Some(_) => return refuse("token_kind"),
        }
        match header.get("kid") {
            None => {}
            Some(Value::String(kid)) if *kid == self.key_id && !kid.is_empty() => {}
            Some(_) => return refuse("token_key_id"),
        }
        let Some(Value::String(name)) = header.get("alg") else {
            return refuse("token_algorithm");
        };
        match self.keys.get(name.as_str()) {
            Some((signature, key)) => Ok((*signature, key)),
            None => refuse("token_algorithm"),
        }
    }

    fn principal(&self, claims: &Map<String, Value>, now: u64) -> Checked<Principal> {
        self.check_times(claims, now)?;
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return refuse("token_issuer");
        }
        if !self.is_for_us(claims.get("aud")) {
            return refuse("token_audience");
        }
        let subject = claims
            .get("sub")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let is_printable = subject.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if subject.trim().is_empty() || subject.len() > LONGEST_NAME || !is_printable {
            return refuse("token_subject");
        }
        let roles = claims
            .get("roles")
            .and_then(Value::as_array)
            .map_or(Vec::new(), |roles| {
                let names = roles.iter().filter_map(Value::as_str);
                names.take(MOST_ROLES).map(str::to_owned).collect()
            });
        Ok(Principal::new(
            subject.to_owned(),
            roles,
            Arc::clone(&self.policy),
        ))
    }

    fn check_times(&self, claims: &Map<String, Value>, now: u64) -> Checked<()> {
        let (Some(expires), Some(issued)) = (seconds(claims, "exp"), seconds(claims, "iat")) else {
            return refuse("token_times");
        };
        if expires.saturating_add(self.leeway) <= now {
            return refuse("token_expired");
        }
        if issued > now.saturating_add(self.leeway) {
            return refuse("token_from_the_future");
        }
        if expires <= issued || expires - issued > self.max_lifetime {
            return refuse("token_lifetime");
        }
        match claims.get("nbf") {
            None => Ok(()),
            Some(from)
                if from
                    .as_u64()
                    .is_some_and(|from| from <= now.saturating_add(self.leeway)) =>
            {
                Ok(())
            }
            Some(_) => refuse("token_not_yet"),
        }
    }

    fn is_for_us(&self, audience: Option<&Value>) -> bool {
        match audience {
            Some(Value::String(one)) => *one == self.audience,
            Some(Value::Array(many)) => {
                many.iter().all(Value::is_string)
                    && many.iter().any(|one| one.as_str() == Some(&self.audience))
            }
            _ => false,
        }
    }
}

fn seconds(claims: &Map<String, Value>, name: &str) -> Option<u64> {
    claims.get(name).and_then(Value::as_u64)
}

/// Unpadded base64url in its one canonical spelling.
fn canonical(part: &str) -> Checked<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).or(refuse("token_encoding"))
}

fn decode(part: &str) -> Checked<Map<String, Value>> {
    match StrictObject::parse(&canonical(part)?) {
        Ok(StrictObject(map)) => Ok(map),
        Err(_) => refuse("token_json"),
    }
}

fn key(config: &Config, algorithm: Algorithm) -> Result<Option<DecodingKey>, KeyError> {
    if algorithm == Algorithm::HS256 {
        let secret = config.secrets.jwt.as_ref();
        return Ok(secret.map(|s| DecodingKey::from_secret(s.expose_secret().as_bytes())));
    }
    let path = &config.auth.jwt.public_key_file;
    let pem = std::fs::read(path).map_err(|error| KeyError::Unreadable(path.clone(), error))?;
    let key = match algorithm {
        Algorithm::EdDsa => DecodingKey::from_ed_pem(&pem),
        Algorithm::RS256 => DecodingKey::from_rsa_pem(&pem),
        Algorithm::ES256 | Algorithm::HS256 => DecodingKey::from_ec_pem(&pem),
    };
    key.map(Some)
        .map_err(|_| KeyError::Unfit(path.clone(), algorithm))
}

#[cfg(test)]
#[path = "token/tests.rs"]
mod tests;
