//! The key table: which keys exist, in which state, and how much their tier lets through.
//!
//! Limits are counted as the vendors do: requests in flight, requests a minute and tokens a minute,
//! the tokens charged before the answer from what the request allows itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::provider::Provider;

const WINDOW: Duration = Duration::from_secs(60);

/// A row of the table as it comes in on standard input.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRow {
    /// The secret itself.
    pub key: String,
    /// Its name in journals.
    pub id: String,
    /// A tier of the vendor, `lowest` or `unlimited`.
    #[serde(default = "lowest")]
    pub tier: String,
    /// What the vendor makes of it.
    #[serde(default)]
    pub state: KeyState,
}

fn lowest() -> String {
    "lowest".to_owned()
}

/// What a vendor makes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Served.
    #[default]
    Valid,
    /// Belongs to the other region's host.
    WrongRegion,
    /// The account is empty.
    NoBalance,
    /// Belongs to another product of the vendor.
    WrongPlan,
}

/// What a tier lets through; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tier {
    /// Requests in flight.
    pub concurrency: Option<u32>,
    /// Requests in any 60 seconds.
    pub requests: Option<u32>,
    /// Tokens in any 60 seconds.
    pub tokens: Option<u64>,
}

impl Tier {
    const fn of(concurrency: Option<u32>, requests: Option<u32>, tokens: Option<u64>) -> Self {
        Self {
            concurrency,
            requests,
            tokens,
        }
    }

    /// The tier of a name at a vendor (`specs/providers.md` sections 1.6, 2.6, 3.7; Kimi's by the
    /// table of 2026-09), or `None` for a name it does not have.
    #[must_use]
    pub fn named(provider: Provider, name: &str) -> Option<Self> {
        if name == "unlimited" {
            return Some(Self::default());
        }
        let million = |count: u64| Some(count * 1_000_000);
        Some(match (provider, name) {
            (Provider::Kimi, "lowest" | "t0") => Self::of(Some(1), Some(3), Some(500_000)),
            (Provider::Kimi, "t1") => Self::of(Some(15), Some(100), million(2)),
            (Provider::Kimi, "t2") => Self::of(Some(40), Some(100), million(3)),
            (Provider::Kimi, "t3") => Self::of(Some(50), Some(200), million(3)),
            (Provider::Kimi, "t4") => Self::of(Some(60), Some(200), million(4)),
            (Provider::Kimi, "t5") => Self::of(Some(100), Some(300), million(5)),
            (Provider::Glm, "lowest") => Self::of(Some(1), None, None),
            (Provider::MiniMax, "lowest" | "free") => Self::of(None, Some(20), million(1)),
            (Provider::MiniMax, "paid") => Self::of(None, Some(500), million(20)),
            _ => return None,
        })
    }
}

/// The limit a request ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Too many in flight; the tier's number.
    Concurrency(u32),
    /// Too many in a minute; the tier's number.
    Requests(u32),
    /// Too many tokens in a minute; the tier's number.
    Tokens(u64),
}

/// One known key.
pub struct Key {
    secret: String,
    /// Its name in journals.
    pub id: String,
    /// What the vendor makes of it.
    pub state: KeyState,
    tier: Tier,
    use_: Mutex<Use>,
}

#[derive(Default)]
struct Use {
    in_flight: u32,
    recent: VecDeque<(Instant, u64)>,
}

/// A request's hold on its key; dropping it frees the place.
pub struct Permit(Arc<Key>);

impl Drop for Permit {
    fn drop(&mut self) {
        let mut usage = self.0.use_.lock().unwrap_or_else(PoisonError::into_inner);
        usage.in_flight = usage.in_flight.saturating_sub(1);
    }
}

impl Key {
    /// Takes a place for a request that may cost `tokens`.
    ///
    /// # Errors
    /// The first limit of the tier that is used up.
    pub fn take(self: &Arc<Self>, tokens: u64, now: Instant) -> Result<Permit, Limit> {
        let mut usage = self.use_.lock().unwrap_or_else(PoisonError::into_inner);
        if self.tier != Tier::default() {
            usage.check(self.tier, tokens, now)?;
            usage.recent.push_back((now, tokens));
        }
        usage.in_flight += 1;
        Ok(Permit(Arc::clone(self)))
    }
}

impl Use {
    fn check(&mut self, tier: Tier, tokens: u64, now: Instant) -> Result<(), Limit> {
        while self
            .recent
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW)
        {
            self.recent.pop_front();
        }
        if let Some(most) = tier.concurrency.filter(|most| self.in_flight >= *most) {
            return Err(Limit::Concurrency(most));
        }
        if let Some(most) = tier
            .requests
            .filter(|most| self.recent.len() >= *most as usize)
        {
            return Err(Limit::Requests(most));
        }
        let spent: u64 = self.recent.iter().map(|(_, tokens)| tokens).sum();
        match tier
            .tokens
            .filter(|most| spent.saturating_add(tokens) > *most)
        {
            Some(most) => Err(Limit::Tokens(most)),
            None => Ok(()),
        }
    }
}

