//! A container to be: what it runs, where it stands, and within which bounds.

use serde::{Deserialize, Serialize};

/// A container to be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The service, such as `exai-mcp-server`; unique in the run.
    pub name: String,
    /// The image's id, from the answer to the order `build`.
    pub image: String,
    /// The whole command line.
    pub command: Vec<String>,
    /// The whole environment, `NAME=value`.
    pub env: Vec<String>,
    /// `uid:gid`; empty is the image's own, which is root.
    pub user: String,
    /// Its working directory.
    pub cwd: String,
    /// The last byte of its address in the run's network, 2 to 254.
    pub host: u8,
    /// Folders of this machine, `from:to:ro` or `from:to`.
    pub binds: Vec<String>,
    /// Folders in memory.
    pub tmpfs: Vec<String>,
    /// Whether its standard input stays open, to be fed; its lines are then passed on from the
    /// first feeding of a life, not from its beginning.
    pub input: bool,
    /// How it is kept, and within which bounds.
    pub bounds: Bounds,
    /// How its health is told, if at all.
    pub health: Option<Health>,
}

/// What a service may use and do, and who brings it back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The engine's word: `no`, `on-failure`, `always`, `unless-stopped`.
    pub restart: String,
    /// Memory, bytes; 0 is no bound. Swap is not granted on top.
    pub memory: u64,
    /// Processor time, billionths of a processor; 0 is no bound.
    pub nano_cpus: u64,
    /// Descriptors, soft and hard; 0 is the engine's own bound.
    pub descriptors: (u64, u64),
    /// The root file system cannot be written.
    pub read_only: bool,
    /// Every capability is dropped.
    pub no_capabilities: bool,
    /// No way to more rights than it began with.
    pub no_new_privileges: bool,
}

/// A health command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The command line, run inside.
    pub command: Vec<String>,
    /// Between two runs, ms.
    pub interval_ms: u64,
    /// How long one may take, ms.
    pub timeout_ms: u64,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
    /// From the start, failures do not count for so long, ms.
    pub start_ms: u64,
}
