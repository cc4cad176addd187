//! Whom the running server starts and whom it reaches (judging.md §6, I6 and I7).

use serde::{Deserialize, Serialize};

/// One look at the descendants of the server and at the connections it opened itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanySeen {
    /// The server's process id.
    pub pid: u32,
    /// The executables of its descendants, as paths, each once; of the server's own not between
    /// fork and exec.
    pub descendants: Vec<String>,
    /// Who is at the other end of connections it opened, each once.
    pub peers: Vec<PeerSeen>,
}

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PeerSeen {
    /// Such as `127.0.0.1:4711`.
    pub address: String,
    /// Whether this run put it there: the socket is a link's, a simulator's, the store's, or ours.
    pub is_of_run: bool,
}