/// A key row that no vendor would have issued.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key's form is not the vendor's.
    #[error("could not take key {0:?}: {1} keys do not look like that")]
    Shape(String, Provider),
    /// The tier does not exist there.
    #[error("could not find tier {1:?} of key {0:?}")]
    Tier(String, String),
}

/// Every key a simulator knows.
pub struct KeyTable(Vec<Arc<Key>>);

impl KeyTable {
    /// Builds the table of one vendor.
    ///
    /// # Errors
    /// The first row that could not exist; the error names the row's id, never its key.
    pub fn new(provider: Provider, rows: Vec<KeyRow>) -> Result<Self, KeyError> {
        rows.into_iter()
            .map(|row| Key::new(provider, row).map(Arc::new))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The key with this secret.
    #[must_use]
    pub fn find(&self, secret: &str) -> Option<&Arc<Key>> {
        self.0.iter().find(|key| key.secret == secret)
    }
}

impl Key {
    fn new(provider: Provider, row: KeyRow) -> Result<Self, KeyError> {
        if !has_shape(provider, &row.key) {
            return Err(KeyError::Shape(row.id, provider));
        }
        let Some(tier) = Tier::named(provider, &row.tier) else {
            return Err(KeyError::Tier(row.id, row.tier));
        };
        Ok(Self {
            secret: row.key,
            id: row.id,
            state: row.state,
            tier,
            use_: Mutex::default(),
        })
    }
}

/// Whether a vendor could have issued the key: `sk-…` at Kimi, `id.secret` at GLM, `sk-api-…` or
/// `sk-cp-…` at MiniMax.
fn has_shape(provider: Provider, key: &str) -> bool {
    let plain = key.len() >= 16 && key.bytes().all(|byte| byte.is_ascii_graphic());
    plain
        && match provider {
            Provider::Kimi => key.starts_with("sk-"),
            Provider::Glm => key.split_once('.').is_some_and(|(id, secret)| {
                id.len() >= 8 && !secret.is_empty() && !secret.contains('.')
            }),
            Provider::MiniMax => key.starts_with("sk-api-") || key.starts_with("sk-cp-"),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, tier: &str) -> KeyRow {
        KeyRow {
            key: key.into(),
            id: "k".into(),
            tier: tier.into(),
            state: KeyState::Valid,
        }
    }

    fn key(provider: Provider, secret: &str, tier: &str) -> Arc<Key> {
        Arc::new(Key::new(provider, row(secret, tier)).unwrap())
    }

    #[test]
    fn only_keys_of_the_vendors_form_are_taken() {
        let cases = [
            (Provider::Kimi, "sk-0123456789abcdef", true),
            (Provider::Kimi, "0123456789abcdef0123", false),
            (Provider::Glm, "0123456789abcdef.secretsecret", true),
            (Provider::Glm, "0123456789abcdefsecret", false),
            (Provider::MiniMax, "sk-api-0123456789abcdef", true),
            (Provider::MiniMax, "sk-cp-0123456789abcdef", true),
            (Provider::MiniMax, "sk-0123456789abcdef", false),
        ];
        for (provider, key, good) in cases {
            assert_eq!(
                KeyTable::new(provider, vec![row(key, "lowest")]).is_ok(),
                good,
                "{key}"
            );
        }
        let bad_tier = KeyTable::new(Provider::Glm, vec![row("0123456789abcdef.secret", "t1")]);
        assert!(bad_tier.is_err());
    }

    #[test]
    fn kimis_lowest_tier_lets_one_in_flight_and_three_a_minute() {
        let key = key(Provider::Kimi, "sk-0123456789abcdef", "lowest");
        let now = Instant::now();
        let first = key.take(10, now).ok().unwrap();
        assert_eq!(key.take(10, now).err(), Some(Limit::Concurrency(1)));
        drop(first);
        drop(key.take(10, now).ok().unwrap());
        drop(key.take(10, now).ok().unwrap());
        assert_eq!(key.take(10, now).err(), Some(Limit::Requests(3)));
        assert!(key.take(10, now + WINDOW).is_ok());
    }

    #[test]
    fn tokens_are_charged_before_the_answer() {
        let key = key(Provider::MiniMax, "sk-api-0123456789abcdef", "free");
        let now = Instant::now();
        assert!(key.take(600_000, now).is_ok());
        assert_eq!(key.take(600_000, now).err(), Some(Limit::Tokens(1_000_000)));
    }

    #[test]
    fn the_unlimited_tier_keeps_no_history() {
        let key = key(Provider::Kimi, "sk-0123456789abcdef", "unlimited");
        let now = Instant::now();
        let held: Vec<_> = (0..500)
            .map(|_| key.take(1_000_000, now).ok().unwrap())
            .collect();
        assert_eq!(held.len(), 500);
        assert!(key.use_.lock().unwrap().recent.is_empty());
    }
}
