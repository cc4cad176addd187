//! Assembly: a checked configuration becomes the parts, in stages that are timed and recorded.
//!
//! `serve` and `stdio` run what is built here; the order of the ending is in `app/serve.rs`.

mod belongings;
mod bridge;
mod guard;
mod heap;
mod manifest;
mod probes;
mod reload;
mod serve;
mod signals;
mod stdio;
mod storage;
mod watching;

pub(crate) use self::reload::needs_restart;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::archive::keeper::Pace;
use crate::archive::{self, Archive, Keeper};
use crate::cli::{BUG, USAGE};
use crate::config::{ArchiveKind, Config, Current, Digests, Sources, StoreKind};
use crate::files::FileStore;
use crate::guard::Moved;
use crate::observe::manifest::Identity;
use crate::observe::stage::Stages;
use crate::observe::{Health, Metrics, log};
use crate::router::Router;
use crate::spending::Spending;
use crate::store::{Store, ThreadLimits};
use crate::thread::Threads;
use crate::tool::{Surroundings, Toolbox};

pub(crate) use storage::{open_store, unwatched};

/// How long the runtime's own tasks may take to end after everything was told to.
const ENDING: Duration = Duration::from_millis(500);

/// A stage that failed.
#[derive(Debug, thiserror::Error)]
#[error("could not start: {stage}: {cause}")]
pub struct AppError {
    stage: &'static str,
    cause: String,
    code: u8,
}

impl AppError {
    /// Something outside is wrong and the caller can mend it.
    pub(crate) fn theirs(stage: &'static str, cause: impl std::fmt::Display) -> Self {
        Self {
            stage,
            cause: cause.to_string(),
            code: USAGE,
        }
    }

    /// Something of ours failed.
    pub(crate) fn ours(stage: &'static str, cause: impl std::fmt::Display, code: u8) -> Self {
        Self {
            stage,
            cause: cause.to_string(),
            code,
        }
    }

    /// Whether no client was served yet.
    #[must_use]
    pub fn is_before_serving(&self) -> bool {
        self.stage != "stdio"
    }

    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        self.code
    }
}

/// The parts of a running server.
#[derive(Clone)]
pub struct App {
    /// What everything was built from.
    pub config: Arc<Config>,
    /// The digests of the configuration in force.
    pub digests: Current<Digests>,
    /// The static scrape token in force.
    pub scrape_token: Current<Option<SecretString>>,
    /// Counters and gauges.
    pub metrics: Metrics,
    /// Component states.
    pub health: Health,
    /// What this process is.
    pub identity: Identity,
    /// What really ran at the start.
    pub stages: Stages,
    /// Providers behind one question.
    pub router: Arc<Router>,
    /// Hot state.
    pub store: Store,
    /// What copies threads to the archive; `None` without one.
    pub keeper: Option<Keeper>,
    /// What callers have stored.
    pub files: FileStore,
    /// The tools and one way to run them.
    pub toolbox: Toolbox,
    /// The history of the metrics and the alerts.
    pub watch: crate::observe::watch::Watch,
    /// Spans and lines, until an exporter takes them; `None` where none is configured.
    telemetry: watching::Telemetry,
}

