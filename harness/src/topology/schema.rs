//! Starts on a store whose schema no program knows: an empty one of the kind in use, beside the
//! run's own.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;

use super::{Launcher, Store, Topology, TopologyError};
use crate::redis::{RedisError, RedisStore};
use crate::server::beside::Start;
use crate::server::{STORE_URL, Settings};

/// Higher than that of any program.
const NEWER: u32 = 9_999;
/// Where Redis holds the version of its layout.
const KEY: &str = "exai:schema_version";
/// The run uses database 0; what it would be to another is up to the URL's end.
const OWN_DATABASE: &str = "/0";
const SPARE_DATABASE: &str = "9";

/// What starts came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaStarts {
    /// On the store with a newer schema.
    pub newer: Start,
    /// On the same one, once it had its own again.
    pub restored: Start,
}

/// The store beside the run's own.
enum Spare<'a> {
    File(PathBuf),
    Database(&'a RedisStore),
}

impl Topology {
    /// Lets the server's program make an empty store beside its own, writes a newer schema's
    /// version into it and starts the program on it; then once more with the version it had.
    /// Each start may take `limit`.
    ///
    /// # Errors
    /// When the program does not serve on an empty store, or the store cannot be written.
    pub async fn start_on_a_newer_schema(
        &self,
        limit: Duration,
    ) -> Result<SchemaStarts, TopologyError> {
        let (spare, url) = match &self.store {
            Store::Embedded => (Spare::File(self.server.store_beside()?), None),
            Store::Redis { redis, .. } => {
                let own = self.server.variable(STORE_URL).unwrap_or_default();
                let server = own.strip_suffix(OWN_DATABASE).unwrap_or(own);
                let url = format!("{server}/{SPARE_DATABASE}");
                (Spare::Database(redis), Some(url))
            }
        };
        let variables: Vec<(&str, &str)> = url.iter().map(|url| (STORE_URL, &**url)).collect();
        let settings = Settings::default();
        let start = || self.server.start_beside(&settings, &variables, limit);
        let made = start().await?;
        if made != Start::Served {
            return Err(TopologyError::Spare(format!("an empty one gave {made:?}")));
        }
        let own = spare.write(NEWER).await?;
        if self.launcher == Launcher::HidesSchema {
            spare.write(own).await?;
        }
        let newer = start().await?;
        spare.write(own).await?;
        let restored = start().await?;
        Ok(SchemaStarts { newer, restored })
    }
}

impl Spare<'_> {
    /// Writes a version and gives the one that stood there.
    async fn write(&self, version: u32) -> Result<u32, TopologyError> {
        match self {
            Self::File(file) => {
                write_file(file, version).map_err(|error| TopologyError::Spare(error.to_string()))
            }
            Self::Database(redis) => {
                let mut wire = redis.connect().await?;
                let mut ask = async |words: &[&str]| {
                    let said = wire.ask(words).await.map_err(RedisError::from)?;
                    Ok::<_, TopologyError>(said.text().and_then(|text| text.parse().ok()))
                };
                ask(&["SELECT", SPARE_DATABASE]).await?;
                let own = ask(&["GET", KEY]).await?;
                ask(&["SET", KEY, &version.to_string()]).await?;
                own.ok_or_else(|| TopologyError::Spare(format!("no number stands in {KEY}")))
            }
        }
    }
}

fn write_file(file: &std::path::Path, version: u32) -> rusqlite::Result<u32> {
    let store = Connection::open(file)?;
    let own = store.query_row("SELECT version FROM schema_version", [], |row| row.get(0))?;
    store.execute("UPDATE schema_version SET version = ?1", [version])?;
    Ok(own)
}
