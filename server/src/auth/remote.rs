//! JWK Sets that are fetched: each kept until a newer one came, and used while its issuer cannot be
//! reached, for as long as `auth.jwt.jwks_stale` says.
//!
//! A token whose key is not here asks for a fetch and is refused: nobody waits at the gate for
//! another machine, and no token makes more than one request each [`APART`].

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

/// Between two attempts at one set.
const APART: Duration = Duration::from_secs(5);

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

    fn is_due(&self, refresh: Duration, now: Instant) -> bool {
        let state = self.state();
        let Some(tried) = state.tried else {
            return true;
        };
        let is_early = state.has_failed || self.0.is_wanted.load(Ordering::Relaxed);
        now.duration_since(tried)
            >= if is_early {
                APART.min(refresh)
            } else {
                refresh
            }
    }

    /// Takes the outcome of a fetch; what is too old is forgotten.
    fn settle(
        &self,
        outcome: Result<Vec<Key>, FetchError>,
        stale: Duration,
        now: Instant,
    ) -> Report {
        self.0.is_wanted.store(false, Ordering::Relaxed);
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
                if slot.is_due(refresh, Instant::now()) {
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
