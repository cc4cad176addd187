//! JWK Sets that are fetched: each kept until a newer one came, and used while its issuer cannot be
//! reached, for as long as `auth.jwt.jwks_stale` says.
//!
//! A token whose key is not here asks for a fetch and is refused: nobody waits at the gate for
//! another machine, and all such tokens together bring about one fetch each [`UNKNOWN`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use url::Url;

use super::keys::{self, Key, SetError};
use crate::config::auth::DISCOVER;
use crate::config::{Algorithm, address};
use crate::observe::health::{Health, Report, Status};

/// How often slots are looked at.
const TICK: Duration = Duration::from_millis(500);

/// Between two attempts at a set whose last one failed.
const APART: Duration = Duration::from_secs(5);

/// Between two fetches that tokens with an unknown key asked for (`specs/users.md`, O4).
const UNKNOWN: Duration = Duration::from_secs(60);

/// One fetch, connecting included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest document read.
const LONGEST: usize = 256 * 1024;

/// Where an issuer's metadata stands (OpenID Connect Discovery 1.0, RFC 8414).
const METADATA: [&str; 2] = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
];

/// Why a set did not come.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server could not be asked or did not answer well.
    #[error("{0} could not be fetched: {1}")]
    Unreachable(Url, String),
    /// What came is no usable set.
    #[error(transparent)]
    Set(#[from] SetError),
    /// The metadata speaks for somebody else, or names a place that is not to be asked.
    #[error("the metadata of {0} cannot be used: {1}")]
    Metadata(String, &'static str),
}

#[derive(Debug, Default)]
struct State {
    keys: Arc<Vec<Key>>,
    tried: Option<Instant>,
    fetched: Option<Instant>,
    /// When the last fetch began that was made for a token alone.
    obeyed: Option<Instant>,
    has_failed: bool,
}

#[derive(Debug)]
struct Source {
    issuer: String,
    from: String,
    allowed: Vec<Algorithm>,
    state: Mutex<State>,
    is_wanted: AtomicBool,
}

/// One fetched set; clones share it.
#[derive(Debug, Clone)]
pub struct Slot(Arc<Source>);

impl Slot {
    /// The keys of the last set that came.
    #[must_use]
    pub fn keys(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.state().keys)
    }

    /// Asks for a fetch before its time.
    pub fn want(&self) {
        self.0.is_wanted.store(true, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a fetch is due; what asked for one before its time is answered by it.
    fn begins(&self, refresh: Duration, now: Instant) -> bool {
        let mut state = self.state();
        let is_over = |since: Option<Instant>, span: Duration| {
            since.is_none_or(|at| now.duration_since(at) >= span)
        };
        let after = if state.has_failed {
            APART.min(refresh)
        } else {
            refresh
        };
        let is_time = is_over(state.tried, after);
        let is_asked = self.0.is_wanted.load(Ordering::Relaxed) && is_over(state.obeyed, UNKNOWN);
        if is_time || is_asked {
            self.0.is_wanted.store(false, Ordering::Relaxed);
        }
        if is_asked && !is_time {
            state.obeyed = Some(now);
        }
        is_time || is_asked
    }

    /// Takes the outcome of a fetch; what is too old is forgotten.
    fn settle(
        &self,
        outcome: Result<Vec<Key>, FetchError>,
        stale: Duration,
        now: Instant,
    ) -> Report {
        let mut state = self.state();
        state.tried = Some(now);
        state.has_failed = outcome.is_err();
        match outcome {
            Ok(keys) => {
                state.keys = Arc::new(keys);
                state.fetched = Some(now);
                Report::new(Status::Healthy, "")
            }
            Err(error) => {
                tracing::warn!(issuer = self.0.issuer, cause = %error, "no new keys");
                let is_fresh = state
                    .fetched
                    .is_some_and(|at| now.duration_since(at) < stale);
                if is_fresh {
                    return Report::new(Status::Degraded, "using the last keys that came");
                }
                state.keys = Arc::default();
                Report::new(Status::Unhealthy, "no keys of an issuer")
            }
        }
    }
}

/// Every fetched set of the process; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Remote(Arc<Mutex<BTreeMap<(String, String), Slot>>>);

impl Remote {
    /// The set of an issuer: the one there is, or a new and empty one.
    #[must_use]
    pub fn slot(&self, issuer: &str, from: &str, allowed: &[Algorithm]) -> Slot {
        let key = (issuer.to_owned(), from.to_owned());
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&key).filter(|slot| slot.0.allowed == allowed) {
            return slot.clone();
        }
        let slot = Slot(Arc::new(Source {
            issuer: issuer.to_owned(),
            from: from.to_owned(),
            allowed: allowed.to_vec(),
            state: Mutex::default(),
            is_wanted: AtomicBool::new(false),
        }));
        slots.insert(key, slot.clone());
        slot
    }

    fn all(&self) -> Vec<Slot> {
        let slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.values().cloned().collect()
    }

    /// Fetches whatever is due, until cancelled. Reports as component `issuers` once there is one.
    pub async fn watch(
        self,
        (refresh, stale): (Duration, Duration),
        health: Health,
        ending: CancellationToken,
    ) {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .no_proxy()
            .build();
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(cause = %error, "no keys can be fetched");
                return;
            }
        };
        loop {
            for slot in self.all() {
                if slot.begins(refresh, Instant::now()) {
                    let outcome = fetch(&client, &slot.0).await;
                    health.report("issuers", slot.settle(outcome, stale, Instant::now()));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = ending.cancelled() => return,
            }
        }
    }
}

