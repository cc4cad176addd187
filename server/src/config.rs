//! Configuration: one tree of typed sections, built from four layers, checked as a whole.
//!
//! Layers: the embedded `default.toml`, a file, `EXAI_*` environment variables, flags. Everything
//! wrong is reported at once, each fault with its key and the layer that set it. Secrets come from
//! the environment, or from files that it names, and enter no digest. Nothing here opens a socket.

pub mod address;
pub mod archive;
pub mod auth;
pub mod budget;
pub mod current;
pub mod difference;
pub mod digest;
pub mod duration;
pub mod fault;
pub mod files;
pub mod json_schema;
mod ladder;
pub mod layer;
pub mod limits;
pub mod prompts;
pub mod provider;
pub mod reference;
mod registration;
mod relations;
pub mod schema;
pub mod secret;
pub mod section;
mod variable;
pub mod watching;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

pub use address::Cidr;
pub use archive::{Archive, ArchiveKind, Migrate};
pub use auth::{Algorithm, Auth, AuthMode, Jwt, KeySource};
pub use budget::Budgets;
pub use current::Current;
pub use digest::Digests;
pub use fault::{Fault, Faults};
pub use files::Files;
pub use layer::{Flag, Layer};
pub use limits::{Clocks, Ladder, Limits, Rate, TimeoutProfile, Timeouts};
pub use prompts::Prompts;
pub use provider::{Dialect, ProviderKey, ProviderRow};
pub use schema::Schema;
pub use secret::Secrets;
pub use section::{
    Audit, Breaker, BreakerSpan, Bridge, Decision, ForwardingHeader, Models, Probes, Retry, Server,
    Store, StoreKind, Thread, ToolProfile, Tools, WebSearch,
};

pub use watching::{AlertSettings, CallLog, Otlp};

use crate::auth::policy::Policy;
use layer::Settings;

/// The embedded defaults; also the schema: every key that exists stands here.
pub const DEFAULT_TOML: &str = include_str!("../default.toml");

/// Where a configuration is read from; a parameter, so that tests bring their own.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file of `--config`, if one was named.
    pub file: Option<PathBuf>,
    /// The process environment; what stands in files is in it after [`Sources::with_files`].
    pub environment: BTreeMap<String, String>,
    /// The variables whose values stood in files, and the files.
    pub in_files: BTreeMap<String, PathBuf>,
    /// The files that could not be read.
    pub unread: Vec<Fault>,
    /// `--listen`, `--admin` and `--set`, in the order given.
    pub flags: Vec<Flag>,
    /// Whether `--demo` was given.
    pub demo: bool,
}

/// A configuration that passed every check.
#[derive(Debug, Clone)]
pub struct Config {
    /// Listeners, proxies, state folder, drain.
    pub server: Server,
    /// Sizes, counts and rates.
    pub limits: Limits,
    /// The clocks of both model classes.
    pub timeouts: Timeouts,
    /// When breakers open and for how long.
    pub breaker: Breaker,
    /// The one retry budget.
    pub retry: Retry,
    /// The hot store.
    pub store: Store,
    /// What outlives the hot store.
    pub archive: Archive,
    /// Bounds of a conversation.
    pub thread: Thread,
    /// Who may come in.
    pub auth: Auth,
    /// Where denials are recorded.
    pub audit: Audit,
    /// The daemon that `exai bridge` speaks to.
    pub bridge: Bridge,
    /// Which tools are listed and how they answer.
    pub tools: Tools,
    /// Default model and extra aliases.
    pub models: Models,
    /// What callers and teams may spend.
    pub budgets: Budgets,
    /// What may be read by path.
    pub files: Files,
    /// Whether `/metrics` is open without a token.
    pub metrics_open: bool,
    /// Who is sent traces.
    pub otlp: Otlp,
    /// The file with a line for each call.
    pub call_log: CallLog,
    /// What is worth telling somebody.
    pub alerts: AlertSettings,
    /// How often parts are asked how they are doing.
    pub health: Probes,
    /// Components whose loss turns readiness red.
    pub ready_require: Vec<String>,
    /// Provider rows by name, disabled ones and those without a key included.
    pub providers: BTreeMap<String, ProviderRow>,
    /// What may not be printed.
    pub secrets: Secrets,
    /// Role-to-tools policy.
    pub policy: Policy,
    /// What binds evidence to this configuration.
    pub digests: Digests,
    /// Whether the embedded demo provider is registered.
    pub demo: bool,
}

impl Config {
    /// Reads, merges and checks all layers.
    ///
    /// # Errors
    /// Every fault found, never only the first.
    pub fn load(sources: &Sources) -> Result<Self, Faults> {
        let schema = Schema::embedded()?;
        Self::build(Settings::merged(sources, &schema), &schema, sources)
    }

    /// The defaults, with keys of a TOML text on top; for tests and examples.
    ///
    /// # Errors
    /// Every fault found.
    pub fn from_toml(text: &str) -> Result<Self, Faults> {
        let schema = Schema::embedded()?;
        let mut settings = Settings::defaults(&schema);
        settings.add_text(text, &Layer::File(PathBuf::from("(text)")), &schema);
        Self::build(settings, &schema, &Sources::default())
    }

