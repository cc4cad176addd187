//! What the tools need from the rest of the server, as values and closures.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;

use super::journal::Journal;
use super::workflow::Reviews;
use crate::auth::policy::Policy;
use crate::config;
use crate::config::Current;
use crate::failure::Failure;
use crate::files::FileStore;
use crate::observe::manifest::Identity;
use crate::observe::trace::Tracer;
use crate::observe::{Health, Metrics};
use crate::protocol::seal::Seal;
use crate::router::ask::{Answer, Ask, CallContext};
use crate::router::direct::{DirectAnswer, DirectAsk};
use crate::router::listed::Listed;
use crate::router::member::ProviderStatus;
use crate::spending::Spending;
use crate::thread::Threads;

/// Asks one model; the router in a server, a table in a test.
pub type AskModel =
    Arc<dyn Fn(Ask, CallContext) -> BoxFuture<'static, Result<Answer, Failure>> + Send + Sync>;

/// Sends one request to one provider in its own form.
pub type SendDirect = Arc<
    dyn Fn(DirectAsk, CallContext) -> BoxFuture<'static, Result<DirectAnswer, Failure>>
        + Send
        + Sync,
>;

/// The body that a question would be sent with.
pub type Preview = Arc<dyn Fn(&Ask, &CallContext) -> Result<Value, Failure> + Send + Sync>;

/// One model, for the `listmodels` tool.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelFacts {
    /// Its name.
    pub name: String,
    /// The provider row that serves it.
    pub provider: String,
    /// That row's label.
    pub label: String,
    /// `prompt` or `thinking`.
    pub class: String,
    /// `current`, `retired` or `unconfirmed`.
    pub status: String,
    /// Whether its provider has a key.
    pub available: bool,
    /// Context window in tokens.
    pub context_tokens: u64,
    /// Longest answer in tokens.
    pub max_output_tokens: u64,
    /// Other names.
    pub aliases: Vec<String>,
    /// `images`, `tools`, `thinking`, `websearch`.
    pub capabilities: Capabilities,
    /// What to use instead of a retired model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
}

/// What a model can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// Sees images.
    pub images: bool,
    /// Calls tools.
    pub tools: bool,
    /// Thinks before it answers.
    pub thinking: bool,
    /// Searches the web.
    pub websearch: bool,
}

/// Asked anew by each call of an information tool.
pub type Listing<T> = Arc<dyn Fn() -> Vec<T> + Send + Sync>;

/// Asks every provider for a sign of life.
pub type Probing = Arc<dyn Fn() -> BoxFuture<'static, Vec<ProviderStatus>> + Send + Sync>;

/// The providers' own lists of models; `true` asks for them anew.
pub type Lists = Arc<dyn Fn(bool) -> BoxFuture<'static, Vec<Listed>> + Send + Sync>;

/// Everything a tool may use.
#[derive(Clone)]
pub struct Surroundings {
    /// Asks a model.
    pub ask: AskModel,
    /// Sends one request to one provider in its own form.
    pub direct: SendDirect,
    /// Shows what a question would be sent with.
    pub preview: Preview,
    /// Provider rows, registered or not.
    pub providers: Listing<ProviderStatus>,
    /// The same rows, after each provider was asked for a sign of life.
    pub probe_providers: Probing,
    /// Models of the catalogue.
    pub models: Listing<ModelFacts>,
    /// The providers' own lists of models.
    pub lists: Lists,
    /// Forgets routes and lists.
    pub forget_routes: Arc<dyn Fn() + Send + Sync>,
    /// Conversations.
    pub threads: Threads,
    /// What callers spend.
    pub spending: Spending,
    /// Stored files; `None` where none can be stored.
    pub files: Option<FileStore>,
    /// Reviews given lately.
    pub reviews: Reviews,
    /// The last calls of this process.
    pub journal: Journal,
    /// Component states.
    pub health: Health,
    /// What this process is.
    pub identity: Identity,
    /// Metrics.
    pub metrics: Metrics,
    /// Opens the spans of calls.
    pub tracer: Tracer,
    /// Configuration the tools read.
    pub settings: Arc<Settings>,
}

/// Configuration the tools read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `server.instance`.
    pub instance_name: String,
    /// `[tools]`.
    pub tools: config::Tools,
    /// `[limits]`.
    pub limits: config::Limits,
    /// `[timeouts]`.
    pub timeouts: config::Timeouts,
    /// `[files]`.
    pub files: config::Files,
    /// `models.default`, which a reload may replace.
    pub default_model: Current<String>,
    /// Which role may do what.
    pub policy: Current<Policy>,
    /// Seals what a client carries for the server; a reload of its secret replaces it.
    pub seal: Current<Seal>,
    /// Which provider's key is set, without the keys.
    pub keys: Vec<KeyFacts>,
}

/// Where a provider's key is looked for, and whether one is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFacts {
    /// The provider row's name.
    pub provider: String,
    /// Environment variables tried in order.
    pub variables: Vec<String>,
    /// Whether one of them holds a key.
    pub is_set: bool,
}

impl Settings {
    /// The parts of a configuration that the tools read.
    #[must_use]
    pub fn of(config: &config::Config) -> Self {
        Self {
            instance_name: config.server.instance.clone(),
            tools: config.tools.clone(),
            limits: config.limits.clone(),
            timeouts: config.timeouts.clone(),
            files: config.files.clone(),
            default_model: Current::new(config.models.default.clone()),
            policy: Current::new(config.policy.clone()),
            seal: Current::new(Seal::of(&config.secrets)),
            keys: config.providers.values().map(KeyFacts::of).collect(),
        }
    }
}

impl KeyFacts {
    fn of(row: &config::ProviderRow) -> Self {
        Self {
            provider: row.name.clone(),
            variables: row.api_key_env.clone(),
            is_set: row.key.is_some(),
        }
    }
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings")
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// A value as JSON; none of the types given here can fail to become one.
pub(super) fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
