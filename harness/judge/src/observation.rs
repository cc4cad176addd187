//! The one stream a run leaves behind: everything asked, answered, broken, sampled or logged.

mod company;
mod container;
mod trace;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fault::{Fault, Step};
use crate::operation::{Call, Transport};
pub use company::{CompanySeen, PeerSeen};
pub use container::{Change, ContainerSeen, Form, Mount, PathChanged};
pub use trace::{AppendTraced, TraceSeen};

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// When it happened, ns on the run's monotonic clock (0 = run start).
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A phase of a criterion's workload began or ended.
    Phase(PhaseMark),
    /// An operation finished (or reached its deadline).
    Call(Box<Call>),
    /// A simulator received a request.
    Served(Served),
    /// A simulator finished with a request.
    Delivered(Delivered),
    /// A step in the life of a nemesis fault.
    Fault {
        /// The fault.
        fault: Fault,
        /// The step.
        #[serde(flatten)]
        step: Step,
    },
    /// A process sample.
    Sample(Sample),
    /// What the server's health detail said.
    Health(HealthSeen),
    /// Counters scraped from the server's metrics, by `name{labels}`.
    Metrics {
        /// Which moment: `before`, `after`, `tick`, and the criterion it brackets if any.
        mark: String,
        /// Series to value.
        values: BTreeMap<String, f64>,
    },
    /// A tool list as one transport showed it, all pages followed.
    Listed(Listed),
    /// A security case or its paired good case.
    Case(Case),
    /// A line of the server's audit log.
    Audit(AuditSeen),
    /// Who the running server is, as hashed by the harness and as it says of itself.
    Identity(IdentitySeen),
    /// Whom the running server keeps company with; told when it differs from the look before.
    Company(CompanySeen),
    /// What a container of the run is made of, as ordered and as its engine holds it.
    Container(ContainerSeen),
    /// The rig itself was at fault from `at` until `until`.
    Rig {
        /// What: `generator_lag`, `simulator_down`, `disk_full`, `sampler_gap`, `cpu` …
        what: String,
        /// End of the interval, ns.
        until: u64,
        /// The circumstance, for people.
        detail: String,
    },
    /// The open-loop generator's account of one step.
    Load(LoadAccount),
    /// What a system-call trace of the store's process showed of appends.
    Traced(TraceSeen),
    /// A log line or sign of a critical error (CRITERIA, Critical error).
    Critical {
        /// Such as `panic`, `unordered_exit`, `liveness_silent`, `log`, `canary`.
        what: String,
        /// The line or circumstance.
        detail: String,
        /// True when the second, deliberately broken instance caused it (detector's proof).
        control: bool,
    },
    /// The run goes on where an earlier one stopped; that one's seconds are in its own record.
    Resumed {
        /// The earlier run.
        run: String,
        /// What it measured by its last checkpoint, s.
        seconds: u64,
        /// From that checkpoint to the beginning of this run, s by the wall clock.
        gap_s: u64,
    },
    /// A figure measured beside the criteria, shown in the report.
    Figure {
        /// Its full name with its conditions.
        name: String,
        /// The value.
        value: f64,
        /// `ms`, `req/s`, `MiB`, `ratio`, `s`.
        unit: String,
    },
    /// Something could not be tried here; the report lists it under "not tested".
    NotTested {
        /// The criterion it belongs to.
        criterion: String,
        /// What was not tested and why, for people.
        what: String,
    },
    /// A check that has no subject here: the server does not declare what it would try.
    NotApplicable {
        /// The criterion it belongs to.
        criterion: String,
        /// The check's id.
        check: String,
        /// Why, for people.
        why: String,
    },
}

/// Beginning or end of a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseMark {
    /// Such as `V.3`.
    pub criterion: String,
    /// Such as `peak`, `hot`, `warm-up`.
    pub phase: String,
    /// False at the beginning, true at the end.
    pub ended: bool,
}

/// A request as a simulator received it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// `<provider>.<epoch>.<n>`.
    pub seq: String,
    /// `kimi`, `glm`, `minimax`.
    pub provider: String,
    /// The model in the request.
    pub model: String,
    /// The id (never the text) of the key used.
    pub key: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// SHA-256 (hex) of the body as received.
    pub request_sha256: String,
    /// SHA-256 (hex) of the body as JSON with sorted members, without `request_id`, which names the
    /// attempt and differs in each.
    #[serde(default)]
    pub body_sha256: String,
    /// Upper bound of output tokens in the request; None when it names none.
    #[serde(default)]
    pub max_output: Option<u64>,
    /// SHA-256 (hex) of the system instruction.
    pub system_sha256: String,
    /// The tracers found, in order of appearance.
    pub tracers: Vec<String>,
    /// The conversation as received, oldest first.
    pub messages: Vec<MessageSeen>,
    /// The fault rule that applied.
    pub fault: Option<String>,
}

/// One message of a request as a simulator received it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageSeen {
    /// `user`, `assistant`, `system`, `tool`.
    pub role: String,
    /// SHA-256 (hex) of its text.
    pub sha256: String,
}