    fn build(settings: Settings, schema: &Schema, from: &Sources) -> Result<Self, Faults> {
        let mut faults = settings.faults.clone();
        let secrets = Secrets::read(from, &mut faults);
        let policy = read_policy(&settings, &mut faults);
        let prompts = read_prompts(&settings, &mut faults);
        let digests = Digests::of(&settings, schema, (&policy, &prompts), from.demo);
        let mut reader = Reader {
            settings: &settings,
            faults: &mut faults,
        };
        let providers = provider::read(&mut reader, &from.environment);
        let sections = Sections::read(&mut reader);
        let budgets = read_budgets(&mut reader);
        let Some((sections, budgets)) = sections.zip(budgets) else {
            return Err(Faults(faults));
        };
        let outside = Outside {
            providers,
            budgets,
            secrets,
            policy,
            prompts,
            digests,
            demo: from.demo,
        };
        let config = sections.into_config(outside);
        for (key, message) in relations::check(&config) {
            faults.push(settings.fault(&key, message));
        }
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(Faults(faults))
        }
    }
}

/// Every key with its value as TOML and the layer that set it, also of a configuration that is
/// wrong. Values may hold what should not be shown: an address with a password.
#[must_use]
pub fn told(sources: &Sources) -> Vec<(String, String, String)> {
    let Ok(schema) = Schema::embedded() else {
        return Vec::new();
    };
    Settings::merged(sources, &schema).told()
}

fn read_policy(settings: &Settings, faults: &mut Vec<Fault>) -> Policy {
    let path = settings.text("auth.policy_file");
    Policy::load(&path).unwrap_or_else(|error| {
        faults.push(settings.fault("auth.policy_file", error.to_string()));
        Policy::deny_all()
    })
}

fn read_prompts(settings: &Settings, faults: &mut Vec<Fault>) -> Prompts {
    Prompts::read(&settings.text("tools.prompts")).unwrap_or_else(|error| {
        let message = format!("the folder of instructions could not be read: {error}");
        faults.push(settings.fault("tools.prompts", message));
        Prompts::default()
    })
}

fn read_budgets(reader: &mut Reader<'_>) -> Option<Budgets> {
    let written: budget::Written = reader.section("budget")?;
    match written.read() {
        Ok(budgets) => Some(budgets),
        Err(wrong) => {
            for (key, message) in wrong {
                reader.faults.push(reader.settings.fault(&key, message));
            }
            None
        }
    }
}

/// Turns tables of merged settings into typed sections, collecting what does not fit.
pub(crate) struct Reader<'a> {
    settings: &'a Settings,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    /// One section, or `None` after its fault was recorded.
    pub(crate) fn section<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let table = self.settings.table(name);
        match serde_path_to_error::deserialize::<_, T>(table) {
            Ok(section) => Some(section),
            Err(error) => {
                let key = format!("{name}.{}", error.path());
                let message = error.into_inner().message().trim().to_owned();
                self.faults.push(self.settings.fault(&key, message));
                None
            }
        }
    }
}

/// What a configuration holds besides its sections.
struct Outside {
    providers: BTreeMap<String, ProviderRow>,
    budgets: Budgets,
    secrets: Secrets,
    policy: Policy,
    prompts: Prompts,
    digests: Digests,
    demo: bool,
}

struct Sections {
    server: Server,
    limits: Limits,
    timeouts: Timeouts,
    breaker: Breaker,
    retry: Retry,
    store: Store,
    archive: Archive,
    thread: Thread,
    auth: Auth,
    audit: Audit,
    bridge: Bridge,
    tools: Tools,
    models: Models,
    files: Files,
    admin: section::Admin,
    alerts: AlertSettings,
    otlp: Otlp,
    call_log: CallLog,
    health: Probes,
    ready: section::Ready,
}

impl Sections {
    /// Reads every section before giving up, so that each reports its own fault.
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let server = reader.section("server");
        let limits = reader.section("limits");
        let timeouts = reader.section("timeouts");
        let breaker = reader.section("breaker");
        let retry = reader.section("retry");
        let store = reader.section("store");
        let archive = reader.section("archive");
        let thread = reader.section("thread");
        let auth = reader.section("auth");
        let audit = reader.section("audit");
        let bridge = reader.section("bridge");
        let tools = reader.section("tools");
        let models = reader.section("models");
        let files = reader.section("files");
        let admin = reader.section("admin");
        let alerts = reader.section("alerts");
        let otlp = reader.section("otlp");
        let call_log = reader.section("call_log");
        let health = reader.section("health");
        let ready = reader.section("ready");
        Some(Self {
            server: server?,
            limits: limits?,
            timeouts: timeouts?,
            breaker: breaker?,
            retry: retry?,
            store: store?,
            archive: archive?,
            thread: thread?,
            auth: auth?,
            audit: audit?,
            bridge: bridge?,
            tools: tools?,
            models: models?,
            files: files?,
            admin: admin?,
            alerts: alerts?,
            otlp: otlp?,
            call_log: call_log?,
            health: health?,
            ready: ready?,
        })
    }

    fn into_config(self, outside: Outside) -> Config {
        let Outside {
            providers,
            budgets,
            secrets,
            policy,
            prompts,
            digests,
            demo,
        } = outside;
        let tools = Tools {
            instructions: prompts,
            ..self.tools
        };
        let bridge = Bridge {
            wall: self.timeouts.bridge(),
            ..self.bridge
        };
        Config {
            server: self.server,
            limits: self.limits,
            timeouts: self.timeouts.in_force(),
            breaker: self.breaker,
            retry: self.retry,
            store: self.store,
            archive: self.archive,
            thread: self.thread,
            auth: self.auth,
            audit: self.audit,
            bridge,
            tools,
            models: self.models,
            budgets,
            files: self.files,
            metrics_open: self.admin.metrics_open,
            alerts: self.alerts,
            otlp: self.otlp,
            call_log: self.call_log,
            health: self.health,
            ready_require: self.ready.require,
            providers,
            secrets,
            policy,
            digests,
            demo,
        }
    }
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
