//! The keys of an issuer: those of the configuration, of a JWK Set in a file, or of one that is
//! fetched (RFC 7517). A public set holds public keys alone: a symmetric one in it is a fault.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm as Signature, DecodingKey};
use secrecy::ExposeSecret as _;

use super::token::KeyError;
use crate::config::{Algorithm, Config};

/// Most keys of one set.
const MOST_KEYS: usize = 16;

/// Shortest RSA modulus accepted, in bits.
const SHORTEST_RSA: usize = 2048;

/// One key that may sign.
#[derive(Clone)]
pub struct Key {
    /// Its name, when it has one.
    pub id: Option<String>,
    /// The one algorithm it is used with.
    pub algorithm: Algorithm,
    /// The key.
    pub material: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:?}, {:?})", self.id, self.algorithm)
    }
}

/// Why a JWK Set is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// It is no JWK Set.
    #[error("this is no JWK Set: {0}")]
    Unparsable(String),
    /// It holds a secret that whoever reads it could sign with.
    #[error("the set holds a symmetric key, with which every reader could sign")]
    Symmetric,
    /// No key of it can be used.
    #[error("the set holds no signing key of an algorithm in auth.jwt.algorithms")]
    Unusable,
    /// It holds too many.
    #[error("the set holds more than {MOST_KEYS} keys")]
    TooMany,
}

impl Algorithm {
    /// Its name in a token's header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::EdDsa => "EdDSA",
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
        }
    }

    pub(super) const fn signature(self) -> Signature {
        match self {
            Self::HS256 => Signature::HS256,
            Self::EdDsa => Signature::EdDSA,
            Self::RS256 => Signature::RS256,
            Self::ES256 => Signature::ES256,
        }
    }
}

/// The keys that the configuration itself holds: the shared secret and the PEM file.
///
/// # Errors
/// When the PEM file cannot be read or holds another kind of key.
pub fn configured(config: &Config) -> Result<Vec<Key>, KeyError> {
    let jwt = &config.auth.jwt;
    let mut keys = Vec::new();
    let id = || Some(jwt.key_id.clone()).filter(|id| !id.is_empty());
    for &algorithm in &jwt.algorithms {
        let material = match algorithm {
            Algorithm::HS256 => {
                let secret = config.secrets.jwt.as_ref();
                secret.map(|s| DecodingKey::from_secret(s.expose_secret().as_bytes()))
            }
            _ if jwt.public_key_file.is_empty() => None,
            _ => Some(of_pem(&jwt.public_key_file, algorithm)?),
        };
        keys.extend(material.map(|material| Key {
            id: id(),
            algorithm,
            material,
        }));
    }
    Ok(keys)
}

fn of_pem(path: &str, algorithm: Algorithm) -> Result<DecodingKey, KeyError> {
    let pem = std::fs::read(path).map_err(|error| KeyError::Unreadable(path.to_owned(), error))?;
    let key = match algorithm {
        Algorithm::EdDsa => DecodingKey::from_ed_pem(&pem),
        Algorithm::RS256 => DecodingKey::from_rsa_pem(&pem),
        Algorithm::ES256 | Algorithm::HS256 => DecodingKey::from_ec_pem(&pem),
    };
    key.map_err(|_| KeyError::Unfit(path.to_owned(), algorithm))
}

/// The keys of a JWK Set that sign with one of `allowed`; others in it are passed over, as the
/// standard asks, since they may be for somebody else.
///
/// # Errors
/// When it is no set, holds a symmetric key, or holds none that can be used.
pub fn of_set(text: &[u8], allowed: &[Algorithm]) -> Result<Vec<Key>, SetError> {
    let set: serde_json::Value = serde_json::from_slice(text).map_err(unparsable)?;
    let rows = set["keys"].as_array().ok_or_else(|| {
        let why = "it has no list `keys`";
        SetError::Unparsable(why.to_owned())
    })?;
    if rows.len() > MOST_KEYS {
        return Err(SetError::TooMany);
    }
    let is_symmetric = |row: &serde_json::Value| row["kty"] == "oct" || row.get("k").is_some();
    if rows.iter().any(is_symmetric) {
        return Err(SetError::Symmetric);
    }
    let read = |row: &serde_json::Value| serde_json::from_value::<Jwk>(row.clone()).ok();
    let set = JwkSet {
        keys: rows.iter().filter_map(read).collect(),
    };
    let keys: Vec<Key> = set
        .keys
        .iter()
        .filter_map(|jwk| one(jwk, allowed))
        .collect();
    if keys.is_empty() {
        return Err(SetError::Unusable);
    }
    Ok(keys)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err calls"
)]
fn unparsable(error: serde_json::Error) -> SetError {
    SetError::Unparsable(error.to_string())
}

fn one(jwk: &Jwk, allowed: &[Algorithm]) -> Option<Key> {
    let signs = jwk.common.public_key_use.as_ref();
    if signs.is_some_and(|of| *of != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDsa
        }
        // Base64url gives three bytes for four characters.
        AlgorithmParameters::RSA(key) if key.n.len() * 6 >= SHORTEST_RSA => Algorithm::RS256,
        _ => return None,
    };
    let named = jwk.common.key_algorithm.map(|named| named.to_string());
    if !allowed.contains(&algorithm) || named.is_some_and(|named| named != algorithm.name()) {
        return None;
    }
    Some(Key {
        id: jwk.common.key_id.clone(),
        algorithm,
        material: DecodingKey::from_jwk(jwk).ok()?,
    })
}