async fn fetch(client: &reqwest::Client, source: &Source) -> Result<Vec<Key>, FetchError> {
    let url = if source.from == DISCOVER {
        discover(client, &source.issuer).await?
    } else {
        parse(&source.from, &source.issuer)?
    };
    let text = get(client, url).await?;
    Ok(keys::of_set(&text, &source.allowed)?)
}

/// The `jwks_uri` of an issuer's metadata. It must speak for exactly this issuer, and may name no
/// address that only this machine can reach unless the issuer itself is there.
async fn discover(client: &reqwest::Client, issuer: &str) -> Result<Url, FetchError> {
    let refused = |why| FetchError::Metadata(issuer.to_owned(), why);
    let mut last = refused("it has none");
    for path in METADATA {
        let at = format!("{}{path}", issuer.trim_end_matches('/'));
        let text = match get(client, parse(&at, issuer)?).await {
            Ok(text) => text,
            Err(error) => {
                last = error;
                continue;
            }
        };
        let found: serde_json::Value =
            serde_json::from_slice(&text).map_err(|_| refused("it is no JSON"))?;
        if found["issuer"] != issuer {
            return Err(refused("it speaks for another issuer"));
        }
        let named = found["jwks_uri"].as_str().unwrap_or_default();
        let url = parse(named, issuer)?;
        let is_private = |url: &Url| address::why_private(url).is_some();
        let is_own = parse(issuer, issuer).is_ok_and(|own| own.host() == url.host());
        if is_private(&url) && !is_own {
            return Err(refused("its jwks_uri is a private address"));
        }
        return Ok(url);
    }
    Err(last)
}

fn parse(text: &str, issuer: &str) -> Result<Url, FetchError> {
    Url::parse(text).map_err(|_| FetchError::Metadata(issuer.to_owned(), "it names no URL"))
}

async fn get(client: &reqwest::Client, url: Url) -> Result<Vec<u8>, FetchError> {
    let failed = |why: String| FetchError::Unreachable(url.clone(), why);
    let asked = client.get(url.clone()).send().await;
    let mut response = asked.map_err(|error| failed(error.to_string()))?;
    if !response.status().is_success() {
        return Err(failed(format!("status {}", response.status().as_u16())));
    }
    let mut text = Vec::new();
    while let Some(part) = response
        .chunk()
        .await
        .map_err(|error| failed(error.to_string()))?
    {
        text.extend_from_slice(&part);
        if text.len() > LONGEST {
            return Err(failed(format!("longer than {LONGEST} bytes")));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFRESH: Duration = Duration::from_secs(300);
    const STALE: Duration = Duration::from_secs(3600);

    /// The seconds at which a set is fetched that is asked for in each of them from `first` on;
    /// each fetch in `failing` fails.
    fn fetches(first: u64, until: u64, failing: std::ops::Range<u64>) -> Vec<u64> {
        let slot = Remote::default().slot("https://issuer.test", DISCOVER, &[]);
        let start = Instant::now();
        let mut begun = Vec::new();
        for second in 0..until {
            if second >= first {
                slot.want();
            }
            let now = start + Duration::from_secs(second);
            if slot.begins(REFRESH, now) {
                begun.push(second);
                let fails = failing.contains(&second);
                let none = || FetchError::Metadata(String::new(), "it has none");
                let outcome = if fails { Err(none()) } else { Ok(Vec::new()) };
                let _ = slot.settle(outcome, STALE, now);
            }
        }
        begun
    }

    #[test]
    fn tokens_with_an_unknown_key_bring_about_one_fetch_a_minute_and_the_first_at_once() {
        assert_eq!(fetches(7, 250, 0..0), [0, 7, 67, 127, 187, 247]);
        assert_eq!(fetches(1000, 700, 0..0), [0, 300, 600], "nobody asks");
    }

    #[test]
    fn a_fetch_that_failed_is_made_again_soon_whatever_tokens_ask() {
        assert_eq!(fetches(1000, 30, 0..11), [0, 5, 10, 15]);
        assert_eq!(fetches(2, 80, 2..10), [0, 2, 7, 12, 62]);
    }
}
