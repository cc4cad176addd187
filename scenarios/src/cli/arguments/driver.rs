//! Where the topology runs, as named on the command line.

use clap::ValueEnum;

/// Where the topology runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Driver {
    /// Child processes on this machine.
    Local,
    /// Containers of an engine on this machine, found by DOCKER_HOST or at its usual place.
    Container,
}

impl Driver {
    /// The name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Container => "container",
        }
    }
}
