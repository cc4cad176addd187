//! Secrets, read from the environment once and never printed.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};

use super::{Config, Fault, Layer, Sources};

/// The variable of the HS256 secret.
pub const JWT_SECRET: &str = "EXAI_JWT_SECRET";

/// The variable of the static scrape token.
pub const METRICS_TOKEN: &str = "EXAI_METRICS_TOKEN";

/// The variable of the key by which a daemon proves itself to a bridge.
pub const DAEMON_KEY: &str = "EXAI_DAEMON_KEY";

/// The variable of the token that a bridge sends.
pub const TOKEN: &str = "EXAI_TOKEN";

/// The variables that hold secrets of ours.
pub(crate) const ALL: [&str; 4] = [JWT_SECRET, METRICS_TOKEN, DAEMON_KEY, TOKEN];

/// Shortest secret accepted, in bytes.
const SHORTEST: usize = 32;

/// Fewest different bytes in a secret accepted.
const FEWEST_DIFFERENT: usize = 10;

/// Words that show a secret was copied from an example.
const COPIED: [&str; 6] = [
    "changeme",
    "change-me",
    "change_me",
    "password",
    "example",
    "secret",
];

/// What may not be printed.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// The HS256 secret.
    pub jwt: Option<SecretString>,
    /// The static scrape token, role `metrics`.
    pub metrics: Option<SecretString>,
    /// The key by which a daemon proves itself; without it, the one in its state folder.
    pub daemon: Option<SecretString>,
    /// The token that a bridge sends; the daemon judges it.
    pub token: Option<SecretString>,
}

impl Secrets {
    /// Reads all; a secret that is set but weak or empty is a fault.
    pub(crate) fn read(from: &Sources, faults: &mut Vec<Fault>) -> Self {
        let mut one = |name: &str| {
            let secret = SecretString::from(from.environment.get(name)?.as_str());
            match weakness(&secret) {
                None => Some(secret),
                Some(why) => {
                    let layer = Layer::Environment(from.set_by(name));
                    let fix = format!("{why}; use 32 random bytes: openssl rand -hex 32");
                    faults.push(Fault::new(name, layer, fix));
                    None
                }
            }
        };
        Self {
            jwt: one(JWT_SECRET),
            metrics: one(METRICS_TOKEN),
            daemon: one(DAEMON_KEY),
            token: from.environment.get(TOKEN).map(|token| token.trim().into()),
        }
    }
}

/// The variables whose secrets differ between two configurations of a server, those of providers'
/// keys among them. Names alone: what they hold is told to nobody.
#[must_use]
pub fn changed(old: &Config, new: &Config) -> Vec<String> {
    let (before, after) = (held(old), held(new));
    let differing = before.symmetric_difference(&after);
    let names: BTreeSet<&str> = differing.map(|(name, _)| *name).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Variables with what they hold.
fn held(config: &Config) -> BTreeSet<(&str, &str)> {
    let own = &config.secrets;
    let secrets = [
        (JWT_SECRET, &own.jwt),
        (METRICS_TOKEN, &own.metrics),
        (DAEMON_KEY, &own.daemon),
    ];
    let secrets = secrets
        .into_iter()
        .filter_map(|(name, secret)| Some((name, secret.as_ref()?)));
    let keys = config.providers.values().filter_map(|row| row.key.as_ref());
    let keys = keys.map(|key| (key.variable.as_str(), &key.secret));
    let both = secrets.chain(keys);
    both.map(|(name, secret)| (name, secret.expose_secret()))
        .collect()
}

/// Why a secret is refused, or `None`.
#[must_use]
pub fn weakness(secret: &SecretString) -> Option<String> {
    let text = secret.expose_secret();
    let mut bytes = text.as_bytes().to_vec();
    bytes.sort_unstable();
    bytes.dedup();
    let lower = text.to_lowercase();
    if text.is_empty() {
        Some("is set but empty".to_owned())
    } else if text.len() < SHORTEST {
        Some(format!("is shorter than {SHORTEST} bytes"))
    } else if bytes.len() < FEWEST_DIFFERENT {
        Some(format!(
            "holds fewer than {FEWEST_DIFFERENT} different characters"
        ))
    } else if COPIED.iter().any(|word| lower.contains(word)) {
        Some("looks like an example, not like a random value".to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_secret_is_refused_and_a_random_one_is_not() {
        let weak = [
            "",
            "short",
            &"a".repeat(64),
            "my-secret-key-for-exai-0123456789abcdef",
        ];
        for text in weak {
            assert!(
                weakness(&SecretString::from(text)).is_some(),
                "{text:?} was accepted"
            );
        }
        let strong = "9f2c81d4e6b7a0355c1e8f7d2b4a69031122aabbccddeeff";
        assert_eq!(weakness(&SecretString::from(strong)), None);
    }
}
