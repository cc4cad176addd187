//! Development tokens, from the configured HS256 secret.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm as Signature, EncodingKey, crypto};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::config::{Algorithm, Config};

/// Why no token could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// HS256 is not allowed here.
    #[error(
        "auth.jwt.algorithms does not allow HS256, and only the holder of the private key can \
         sign otherwise"
    )]
    NotAllowed,
    /// There is no secret.
    #[error("EXAI_JWT_SECRET is not set; set it to the server's secret")]
    NoSecret,
    /// The wish exceeds what the server accepts.
    #[error("--ttl {0} s exceeds auth.jwt.max_lifetime ({1} s)")]
    TooLong(u64, u64),
    /// The signature could not be made.
    #[error("the token could not be signed: {0}")]
    Unsigned(String),
}

/// A token for `subject` of `team` with `roles`, valid from `now` (seconds since the epoch) for
/// `ttl`.
///
/// # Errors
/// When the configuration cannot make tokens or the wish exceeds it.
pub fn mint(
    config: &Config,
    (subject, team): (&str, Option<&str>),
    roles: &[String],
    ttl: Duration,
    now: u64,
) -> Result<String, MintError> {
    let jwt = &config.auth.jwt;
    if !jwt.algorithms.contains(&Algorithm::HS256) {
        return Err(MintError::NotAllowed);
    }
    let secret = config.secrets.jwt.as_ref().ok_or(MintError::NoSecret)?;
    if ttl > jwt.max_lifetime {
        return Err(MintError::TooLong(
            ttl.as_secs(),
            jwt.max_lifetime.as_secs(),
        ));
    }
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": jwt.key_id});
    let mut claims = json!({
        "sub": subject,
        "iss": jwt.issuer,
        "aud": jwt.audience,
        "iat": now,
        "exp": now + ttl.as_secs(),
        "jti": uuid::Uuid::new_v4().simple().to_string(),
        "roles": roles,
    });
    if let Some(team) = team {
        claims["team"] = team.into();
    }
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    let proof = crypto::sign(signed.as_bytes(), &key, Signature::HS256)
        .map_err(|error| MintError::Unsigned(error.to_string()))?;
    Ok(format!("{signed}.{proof}"))
}