impl App {
    /// Builds every part that both transports need.
    ///
    /// # Errors
    /// The stage that failed and why.
    pub async fn build(config: Config) -> Result<Self, AppError> {
        let stages = Stages::default();
        let config = Arc::new(config);
        let metrics = Metrics::new();
        let identity = Identity::fresh();
        let health = Health::new(&config.ready_require);
        prepare(&config.server.state_dir(), &stages).await?;
        let (store, keeper) = open_state(&config, &stages, metrics.clone()).await?;
        let spending = Spending::new(store.clone(), config.budgets.clone());
        let building = async {
            let router = Router::from_config(&config, metrics.clone());
            router.map(|router| router.with_spending(spending.clone()))
        };
        let router = stages.run("providers", building).await;
        let router = Arc::new(router.map_err(|error| AppError::theirs("providers", error))?);
        let archive = keeper.as_ref().map(|keeper| keeper.archive().clone());
        let threads = Threads::new(store.clone(), thread_limits(&config)).with_archive(archive);
        let opening =
            async { FileStore::open(&config, Some(Arc::clone(&router)), metrics.clone()) };
        let files = stages.run("files", opening).await;
        let files = files.map_err(|error| AppError::theirs("files", error))?;
        let (tracer, telemetry) = watching::tracer(&config, &metrics);
        let calls = watching::call_log(&config, &metrics)?;
        let loading = async {
            let mut around = Surroundings::routed(
                Arc::clone(&router),
                &config,
                threads,
                identity.clone(),
                metrics.clone(),
            );
            around.health = health.clone();
            around.spending = spending.clone();
            around.files = Some(files.clone());
            around.tracer = tracer;
            around.journal = around.journal.with_log(calls);
            Ok::<_, std::convert::Infallible>(Toolbox::new(around))
        };
        let toolbox = match stages.run("tools", loading).await {
            Ok(toolbox) => toolbox,
            Err(never) => match never {},
        };
        let watch = watching::watch(&config, &metrics, &health)?;
        Ok(Self {
            digests: Current::new(config.digests.clone()),
            scrape_token: Current::new(config.secrets.metrics.clone()),
            watch,
            telemetry,
            config,
            metrics,
            health,
            identity,
            stages,
            router,
            store,
            keeper,
            files,
            toolbox,
        })
    }
}

async fn prepare(folder: &Path, stages: &Stages) -> Result<(), AppError> {
    let prepared = async { prepare_state_dir(folder) };
    stages.run("state_dir", prepared).await.map_err(|error| {
        let folder = folder.display();
        AppError::theirs(
            "state_dir",
            format!("{folder}: {error}; set server.state_dir"),
        )
    })
}

/// Creates the state folder for its owner alone and makes sure it can be written.
///
/// # Errors
/// When it cannot.
pub(crate) fn prepare_state_dir(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let access = nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK);
    access.map_err(std::io::Error::from)
}

fn thread_limits(config: &Config) -> ThreadLimits {
    ThreadLimits {
        exchanges: config.thread.exchanges,
        ttl_ms: u64::try_from(config.thread.ttl.as_millis()).unwrap_or(u64::MAX),
        queue: match config.archive.kind {
            ArchiveKind::None => 0,
            ArchiveKind::Sqlite | ArchiveKind::Postgres => config.archive.queue,
        },
    }
}

/// Opens the store and the archive behind it.
async fn open_state(
    config: &Config,
    stages: &Stages,
    metrics: Metrics,
) -> Result<(Store, Option<Keeper>), AppError> {
    let changed = Arc::new(Notify::new());
    let told = storage::told(config.store.kind, metrics.clone(), Arc::clone(&changed));
    let opening = open_store(config, told);
    let store = stages.run("store", opening).await;
    let store = store.map_err(|error| AppError::theirs("store", error))?;
    let moved = match config.archive.kind {
        ArchiveKind::None => unwatched().1,
        ArchiveKind::Sqlite | ArchiveKind::Postgres => storage::shown(metrics, storage::ARCHIVE),
    };
    let opening = open_archive(config, &store, moved, changed);
    let keeper = stages.run("archive", opening).await;
    let keeper = keeper.map_err(|error| AppError::theirs("archive", error))?;
    Ok((store, keeper))
}

/// Prepares the configured archive and asks it once. One that does not answer, or whose schema is
/// not ours, is health's to tell.
async fn open_archive(
    config: &Config,
    store: &Store,
    moved: Moved,
    changed: Arc<Notify>,
) -> Result<Option<Keeper>, archive::Fault> {
    let Some(home) = archive_home(config) else {
        return Ok(None);
    };
    let guarding = storage::guarding(config, storage::ARCHIVE, config.breaker.archive, moved);
    let archive = Archive::new(home, guarding, config.archive.migrate)?;
    let keeper = Keeper::new(archive, store.clone(), changed);
    if let Err(cause) = keeper.archive().probe().await {
        tracing::warn!(%cause, "starting without the archive");
    }
    if config.store.kind == StoreKind::Redis && config.archive.kind == ArchiveKind::Sqlite {
        tracing::warn!(
            "the archive is a file of this instance: with several instances on one Redis, set \
             archive.kind = \"postgres\""
        );
    }
    Ok(Some(keeper))
}

