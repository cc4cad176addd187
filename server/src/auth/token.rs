//! Bearer tokens: compact, signed, short-lived, for us, from the one issuer (RFC 7519, RFC 8725).
//!
//! Everything that is not exactly that is refused, and every refusal looks the same from outside;
//! the reason goes to the audit line. The claimed issuer only chooses the keys that are tried: a
//! key of one issuer verifies no token of another.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto;
use serde_json::{Map, Value};

use super::access::UNSIGNED;
use super::keys::{self, Key, SetError};
use super::policy::Policy;
use super::principal::{LONGEST_NAME, Principal};
use super::remote::{Remote, Slot};
use super::shared;
use super::strict_json::StrictObject;
use crate::config::{Algorithm, Config, KeySource};

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
    #[error("the key file {0} could not be read: {1}")]
    Unreadable(String, std::io::Error),
    /// The PEM file does not hold a key of the configured algorithm.
    #[error("the public key file {0} holds no {1:?} public key")]
    Unfit(String, Algorithm),
    /// The JWK Set cannot be used.
    #[error("the JWK Set {0}: {1}")]
    Set(String, SetError),
    /// The list of revoked tokens could not be read.
    #[error("the list of revoked tokens {0} could not be read: {1}")]
    Revoked(String, std::io::Error),
}

/// Who may sign, and with what.
#[derive(Debug, Default)]
struct Issuer {
    fixed: Vec<Key>,
    fetched: Option<Slot>,
}

/// Checks tokens against one configuration.
pub struct TokenCheck {
    main: String,
    issuers: HashMap<String, Issuer>,
    algorithms: Vec<Algorithm>,
    audience: String,
    leeway: u64,
    max_lifetime: u64,
    longest: usize,
    /// Ids of tokens that are no longer good; `None` when no list is kept.
    revoked: Option<HashSet<String>>,
    groups_claim: String,
    groups: BTreeMap<String, String>,
    policy: Arc<Policy>,
}

impl std::fmt::Debug for TokenCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenCheck({:?})", self.issuers)
    }
}

