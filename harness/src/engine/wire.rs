//! What goes between the harness and the leaf process: one JSON object a line, orders in, sayings
//! out. Answers carry the number of their order; lines and deaths come by themselves.
//!
//! The leaf takes down everything it put up when its input ends, so that a harness that dies in
//! whichever way leaves nothing behind.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use exai_judge::observation::{Form, PathChanged};
use serde::{Deserialize, Serialize};

pub use super::life::{Life, short};
pub use super::plan::{Bounds, Health, Plan};

/// The one version of this exchange.
pub const SCHEMA: &str = "exai-containers/1";

/// One line to the leaf.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Comes back with the answer.
    pub id: u64,
    /// What to do.
    #[serde(flatten)]
    pub order: Order,
}

/// What the leaf can do. A container is known by the name its [`Plan`] gave it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Order {
    /// Which engine answers, and what can be done to it.
    Doctor,
    /// Makes an image of local files and the libraries they load.
    Build {
        /// A short name, such as `exai`.
        image: String,
        /// What goes in.
        files: Vec<Carried>,
    },
    /// Makes the run's network; the answer holds its gateway.
    Network,
    /// Creates and starts a container.
    Up {
        /// What it is.
        plan: Box<Plan>,
    },
    /// Reads a container's present life.
    Look {
        /// Which.
        name: String,
    },
    /// Reads what a container is made of, and where it differs from its image.
    Form {
        /// Which.
        name: String,
    },
    /// SIGKILL, from outside the engine's own orders where that is possible: an engine does not
    /// apply the restart policy to a container that it was told to kill.
    Kill {
        /// Which.
        name: String,
    },
    /// The engine's stop: SIGTERM, and SIGKILL after `within_ms`. The restart policy rests.
    Stop {
        /// Which.
        name: String,
        /// How long it may take to end by itself, ms; the engine counts whole seconds.
        within_ms: u64,
    },
    /// Waits for the life after the one begun at `after`: the restart policy's doing, or begun by
    /// the leaf where the container was stopped by order or has no policy.
    Next {
        /// Which.
        name: String,
        /// `started_at` of the life before.
        after: String,
        /// How long to wait, ms.
        within_ms: u64,
    },
    /// Stop and start in one order of the engine.
    Restart {
        /// Which.
        name: String,
        /// As for [`Order::Stop`].
        within_ms: u64,
    },
    /// Freezes every process of the container.
    Pause {
        /// Which.
        name: String,
    },
    /// Lets it go on.
    Unpause {
        /// Which.
        name: String,
    },
    /// Takes it off the run's network.
    Partition {
        /// Which.
        name: String,
    },
    /// Puts it back, under its own address.
    Rejoin {
        /// Which.
        name: String,
    },
    /// Writes to the standard input of its present life, and passes on what it writes from then on.
    /// For a container whose plan has an input, which ends with the life or by [`Order::Close`].
    Feed {
        /// Which.
        name: String,
        /// What to write.
        text: String,
    },
    /// Ends the standard input that [`Order::Feed`] opened.
    Close {
        /// Which.
        name: String,
    },
    /// What it uses now.
    Stats {
        /// Which.
        name: String,
    },
    /// Its last lines.
    Tail {
        /// Which.
        name: String,
        /// How many, 1 to 10 000.
        lines: u32,
    },
    /// Removes everything this leaf put up.
    Down,
}

/// A file to carry into an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Where it is.
    pub from: PathBuf,
    /// Its absolute path in the image.
    pub to: String,
}

/// One line from the leaf.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum Saying {
    /// An order is carried out.
    Done {
        /// The order's number.
        id: u64,
        /// What came of it.
        answer: Answer,
    },
    /// An order is not carried out.
    Failed {
        /// The order's number.
        id: u64,
        /// What could not be done, to what, and why.
        what: String,
        /// What a person can do about it.
        fix: String,
    },
    /// A container wrote a line.
    Line {
        /// Which.
        name: String,
        /// The line without its end.
        text: String,
        /// Whether it went to standard error.
        #[serde(default)]
        is_error: bool,
    },
    /// What a container that was fed writes has been passed on to its end.
    Silent {
        /// Which.
        name: String,
    },
    /// A container's process has ended.
    Ended {
        /// Which.
        name: String,
        /// When the engine's word came, absolute `CLOCK_MONOTONIC` ns.
        at: u64,
        /// Its exit code; 137 is SIGKILL's.
        code: i64,
    },
}

/// What an order came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Answer {
    /// The engine.
    Engine(Facts),
    /// An image.
    Image {
        /// Its id, the digest of its configuration: a tag identifies nothing.
        id: String,
        /// The paths in it, libraries included.
        holds: Vec<String>,
    },
    /// The run's network.
    Network {
        /// Its name.
        name: String,
        /// This machine's address in it.
        gateway: Ipv4Addr,
    },
    /// As ordered; there is nothing to tell.
    Done,
    /// A container's present life.
    Life(Box<Life>),
    /// What a container is made of, and where it differs from its image.
    Form {
        /// As the engine holds it.
        held: Form,
        /// In the root file system, the first of them.
        changes: Vec<PathChanged>,
        /// How many more there are.
        more_changes: u64,
    },
    /// A kill, and how it was done.
    Killed {
        /// The life that was ended.
        before: Box<Life>,
        /// `signal from the host`, or `engine's order`.
        how: String,
    },
    /// What a container uses.
    Stats(Stats),
    /// Its last lines.
    Tail {
        /// Joined by newlines.
        text: String,
    },
    /// Everything is gone.
    Down {
        /// How many containers were removed.
        containers: u64,
    },
}

/// An engine that answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Where it answers.
    pub address: String,
    /// Its version.
    pub version: String,
    /// The version of its interface that is spoken.
    pub api: String,
    /// Whether it runs its containers on this machine, so that their processes can be seen.
    pub is_local: bool,
    /// Whether those processes can be killed past it.
    pub may_kill: bool,
    /// Containers of dead owners removed at the start.
    pub swept: u64,
}

/// What `containers pipe` runs in a container that is up, with its own standard input and output as
/// the program's: the last word of its command line, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// The container's id.
    pub container: String,
    /// The whole command line.
    pub command: Vec<String>,
    /// `NAME=value`, in the place of the container's own of the same name.
    pub env: Vec<String>,
    /// `uid:gid`; empty is the container's own.
    pub user: String,
    /// Its working directory.
    pub cwd: String,
}

/// Begins the first line that `containers pipe` writes to standard error; the process id of the
/// program follows, as this machine counts it.
pub const PIPED: &str = "containers: piped to pid ";

/// What a container uses at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Memory, bytes, page cache included.
    pub memory: u64,
    /// Its bound, bytes.
    pub memory_limit: u64,
    /// Processor time so far, ns.
    pub cpu: u64,
    /// Processes and threads.
    pub pids: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_sayings_are_one_flat_object_a_line() {
        let request = Request {
            id: 7,
            order: Order::Kill {
                name: "exai-redis".to_owned(),
            },
        };
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(line, r#"{"id":7,"do":"kill","name":"exai-redis"}"#);
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
        let done = Saying::Done {
            id: 7,
            answer: Answer::Down { containers: 4 },
        };
        let line = serde_json::to_string(&done).unwrap();
        let said = r#"{"say":"done","id":7,"answer":{"is":"down","containers":4}}"#;
        assert_eq!(line, said);
    }
}