/// The configured archive beside no server, which may take so long for one transaction.
///
/// # Errors
/// A URL that cannot be read.
pub(crate) fn archive_alone(
    config: &Config,
    patience: Duration,
) -> Result<Option<Archive>, archive::Fault> {
    let Some(mut home) = archive_home(config) else {
        return Ok(None);
    };
    if let archive::Home::Postgres {
        command_timeout, ..
    } = &mut home
    {
        *command_timeout = patience;
    }
    let (span, (_, moved)) = (config.breaker.archive, unwatched());
    let guarding = storage::guarding(config, storage::ARCHIVE, span, moved);
    Archive::new(home, guarding, config.archive.migrate).map(Some)
}

/// The configured archive's home; `None` where there is none.
pub(crate) fn archive_home(config: &Config) -> Option<archive::Home> {
    let row = &config.archive;
    match row.kind {
        ArchiveKind::None => None,
        ArchiveKind::Sqlite => Some(archive::Home::Sqlite {
            path: match row.path.as_str() {
                "" => config.server.state_dir().join("archive.sqlite"),
                path => PathBuf::from(path),
            },
            busy_timeout: config.store.busy_timeout,
        }),
        ArchiveKind::Postgres => Some(archive::Home::Postgres {
            url: SecretString::from(row.url.as_str()),
            connect_timeout: row.connect_timeout,
            command_timeout: row.command_timeout,
        }),
    }
}

/// When the keeper looks at a queue that nobody said anything about.
fn pace(config: &Config, idle: Duration) -> Pace {
    Pace {
        idle,
        retry: config.archive.retry,
        retention: config.archive.retention,
    }
}

fn runtime() -> Result<Runtime, AppError> {
    heap::settle();
    let built = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    built.map_err(|error| AppError::ours("runtime", error, BUG))
}

fn start_log(filter: &str) -> Result<(), AppError> {
    log::start(filter).map_err(|error| AppError::theirs("log", format!("server.log: {error}")))
}

/// `exai serve`, reloaded from the layers it was started with.
///
/// # Errors
/// A stage that failed, or a drain cut short by a second signal.
pub fn run_serve(config: Config, sources: Sources) -> Result<(), AppError> {
    start_log(&config.server.log)?;
    let runtime = runtime()?;
    let ended = runtime.block_on(serve::serve(config, sources));
    runtime.shutdown_timeout(ENDING);
    ended
}

/// `exai stdio`.
///
/// # Errors
/// A stage that failed.
pub fn run_stdio(config: Config) -> Result<(), AppError> {
    run_piped(&config.server.log.clone(), stdio::serve(config))
}

/// `exai bridge`.
///
/// # Errors
/// A target that cannot be used.
pub fn run_bridge(config: Config) -> Result<(), AppError> {
    run_piped(&config.server.log.clone(), bridge::serve(config))
}

/// `exai data export`: what was written.
///
/// # Errors
/// A part that cannot be read, or a folder that cannot be written.
pub(crate) fn export(config: &Config, owner: &str, folder: &Path) -> Result<Value, AppError> {
    let exporting = belongings::export(config, owner, folder);
    let done = runtime()?.block_on(exporting);
    done.map_err(|cause| AppError::theirs("data export", cause))
}

/// `exai data purge`: what was removed.
///
/// # Errors
/// A part that cannot be reached; the command may be given again.
pub(crate) fn purge(config: &Config, owner: &str) -> Result<Value, AppError> {
    let done = runtime()?.block_on(belongings::purge(config, owner));
    done.map_err(|cause| AppError::theirs("data purge", cause))
}

fn run_piped(
    log: &str,
    serving: impl Future<Output = Result<(), AppError>>,
) -> Result<(), AppError> {
    // A client shows its server's stderr to a person; unless asked for, only trouble belongs there.
    start_log(if log.starts_with("info") { "warn" } else { log })?;
    let runtime = runtime()?;
    let ended = runtime.block_on(serving);
    // The reader of standard input is a thread that cannot be interrupted; it is left behind.
    runtime.shutdown_timeout(ENDING);
    ended
}
