//! `[auth]`: who may come in.

use std::time::Duration;

use serde::Deserialize;

use super::duration;

/// `[auth]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Whether callers must show who they are.
    pub mode: AuthMode,
    /// The role-to-tools file; empty means the embedded policy.
    pub policy_file: String,
    /// The file of shared tokens, for mode `token`.
    pub token_file: String,
    /// Roles of whoever shows a shared token.
    pub token_roles: Vec<String>,
    /// Until when a caller without a credential is let in, RFC 3339; empty means never.
    pub grace_until: String,
    /// Roles of such a caller.
    pub grace_roles: Vec<String>,
    /// How often the files that a reload reads are looked at; 0 waits for SIGHUP.
    #[serde(deserialize_with = "duration::one")]
    pub watch: Duration,
    /// `[auth.jwt]`.
    pub jwt: Jwt,
}

impl Auth {
    /// The end of the grace; `None` when there is none. What is no date is refused before.
    #[must_use]
    pub fn grace_end(&self) -> Option<jiff::Timestamp> {
        self.grace_until.parse().ok()
    }
}

/// Whether callers must show who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Everybody is `anonymous`, role admin; loopback only.
    None,
    /// A signed bearer token on every request.
    Jwt,
    /// One of the shared tokens of `auth.token_file` on every request.
    Token,
}

impl AuthMode {
    /// The configured word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Jwt => "jwt",
            Self::Token => "token",
        }
    }
}

/// `[auth.jwt]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// Accepted signatures.
    pub algorithms: Vec<Algorithm>,
    /// Required `iss`, compared byte by byte.
    pub issuer: String,
    /// Required in `aud`.
    pub audience: String,
    /// Clock difference forgiven.
    #[serde(deserialize_with = "duration::one")]
    pub leeway: Duration,
    /// Longest `exp` - `iat`.
    #[serde(deserialize_with = "duration::one")]
    pub max_lifetime: Duration,
    /// A PEM public key for the asymmetric algorithm; empty when none is used.
    pub public_key_file: String,
    /// The `kid` of the secret and of the PEM key.
    pub key_id: String,
    /// Where further keys of the issuer come from: the path of a JWK Set, its https URL, or
    /// `discover` for what the issuer's own metadata names; empty when there are none.
    pub jwks: String,
    /// Other issuers, each `ISSUER=JWKS` with a source of keys of its own.
    pub issuers: Vec<String>,
    /// How often sets are fetched.
    #[serde(deserialize_with = "duration::one")]
    pub jwks_refresh: Duration,
    /// How long a fetched set is used while it cannot be fetched again.
    #[serde(deserialize_with = "duration::one")]
    pub jwks_stale: Duration,
    /// Ids (`jti`) of tokens that are no longer good, one a line; empty when no list is kept.
    pub revoked_file: String,
    /// The claim that holds a caller's groups, or the path to it, its names joined by dots.
    pub groups_claim: String,
    /// Which role a group stands for, each `GROUP=ROLE`.
    pub groups: Vec<String>,
}

/// Where the keys of an issuer come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySource<'a> {
    /// A JWK Set in a file.
    File(&'a str),
    /// `discover`, or the URL of a JWK Set.
    Fetched(&'a str),
}

/// The word that stands for what an issuer's own metadata names.
pub const DISCOVER: &str = "discover";

impl<'a> KeySource<'a> {
    fn of(text: &'a str) -> Self {
        if text == DISCOVER || text.contains("://") {
            Self::Fetched(text)
        } else {
            Self::File(text)
        }
    }
}

impl Jwt {
    /// Each issuer that has a source of keys besides the configuration's own.
    pub fn sources(&self) -> impl Iterator<Item = (&str, KeySource<'_>)> {
        let own = Some((self.issuer.as_str(), self.jwks.as_str())).filter(|own| !own.1.is_empty());
        // An issuer may hold `=` in its query; a path or URL of keys is what follows the last one.
        let others = self.issuers.iter().filter_map(|row| row.rsplit_once('='));
        own.into_iter()
            .chain(others)
            .map(|(name, from)| (name, KeySource::of(from)))
    }

    /// Group to role.
    pub fn group_roles(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let pairs = self.groups.iter().filter_map(|row| row.rsplit_once('='));
        pairs.map(|(group, role)| (group.to_owned(), role.to_owned()))
    }
}

/// Signature algorithms that can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum Algorithm {
    /// HMAC with `EXAI_JWT_SECRET`.
    HS256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSA PKCS#1 v1.5.
    RS256,
    /// ECDSA on P-256.
    ES256,
}
