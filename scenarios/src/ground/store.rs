//! The store behind the server: embedded, or a local Redis behind a fault link.

use std::path::{Path, PathBuf};
use std::time::Duration;

use exai_harness::history::Recorder;
use exai_harness::link::Link;
use exai_harness::process::Nobody;
use exai_harness::redis::{self, RedisStore, Setup};
use exai_harness::supervisor::Supervisor;

use crate::cli::Ending;
use crate::cli::arguments::StoreChoice;
use crate::stage::Trouble;

/// From the store's death to its next start.
const RESTART_DELAY: Duration = Duration::from_millis(2_500);
/// How long the store may take to go.
const GOODBYE: Duration = Duration::from_secs(3);

/// The kinds of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// SQLite inside the server's process.
    Embedded,
    /// A local redis-server.
    Redis,
}

impl StoreKind {
    /// The name on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Redis => "redis",
        }
    }
}

/// Decides before anything starts; never falls back silently.
///
/// # Errors
/// [`Ending::Usage`] when Redis was asked for and is not here, with the package to install.
pub fn choose_store(choice: StoreChoice) -> Result<StoreKind, Ending> {
    let is_here = redis::which("redis-server").is_some();
    match choice {
        StoreChoice::Embedded => Ok(StoreKind::Embedded),
        StoreChoice::Auto if !is_here => Ok(StoreKind::Embedded),
        StoreChoice::Auto | StoreChoice::Redis if is_here => Ok(StoreKind::Redis),
        StoreChoice::Auto | StoreChoice::Redis => Err(Ending::Usage(
            "--store redis: redis-server is not on PATH. Install it (apt-get install \
             redis-server), or run with --store embedded."
                .to_owned(),
        )),
    }
}

/// A running store.
pub enum Store {
    /// The server's own file.
    Embedded {
        /// Where it is.
        file: PathBuf,
    },
    /// Redis and the edge to it.
    Redis {
        /// The process.
        redis: Box<RedisStore>,
        /// The edge `server-store`.
        link: Link,
    },
}

impl Store {
    /// Starts what there is to start.
    ///
    /// # Errors
    /// When Redis does not come up.
    pub async fn start(
        kind: StoreKind,
        folder: &Path,
        user: Option<Nobody>,
        recorder: &Recorder,
    ) -> Result<Self, Trouble> {
        if kind == StoreKind::Embedded {
            return Ok(Self::Embedded {
                file: folder.join("state").join("exai.sqlite"),
            });
        }
        let rig = |error: &dyn std::fmt::Display| Trouble::Rig(error.to_string());
        let folder = folder.join("redis");
        let redis = RedisStore::start(Setup {
            folder: &folder,
            user,
            restart_delay: RESTART_DELAY,
            recorder: recorder.clone(),
        });
        let redis = redis.await.map_err(|error| rig(&error))?;
        let link = Link::start("server-store", redis.address()).await;
        let link = link.map_err(|error| rig(&error))?;
        Ok(Self::Redis {
            redis: Box::new(redis),
            link,
        })
    }

    /// What the server's environment says of it.
    #[must_use]
    pub fn settings(&self) -> Vec<(String, String)> {
        let set = |name: &str, value: String| (name.to_owned(), value);
        match self {
            Self::Embedded { file } => vec![
                set("EXAI_STORE__KIND", "sqlite".to_owned()),
                set("EXAI_STORE__PATH", file.display().to_string()),
            ],
            Self::Redis { redis, link } => vec![
                set("EXAI_STORE__KIND", "redis".to_owned()),
                set("EXAI_STORE__URL", redis.url(link.address())),
            ],
        }
    }

    /// Whether it is Redis.
    #[must_use]
    pub const fn is_redis(&self) -> bool {
        matches!(self, Self::Redis { .. })
    }

    /// Its process, where it is one of its own.
    #[must_use]
    pub fn supervisor(&self) -> Option<&Supervisor> {
        match self {
            Self::Embedded { .. } => None,
            Self::Redis { redis, .. } => Some(redis.supervisor()),
        }
    }

    /// Ends it.
    pub async fn stop(&self) {
        if let Self::Redis { redis, .. } = self {
            // A store that does not go by itself is killed when it is dropped.
            let _ = redis.supervisor().stop(GOODBYE).await;
        }
    }
}
