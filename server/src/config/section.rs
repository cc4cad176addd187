//! The sections that are neither limits nor provider rows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::{Cidr, Prompts, duration};

/// `[server]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// A name for people; empty when none was given.
    pub instance: String,
    /// The public listener.
    pub listen: SocketAddr,
    /// The admin listener; equal to `listen` means one listener for both.
    pub admin: SocketAddr,
    /// The origin by which clients reach the public listener, when another one speaks TLS before
    /// it; empty: `http` and the Host of each request.
    pub public_url: String,
    /// Host values accepted besides loopback and the listeners.
    pub allowed_hosts: Vec<String>,
    /// Origin values accepted besides loopback.
    pub allowed_origins: Vec<String>,
    /// Peers that are believed when they say whom they speak for.
    pub trusted_proxies: Vec<Cidr>,
    /// Where they say so.
    pub forwarding_header: ForwardingHeader,
    /// Whether each of their connections begins with a preamble of PROXY v2.
    pub proxy_protocol: bool,
    /// The state folder as configured; see [`Server::state_dir`].
    #[serde(rename = "state_dir")]
    pub state_dir_setting: String,
    /// Bounded wait for calls in flight on SIGTERM.
    #[serde(deserialize_with = "duration::one")]
    pub drain: Duration,
    /// How long a process on pipes stays for answers that are paid for after its pipe has closed.
    #[serde(deserialize_with = "duration::one")]
    pub linger: Duration,
    /// A tracing filter such as `info` or `exai_server=debug`.
    pub log: String,
}

impl Server {
    /// The state folder: the setting, else `$XDG_STATE_HOME/exai`, else `$HOME/.local/state/exai`,
    /// else `exai` in the folder for temporary files.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        if !self.state_dir_setting.is_empty() {
            return PathBuf::from(&self.state_dir_setting);
        }
        let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(state) = from("XDG_STATE_HOME") {
            return PathBuf::from(state).join("exai");
        }
        match from("HOME") {
            Some(home) => PathBuf::from(home).join(".local/state/exai"),
            None => std::env::temp_dir().join("exai"),
        }
    }

    /// Where this server is for whoever sent these headers, without a slash at the end.
    #[must_use]
    pub fn origin(&self, headers: &http::HeaderMap) -> String {
        if !self.public_url.is_empty() {
            return self.public_url.trim_end_matches('/').to_owned();
        }
        let host = headers.get(http::header::HOST);
        let host = host.and_then(|host| host.to_str().ok());
        format!("http://{}", host.unwrap_or("localhost"))
    }

    /// Whether public and admin endpoints share one listener. Port 0 never does: it names two
    /// different ports.
    #[must_use]
    pub fn is_shared_listener(&self) -> bool {
        self.listen == self.admin && self.listen.port() != 0
    }
}

/// The header in which a proxy of HTTP says whom it speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardingHeader {
    /// By custom.
    XForwardedFor,
    /// By RFC 7239.
    Forwarded,
}

impl ForwardingHeader {
    /// Its name, as configured.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }
}

/// `[bridge]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    /// The daemon's address.
    pub url: String,
    /// A file with the token, read anew for each connection; empty means `EXAI_TOKEN`.
    pub token_file: String,
    /// Requests at the daemon at once.
    pub in_flight: usize,
    /// Requests that may wait.
    pub queue: usize,
    /// How long a request waits for a daemon that is lost.
    #[serde(deserialize_with = "duration::one")]
    pub reconnect: Duration,
    /// Silence after which the daemon is taken for lost.
    #[serde(deserialize_with = "duration::one")]
    pub idle: Duration,
    /// The folder whose files may be sent; empty means the working directory.
    pub root: String,
    /// `HOST=CONTAINER` for a client that sees other paths than the bridge.
    pub map: Vec<String>,
    /// What any request may take, where `timeouts.profile` says so; None is no wall clock.
    #[serde(skip)]
    pub wall: Option<Duration>,
}

/// `[breaker]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Consecutive failures that open a breaker.
    pub failures: u32,
    /// Intervals of a provider's breaker.
    pub provider: BreakerSpan,
    /// Intervals of the Redis breaker.
    pub redis: BreakerSpan,
    /// Intervals of the archive's breaker.
    pub archive: BreakerSpan,
}

/// How long a breaker stays open before it lets one probe through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerSpan {
    /// The first interval.
    #[serde(deserialize_with = "duration::one")]
    pub first_open: Duration,
    /// The interval doubles per failed probe up to this.
    #[serde(deserialize_with = "duration::one")]
    pub max_open: Duration,
}

