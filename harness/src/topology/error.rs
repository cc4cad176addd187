//! What can go wrong with the rig, and whose fault it is.

use crate::engine::EngineError;
use crate::link::LinkError;
use crate::nemesis::NemesisError;
use crate::process::ProcessError;
use crate::redis::RedisError;
use crate::server::ServerError;
use crate::simulator::SimulatorError;
use crate::supervisor::SupervisorError;

/// A rig that could not be assembled or does not do as ordered.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// Files of the run.
    #[error("could not prepare {what}: {cause}")]
    Files {
        /// What.
        what: &'static str,
        /// Why.
        cause: std::io::Error,
    },
    /// A link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A simulator.
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    /// The store.
    #[error(transparent)]
    Store(#[from] RedisError),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The impostor.
    #[error("could not put the impostor on edge {edge}: {why}")]
    Impostor {
        /// Which edge.
        edge: String,
        /// Why.
        why: String,
    },
    /// The container engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A fault.
    #[error(transparent)]
    Nemesis(#[from] NemesisError),
    /// There is no such part.
    #[error("could not find {0} in this topology")]
    NoSuchPart(String),
    /// The store beside the run's own.
    #[error("could not use the store beside the run's own: {0}")]
    Spare(String),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl From<SupervisorError> for TopologyError {
    fn from(error: SupervisorError) -> Self {
        Self::Server(error.into())
    }
}

impl From<ProcessError> for TopologyError {
    fn from(error: ProcessError) -> Self {
        Self::Server(error.into())
    }
}

impl TopologyError {
    /// Whether the judged server itself failed an order that it has to follow: to run, to end
    /// within its drain, or to be ready again after a restart. At its first start this is the
    /// rig's trouble all the same: nothing was judged yet.
    #[must_use]
    pub fn is_the_servers(&self) -> bool {
        match self {
            Self::Server(ServerError::NotReady { .. }) => true,
            Self::Server(ServerError::Supervisor(error))
            | Self::Nemesis(NemesisError::Supervisor(error)) => match error {
                SupervisorError::NotRunning(name) => name == "server",
                SupervisorError::Process(ProcessError::StillRunning { name, .. }) => {
                    name == "server"
                }
                SupervisorError::Process(_) | SupervisorError::NotBack { .. } => false,
            },
            _ => false,
        }
    }
}