impl TokenCheck {
    /// Prepares the keys of a checked configuration. Sets that are fetched come from `remote`, and
    /// are empty until they came.
    ///
    /// # Errors
    /// When a key file or the list of revoked tokens cannot be read or used.
    pub fn new(config: &Config, policy: Arc<Policy>, remote: &Remote) -> Result<Self, KeyError> {
        let jwt = &config.auth.jwt;
        let mut issuers: HashMap<String, Issuer> = HashMap::new();
        let main = issuers.entry(jwt.issuer.clone()).or_default();
        main.fixed = keys::configured(config)?;
        for (name, source) in jwt.sources() {
            let issuer = issuers.entry(name.to_owned()).or_default();
            match source {
                KeySource::File(path) => issuer.fixed.extend(read_set(path, &jwt.algorithms)?),
                KeySource::Fetched(from) => {
                    issuer.fetched = Some(remote.slot(name, from, &jwt.algorithms));
                }
            }
        }
        Ok(Self {
            main: jwt.issuer.clone(),
            issuers,
            algorithms: jwt.algorithms.clone(),
            audience: jwt.audience.clone(),
            leeway: jwt.leeway.as_secs(),
            max_lifetime: jwt.max_lifetime.as_secs(),
            longest: config.limits.token_bytes,
            revoked: read_revoked(&jwt.revoked_file)?,
            groups_claim: jwt.groups_claim.clone(),
            groups: jwt.group_roles().collect(),
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
        let header = decode(header)?;
        let (algorithm, key_id) = self.named(&header)?;
        let claims = decode(payload)?;
        canonical(proof)?;
        let signed = token.rsplit_once('.').map_or("", |(signed, _)| signed);
        let is_signed_by = |key: &Key| {
            let (key, signature) = (&key.material, algorithm.signature());
            matches!(
                crypto::verify(proof, signed.as_bytes(), key, signature),
                Ok(true)
            )
        };
        let keys = self.keys(&claims, algorithm, key_id)?;
        if !keys.iter().any(is_signed_by) {
            return refuse("token_signature");
        }
        self.principal(&claims, now)
    }

    /// The algorithm and key that the header names.
    fn named<'a>(&self, header: &'a Map<String, Value>) -> Checked<(Algorithm, Option<&'a str>)> {
        if FOREIGN.iter().any(|name| header.contains_key(*name)) {
            return refuse("token_foreign_header");
        }
        match header.get("typ") {
            None => {}
            Some(Value::String(kind)) if KINDS.contains(&kind.to_lowercase().as_str()) => {}
            Some(_) => return refuse("token_kind"),
        }
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) if !id.is_empty() => Some(id.as_str()),
            Some(_) => return refuse("token_key_id"),
        };
        let Some(Value::String(name)) = header.get("alg") else {
            return refuse("token_algorithm");
        };
        let found = self.algorithms.iter().find(|one| one.name() == name);
        let algorithm = found.ok_or(TokenError("token_algorithm"))?;
        Ok((*algorithm, key_id))
    }

    /// The keys of the claimed issuer that could have signed: those of the id, or all when the
    /// token names none.
    fn keys(
        &self,
        claims: &Map<String, Value>,
        algorithm: Algorithm,
        id: Option<&str>,
    ) -> Checked<Vec<Key>> {
        let name = claims.get("iss").and_then(Value::as_str);
        let issuer = name.and_then(|name| self.issuers.get(name));
        let issuer = issuer.ok_or(TokenError("token_issuer"))?;
        let fetched = issuer.fetched.as_ref().map(Slot::keys).unwrap_or_default();
        let is_named = |key: &&Key| id.is_none() || key.id.as_deref() == id;
        let named: Vec<&Key> = issuer
            .fixed
            .iter()
            .chain(fetched.iter())
            .filter(is_named)
            .collect();
        if named.is_empty() {
            // A key that is new at the issuer is not here yet.
            issuer.fetched.iter().for_each(Slot::want);
            return refuse("token_key_id");
        }
        let fitting = named.into_iter().filter(|key| key.algorithm == algorithm);
        let fitting: Vec<Key> = fitting.cloned().collect();
        if fitting.is_empty() {
            return refuse("token_algorithm");
        }
        Ok(fitting)
    }

    fn principal(&self, claims: &Map<String, Value>, now: u64) -> Checked<Principal> {
        self.check_times(claims, now)?;
        if !self.is_for_us(claims.get("aud")) {
            return refuse("token_audience");
        }
        let name = self.name(claims)?;
        self.check_revoked(claims)?;
        let (roles, policy) = (self.roles(claims), Arc::clone(&self.policy));
        Ok(Principal::new(name, roles, policy).with_team(self.team(claims)?))
    }

    /// The subject; one of another issuer with that issuer's name, so that two people who share a
    /// subject are two principals.
    fn name(&self, claims: &Map<String, Value>) -> Checked<String> {
        let text = |claim: &str| {
            claims
                .get(claim)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (subject, issuer) = (text("sub"), text("iss"));
        if !is_name(subject) {
            return refuse("token_subject");
        }
        if issuer != self.main {
            return Ok(format!("{subject}@{issuer}"));
        }
        let feigns = |other: &str| {
            let before = subject.strip_suffix(other);
            other != self.main && before.is_some_and(|before| before.ends_with('@'))
        };
        let is_ours = [UNSIGNED, shared::NAME].contains(&subject);
        if is_ours || self.issuers.keys().any(|other| feigns(other)) {
            return refuse("token_subject");
        }
        Ok(subject.to_owned())
    }

    /// The team; one of another issuer with that issuer's name, as a subject.
    fn team(&self, claims: &Map<String, Value>) -> Checked<Option<String>> {
        let issuer = claims.get("iss").and_then(Value::as_str);
        match (claims.get("team"), issuer) {
            (None, _) => Ok(None),
            (Some(Value::String(team)), Some(issuer)) if is_name(team) => match issuer {
                own if own == self.main => Ok(Some(team.clone())),
                other => Ok(Some(format!("{team}@{other}"))),
            },
            (Some(_), _) => refuse("token_team"),
        }
    }

    fn check_revoked(&self, claims: &Map<String, Value>) -> Checked<()> {
        let Some(revoked) = &self.revoked else {
            return Ok(());
        };
        match claims.get("jti").and_then(Value::as_str) {
            Some(id) if revoked.contains(id) => refuse("token_revoked"),
            Some(id) if !id.is_empty() => Ok(()),
            // Where tokens are revoked by id, one without could not be.
            _ => refuse("token_without_id"),
        }
    }

    /// The roles named by the token, and those that its groups stand for.
    fn roles(&self, claims: &Map<String, Value>) -> Vec<String> {
        let names = |claim: &str| {
            let list = find(claims, claim).and_then(Value::as_array);
            let names = list.into_iter().flatten().filter_map(Value::as_str);
            names.take(MOST_ROLES).map(str::to_owned)
        };
        let groups = names(&self.groups_claim);
        let meant = groups.filter_map(|group| self.groups.get(&group).cloned());
        names("roles").chain(meant).take(MOST_ROLES).collect()
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

/// The claim of exactly this name; else what a path of names, joined by dots, leads to. A name of
/// the path may hold dots itself: of two that fit, the longer one is followed first.
fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let within = |(dot, _): (usize, &str)| {
        let (outer, inner) = (name.get(..dot)?, name.get(dot + 1..)?);
        find(claims.get(outer)?.as_object()?, inner)
    };
    let literal = claims.get(name);
    literal.or_else(|| name.rmatch_indices('.').find_map(within))
}

/// A name of one to [`LONGEST_NAME`] printable characters.
fn is_name(text: &str) -> bool {
    let is_printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    !text.trim().is_empty() && text.len() <= LONGEST_NAME && is_printable
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

fn read_set(path: &str, allowed: &[Algorithm]) -> Result<Vec<Key>, KeyError> {
    let text = std::fs::read(path).map_err(|error| KeyError::Unreadable(path.to_owned(), error))?;
    keys::of_set(&text, allowed).map_err(|error| KeyError::Set(path.to_owned(), error))
}

/// One id a line; `#` begins a comment. No path, no list.
fn read_revoked(path: &str) -> Result<Option<HashSet<String>>, KeyError> {
    if path.is_empty() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| KeyError::Revoked(path.to_owned(), error))?;
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    Ok(Some(
        lines
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect(),
    ))
}

#[cfg(test)]
mod issuers;
#[cfg(test)]
#[path = "token/tests.rs"]
mod tests;
