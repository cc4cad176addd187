//! Providers: typed requests, replies and failures in four wire dialects, and the demonstration.
//!
//! A provider makes one attempt and says what its failure means. It never retries, never falls
//! back and never turns a failure into text: that is the router's business.

pub mod catalogue;
pub mod chat;
pub mod demo;
pub mod dialect;
pub mod direct;
pub mod exchange;
pub mod fault;
pub mod file;
pub mod frame;
pub mod glm;
pub mod key;
pub mod kimi;
pub mod leak;
pub mod list;
pub mod messages;
pub mod method;
pub mod minimax;
pub mod model;
pub mod openai;
pub mod refusal;
pub mod reply;
pub mod request;
mod running;
pub mod sse;
pub mod think;
pub mod thought;

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use prometheus_client::metrics::gauge::Gauge;
use secrecy::SecretString;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::dialect::{Dialect, Form};
use self::exchange::{Exchange, Watch};
use self::fault::{FaultClass, ProviderFailure, Reaction};
use self::key::Key;
use self::reply::Reply;
use self::request::Request;
use crate::config::Current;
use crate::observe::metrics::{Metrics, Occupied};
use crate::router::clock::AttemptClocks;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a health probe may take.
const PROBE: Duration = Duration::from_secs(2);
/// How long a call waits for one of the provider's permits.
const PERMIT: Duration = Duration::from_secs(1);
/// How long an idle connection is kept, and up to as long again until the pool looks for it:
/// shorter than providers keep theirs, so that no call finds one that is closed.
const POOL_IDLE: Duration = Duration::from_secs(15);

/// Where a provider is and how it is spoken to.
#[derive(Debug, Clone)]
pub struct ProviderRow {
    /// The row's name in the configuration, such as `kimi`.
    pub name: String,
    /// A name for people; may be empty.
    pub label: String,
    /// The wire dialect.
    pub dialect: Dialect,
    /// The root of its API; ignored for the demonstration.
    pub base_url: Url,
    /// The key; without one the provider is not registered.
    pub key: Option<SecretString>,
    /// The environment variables that may hold the key, for messages.
    pub key_variables: Vec<String>,
    /// Whether the operator left it on.
    pub is_enabled: bool,
    /// Names of models, for named providers; empty means the catalogue's own of the dialect.
    pub models: Vec<String>,
    /// Calls in flight at once.
    pub in_flight: usize,
}

impl ProviderRow {
    /// The demonstration's row, which no configuration file can write.
    #[must_use]
    pub fn demo() -> Option<Self> {
        Some(Self {
            name: "demo".to_owned(),
            label: "demonstration, no model behind it".to_owned(),
            dialect: Dialect::Demo,
            base_url: Url::parse("demo:///").ok()?,
            key: Some(SecretString::from("")),
            key_variables: Vec::new(),
            is_enabled: true,
            models: Vec::new(),
            in_flight: 128,
        })
    }
}

/// A provider could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The HTTP client could not be built.
    #[error("could not build the HTTP client of provider {name}: {cause}")]
    Client {
        /// The provider row.
        name: String,
        /// What the client said.
        cause: reqwest::Error,
    },
    /// The key holds characters that no header can carry.
    #[error("could not use the key of provider {name}: it holds characters that no header carries")]
    Key {
        /// The provider row.
        name: String,
    },
}

/// A provider with a key, ready for requests.
#[derive(Debug)]
pub struct Provider {
    name: String,
    dialect: Dialect,
    base: String,
    ask_url: String,
    probe_url: String,
    key: Current<Key>,
    client: reqwest::Client,
    permits: Semaphore,
    occupied: Gauge,
}

/// One of a provider's permits, counted while it is held.
#[derive(Debug)]
struct Permit<'a> {
    _held: SemaphorePermit<'a>,
    _counted: Occupied,
}

impl Provider {
    /// Sets a provider up; `None` when its row is off or has no key.
    ///
    /// # Errors
    /// When the client cannot be built or the key cannot be sent.
    pub fn from_row(row: &ProviderRow, metrics: &Metrics) -> Result<Option<Self>, ProviderError> {
        let Some(key) = row.key.clone().filter(|_| row.is_enabled) else {
            return Ok(None);
        };
        let name = row.name.clone();
        let key = Key::new(&name, row.dialect, key)?;
        // Redirects are refused, for they would carry the key elsewhere (fault G08); the library's
        // own retries are off, for there is one retry layer only (fault G07).
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(POOL_IDLE)
            .user_agent(concat!("exai/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|cause| ProviderError::Client {
                name: name.clone(),
                cause,
            })?;
        let permits = row.in_flight.clamp(1, Semaphore::MAX_PERMITS);
        let occupied = metrics.provider_in_flight(&name, permits);
        Ok(Some(Self {
            name,
            dialect: row.dialect,
            base: row.base_url.as_str().trim_end_matches('/').to_owned(),
            ask_url: ask_url(row),
            probe_url: probe_url(row),
            key: Current::new(key),
            client,
            permits: Semaphore::new(permits),
            occupied,
        }))
    }