/// A simulator's account of how it finished with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The request's sequence.
    pub seq: String,
    /// First byte of the reply, ns.
    pub first_byte_at: Option<u64>,
    /// HTTP status sent, 0 when none was.
    pub status: u16,
    /// `answered`, `refused`, `faulted`, `client_closed`.
    pub outcome: String,
    /// SHA-256 (hex) of the answer text sent whole.
    pub answer_sha256: Option<String>,
}

/// What one process tree used at a moment. A tree that could not be read has no sample: no number
/// here stands for an unknown one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// `server`, `rig`, `kimi` …
    pub process: String,
    /// Process id of the root of the tree.
    pub pid: u32,
    /// Anonymous and shared resident bytes, summed over the tree.
    pub resident_bytes: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
    /// CPU time used so far, that of descendants that have ended included, ms.
    pub cpu_ms: u64,
    /// How long threads that are there now were ready to run and had no processor, ms; 0 where the
    /// kernel does not count it.
    #[serde(default)]
    pub wait_ms: u64,
    /// TCP connections the tree holds, in any state but listening, by the kernel's table; None of a
    /// process whose connections nobody compares, and where the table cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
}

/// The server's health detail at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthSeen {
    /// HTTP status; 0 when there was no answer.
    pub status: u16,
    /// Whether `/health/ready` answered 200.
    pub ready: bool,
    /// Component to its status word.
    pub components: BTreeMap<String, String>,
    /// The answering instance.
    pub instance: Option<String>,
    /// Which of several instances behind one proxy was asked, from 1; None for one that is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
}

/// A tool list as one transport showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Over which wire.
    pub transport: Transport,
    /// Tool name to SHA-256 (hex) of its input schema in canonical JSON.
    pub tools: BTreeMap<String, String>,
    /// Size of all pages, bytes.
    pub bytes: u64,
    /// Names that appeared twice.
    pub repeated: Vec<String>,
    /// Whether a made-up cursor was refused with -32602.
    pub bad_cursor_refused: bool,
}

/// An attack or its paired good case, as observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Row of attacks.md with variant: `J3`, `J4.NONE`, `H2`.
    pub id: String,
    /// Over which wire or listener: a transport's name, `admin`, `start`.
    pub edge: String,
    /// True for the paired good case.
    pub good: bool,
    /// What the specification asks for: `401`, `403`, `-32602`, `accepted`.
    pub expected: String,
    /// What came: same vocabulary, or `reset`, `timeout`, `500`.
    pub seen: String,
    /// Whether a denial must leave an audit line.
    pub audited: bool,
    /// The correlation id of the reply.
    pub correlation_id: Option<String>,
    /// The code of the failure that the reply told of, such as `forbidden`; None when it told none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whom the credential that was shown names, good or not; None when it names nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<String>,
}

/// A line of the audit log as the harness read it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditSeen {
    /// The correlation id.
    pub correlation_id: String,
    /// `denied` or `allowed`.
    pub decision: String,
    /// The reason code.
    pub reason: String,
    /// Whether the line's hash chains to the one before.
    pub chained: bool,
    /// Whom it names, empty for nobody; None in a history written before this was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// `http` or `websocket`; None in a history written before this was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// Of a line that stands for others: how many. 0 for any other line.
    #[serde(default)]
    pub stands_for: u64,
}

/// Who the running server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentitySeen {
    /// Which moment: `start`, `restart`, `end`.
    pub moment: String,
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot; tells a reused pid apart.
    pub start_ticks: u64,
    /// SHA-256 (hex) of /proc/PID/exe as hashed by the harness.
    pub running_sha256: String,
    /// SHA-256 (hex) of the binary that was to be judged.
    pub expected_sha256: String,
    /// What `/manifest` says.
    pub reported_sha256: Option<String>,
    /// Instance id.
    pub instance: Option<String>,
    /// Which of several instances behind one proxy it is, from 1; None for one that is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// Whether the listening sockets belong to that pid.
    pub owns_listeners: bool,
}

/// The open-loop generator's account of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadAccount {
    /// The criterion.
    pub criterion: String,
    /// The phase.
    pub phase: String,
    /// Repetition, from 1.
    pub repetition: u32,
    /// Planned arrivals.
    pub planned: u64,
    /// Arrivals sent.
    pub sent: u64,
    /// Arrivals not sent because the in-flight cap of the generator was reached.
    pub dropped: u64,
    /// 99th percentile of scheduler lag, ns.
    pub lag_p99: u64,
    /// Offered rate, operations a second.
    pub rate: f64,
    /// The generator's measured ceiling against a null server, operations a second, if measured.
    pub ceiling: Option<f64>,
    /// Begin of the measured window, ns.
    pub from: u64,
    /// End of the measured window, ns.
    pub until: u64,
    /// The machine's processors.
    #[serde(default)]
    pub cores: Option<u32>,
}
