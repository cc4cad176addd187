//! The store behind the server: inside its process, or a local Redis behind a link.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::TopologyError;
use crate::engine::Berth;
use crate::history::Recorder;
use crate::link::Link;
use crate::process::Nobody;
use crate::redis::{self, RedisStore};
use crate::server::STORE_URL;
use crate::supervisor::Supervisor;

/// The field of `INFO` that counts commands.
const PROCESSED: &str = "total_commands_processed";

/// The kinds of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// SQLite inside the server's process.
    Embedded,
    /// A local `redis-server`.
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

/// A running store.
pub enum Store {
    /// The server's own file.
    Embedded,
    /// Redis, and the edge `server-store`.
    Redis {
        /// The edge.
        link: Link,
        /// The process.
        redis: Box<RedisStore>,
    },
}

impl Store {
    pub(super) async fn start(
        kind: StoreKind,
        folder: &Path,
        user: Option<Nobody>,
        policy: (Duration, Recorder),
        (berth, host, syncs_late): (Option<Berth>, Ipv4Addr, bool),
    ) -> Result<Self, TopologyError> {
        if kind == StoreKind::Embedded {
            return Ok(Self::Embedded);
        }
        let (restart_delay, recorder) = policy;
        let redis = RedisStore::start(redis::Setup {
            folder,
            user,
            restart_delay,
            berth,
            syncs_late,
            recorder,
        });
        let redis = Box::new(redis.await?);
        let link = Link::start_on(host, "server-store", redis.address()).await?;
        Ok(Self::Redis { link, redis })
    }

    /// The server's environment for it, at `front` where something stands before the edge, in this
    /// database of it: the URL holds a password and is a secret.
    pub(super) fn environment(
        &self,
        front: Option<SocketAddr>,
        database: u32,
    ) -> Vec<(String, String)> {
        match self {
            Self::Embedded => Vec::new(),
            Self::Redis { link, redis } => {
                let address = front.unwrap_or_else(|| link.address());
                vec![(STORE_URL.to_owned(), redis.url(address, database))]
            }
        }
    }

    /// The server's word for it.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Embedded => "sqlite",
            Self::Redis { .. } => "redis",
        }
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> StoreKind {
        match self {
            Self::Embedded => StoreKind::Embedded,
            Self::Redis { .. } => StoreKind::Redis,
        }
    }

    /// The edge to it, if there is one.
    #[must_use]
    pub const fn link(&self) -> Option<&Link> {
        match self {
            Self::Embedded => None,
            Self::Redis { link, .. } => Some(link),
        }
    }

    /// Commands it has processed since it started, by its own count; None where it is inside the
    /// server.
    ///
    /// # Errors
    /// When it does not answer or does not say.
    pub async fn commands(&self) -> Result<Option<u64>, String> {
        let Self::Redis { redis, .. } = self else {
            return Ok(None);
        };
        let info = redis.info().await.map_err(|error| error.to_string())?;
        let count = info.get(PROCESSED).and_then(|count| count.parse().ok());
        count
            .map(Some)
            .ok_or_else(|| format!("INFO has no {PROCESSED}"))
    }

    /// Its process, if it has one of its own.
    #[must_use]
    pub fn supervisor(&self) -> Option<&Supervisor> {
        match self {
            Self::Embedded => None,
            Self::Redis { redis, .. } => Some(redis.supervisor()),
        }
    }
}