    /// The row's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The wire dialect.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Makes one attempt.
    ///
    /// # Errors
    /// Classified; no text of it holds the key.
    pub async fn ask(
        &self,
        request: &Request<'_>,
        watch: &Watch<'_>,
    ) -> Result<Reply, ProviderFailure> {
        if self.dialect == Dialect::Demo {
            return Ok(show_demo(request, watch).await);
        }
        let _permit = self.permit(&watch.clocks, watch.cancel).await?;
        let key = self.key();
        let answer = Exchange {
            provider: self,
            key: &key,
            request,
            watch,
        }
        .run()
        .await;
        let answer = answer.and_then(|reply| {
            match leak::find(self.dialect, &reply.text, request.messages) {
                Some(marker) => Err(frame::leaked(marker)),
                None => Ok(reply),
            }
        });
        answer.map_err(|failure| key.hidden_from(failure))
    }

    /// Asks whether the provider answers at all, by its list of models: any status below 500 is
    /// a sign of life.
    ///
    /// # Errors
    /// When nothing answers in time, or with a server error.
    pub async fn probe(&self) -> Result<(), ProviderFailure> {
        if self.dialect == Dialect::Demo {
            return Ok(());
        }
        let request = self
            .authorised(self.client.get(&self.probe_url), &self.key())
            .timeout(PROBE);
        let failure = |class, said: &str| Err(ProviderFailure::new(class, Reaction::Retry, said));
        match request.send().await {
            Ok(response) if response.status().as_u16() < 500 => Ok(()),
            Ok(response) => failure(FaultClass::ServerError, response.status().as_str()),
            Err(error) if error.is_timeout() => failure(FaultClass::Silent, "probe timed out"),
            Err(_) => failure(FaultClass::Unreachable, "probe could not connect"),
        }
    }

    /// The body that an attempt would send.
    #[must_use]
    pub fn body(&self, request: &Request<'_>) -> serde_json::Value {
        match self.dialect {
            Dialect::Kimi => kimi::body(request),
            Dialect::Glm => glm::body(request),
            Dialect::Minimax => minimax::body(request, &self.name),
            Dialect::Openai | Dialect::Demo => openai::body(request),
        }
    }

    /// Waits a moment for a permit; a full provider is left for the next one.
    async fn permit(
        &self,
        clocks: &AttemptClocks,
        cancel: &CancellationToken,
    ) -> Result<Permit<'_>, ProviderFailure> {
        let waiting = self.free_permit(PERMIT.min(clocks.first_token));
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(exchange::cancelled()),
            granted = waiting => granted,
        }
    }

    async fn free_permit(&self, limit: Duration) -> Result<Permit<'_>, ProviderFailure> {
        match tokio::time::timeout(limit, self.permits.acquire()).await {
            Ok(Ok(held)) => Ok(Permit {
                _held: held,
                _counted: Occupied::one_of(&self.occupied),
            }),
            _ => {
                let said = "every permit of the provider is taken";
                Err(ProviderFailure::new(
                    FaultClass::Busy,
                    Reaction::FailOver,
                    said,
                ))
            }
        }
    }

    fn post(&self, request: &Request<'_>, key: &Key) -> reqwest::RequestBuilder {
        let accept = if request.stream {
            "text/event-stream"
        } else {
            "application/json"
        };
        let traced = request.traceparent.as_deref();
        let traced = traced.and_then(|text| text.parse::<HeaderValue>().ok());
        let headers = traced.map(|value| (HeaderName::from_static("traceparent"), value));
        let headers = headers.into_iter().collect();
        self.authorised(self.client.post(&self.ask_url), key)
            .headers(headers)
            .header("accept", accept)
            .header("x-request-id", &request.id)
            .json(&self.body(request))
    }
}

async fn show_demo(request: &Request<'_>, watch: &Watch<'_>) -> Reply {
    let reply = demo::reply(request);
    if let Some(listener) = watch.on_text {
        watch.shown.store(true, Ordering::Relaxed);
        let sending = listener.send(reply.text.clone());
        let _gone = tokio::time::timeout(watch.clocks.total, sending).await;
    }
    reply
}

fn ask_url(row: &ProviderRow) -> String {
    let base = row.base_url.as_str().trim_end_matches('/');
    match row.dialect.form() {
        Form::Messages => format!("{base}/v1/messages"),
        Form::Completions => format!("{base}/chat/completions"),
    }
}

/// MiniMax lists its models beside the Anthropic-shaped route, not under it.
fn probe_url(row: &ProviderRow) -> String {
    let base = row.base_url.as_str().trim_end_matches('/');
    match row.dialect {
        Dialect::Minimax => format!("{}/v1/models", base.trim_end_matches("/anthropic")),
        Dialect::Kimi | Dialect::Glm | Dialect::Openai | Dialect::Demo => format!("{base}/models"),
    }
}