/// `[retry]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Tries at one provider in one call.
    pub attempts_per_provider: u32,
    /// Tries in one call.
    pub attempts_per_call: u32,
    /// Full-jitter bounds of the waits between tries.
    #[serde(deserialize_with = "duration::many")]
    pub waits: Vec<Duration>,
    /// A longer Retry-After leaves the provider at once.
    #[serde(deserialize_with = "duration::one")]
    pub retry_after_max: Duration,
}

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Which home hot state has.
    pub kind: StoreKind,
    /// The SQLite file; empty means `exai.sqlite` in the state folder.
    pub path: String,
    /// The Redis URL; may hold a password, so it is never logged.
    pub url: String,
    /// Wait for a locked SQLite file.
    #[serde(deserialize_with = "duration::one")]
    pub busy_timeout: Duration,
    /// One attempt to reach Redis.
    #[serde(deserialize_with = "duration::one")]
    pub connect_timeout: Duration,
    /// One Redis command.
    #[serde(deserialize_with = "duration::one")]
    pub command_timeout: Duration,
}

/// The home of hot state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// Embedded.
    Sqlite,
    /// By URL.
    Redis,
}

impl StoreKind {
    /// The configured word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Redis => "redis",
        }
    }
}

/// `[thread]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thread {
    /// Exchanges in one thread.
    pub exchanges: u32,
    /// Life after the last exchange.
    #[serde(deserialize_with = "duration::one")]
    pub ttl: Duration,
}

/// `[audit]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// The file; empty means `audit.jsonl` in the state folder.
    pub file: String,
    /// Lines waiting for the writer, and as many more while the file cannot be written.
    pub queue: usize,
    /// At this length the file is set aside.
    pub bytes: u64,
}

impl Audit {
    /// Where the file is, given the state folder.
    #[must_use]
    pub fn path(&self, state_dir: &Path) -> PathBuf {
        match self.file.as_str() {
            "" => state_dir.join("audit.jsonl"),
            path => path.into(),
        }
    }
}

/// `[tools]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tools {
    /// Which set is listed.
    pub profile: ToolProfile,
    /// When not empty, only these are listed.
    pub allow: Vec<String>,
    /// Never listed; applied last.
    pub deny: Vec<String>,
    /// A folder whose `NAME.md` replace embedded instructions; empty means none.
    pub prompts: String,
    /// What that folder held.
    #[serde(skip)]
    pub instructions: Prompts,
    /// Whether a call may search the web.
    pub websearch: WebSearch,
    /// Whether replies carry a footer block.
    pub footer: bool,
    /// Whether prose tools send structured content as well.
    pub structured: bool,
    /// Reviews of workflows kept for equal content.
    pub review_entries: usize,
    /// How long such a review is kept.
    #[serde(deserialize_with = "duration::one")]
    pub review_ttl: Duration,
    /// Bytes of answers kept for equal calls of the same principal; 0 keeps none.
    pub result_bytes: usize,
    /// How long such an answer is kept; 0 shares only between calls at the same time.
    #[serde(deserialize_with = "duration::one")]
    pub result_ttl: Duration,
    /// How long it also answers the same question written otherwise; 0 never.
    #[serde(deserialize_with = "duration::one")]
    pub semantic_ttl: Duration,
}

/// A set of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolProfile {
    /// Essential and core.
    Lean,
    /// The default.
    Standard,
    /// Everything.
    Full,
}

/// Whether a call may search the web.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebSearch {
    /// Refused.
    Off,
    /// Needs the caller's consent.
    Ask,
    /// Obeys the argument.
    On,
}

/// `[models]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    /// The model of a call that names none.
    pub default: String,
    /// Choices of routes kept for questions of one shape; 0 keeps none.
    pub choice_entries: usize,
    /// How long such a choice is kept; 0 keeps none.
    #[serde(deserialize_with = "duration::one")]
    pub choice_ttl: Duration,
    /// How long a provider's own list of models is kept; 0 keeps none.
    #[serde(deserialize_with = "duration::one")]
    pub list_ttl: Duration,
    /// Extra names for models of the catalogue.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// `[models.decision]`.
    pub decision: Decision,
}

/// `[models.decision]`: a model that decides where a question goes first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Its name; empty leaves routes to the rules.
    pub model: String,
    /// One decision; at most a third of the call's own time.
    #[serde(deserialize_with = "duration::one")]
    pub timeout: Duration,
    /// Failures in a row after which it is left alone.
    pub failures: u32,
    /// For so long at first.
    #[serde(deserialize_with = "duration::one")]
    pub first_open: Duration,
    /// The interval doubles per failed try up to this.
    #[serde(deserialize_with = "duration::one")]
    pub max_open: Duration,
    /// Decisions kept for equal questions of a principal; 0 keeps none.
    pub entries: usize,
    /// How long a decision is kept; 0 keeps none.
    #[serde(deserialize_with = "duration::one")]
    pub ttl: Duration,
}

/// `[admin]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    pub(crate) metrics_open: bool,
}

/// `[health]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probes {
    /// Between two rounds of probes, and the deadline of each probe.
    #[serde(deserialize_with = "duration::one")]
    pub interval: Duration,
    /// The least time that tells whether memory grows.
    #[serde(deserialize_with = "duration::one")]
    pub trend: Duration,
}

/// `[ready]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ready {
    pub(crate) require: Vec<String>,
}
