//! Where conversations are kept beyond their time.

use std::time::Duration;

use serde::Deserialize;

use super::duration;

/// `[archive]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Which home the archive has.
    pub kind: ArchiveKind,
    /// The SQLite file; empty means `archive.sqlite` in the state folder.
    pub path: String,
    /// The PostgreSQL URL; may hold a password, so it is never logged.
    pub url: String,
    /// One attempt to reach PostgreSQL.
    #[serde(deserialize_with = "duration::one")]
    pub connect_timeout: Duration,
    /// One transaction or query.
    #[serde(deserialize_with = "duration::one")]
    pub command_timeout: Duration,
    /// Copies that may wait: of all on SQLite, of one principal on Redis.
    pub queue: u32,
    /// Wait before the archive is tried again.
    #[serde(deserialize_with = "duration::one")]
    pub retry: Duration,
    /// Who brings its tables to what this build knows.
    pub migrate: Migrate,
    /// How long an archived thread is kept after its last exchange.
    #[serde(deserialize_with = "duration::one")]
    pub retention: Duration,
}

/// The home of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArchiveKind {
    /// Embedded.
    Sqlite,
    /// By URL.
    Postgres,
    /// Threads end with their time.
    None,
}

/// Who migrates the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Migrate {
    /// Each server, when it first uses it.
    Start,
    /// `exai migrate --apply`; until then a server is not ready.
    Command,
}
