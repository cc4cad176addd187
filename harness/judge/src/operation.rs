//! One operation a client tried, and what came of it.

use serde::{Deserialize, Serialize};

/// How a client speaks to the server. The two HTTP revisions are different transports: the same
/// scenario on the other wire is another result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// MCP over standard input and output.
    Stdio,
    /// Streamable HTTP, revision 2025-11-25, with a session.
    #[serde(rename = "http-2025-11-25")]
    Http2025,
    /// Streamable HTTP, revision 2026-07-28, stateless.
    #[serde(rename = "http-2026-07-28")]
    Http2026,
    /// The private WebSocket daemon.
    WebSocket,
}

impl Transport {
    /// All four, in the order of the reports.
    pub const ALL: [Self; 4] = [Self::Stdio, Self::Http2025, Self::Http2026, Self::WebSocket];

    /// The name used in reports and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http2025 => "http-2025-11-25",
            Self::Http2026 => "http-2026-07-28",
            Self::WebSocket => "websocket",
        }
    }
}

/// What became of an operation. Unknown is not Refused: a timeout may have done the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A result that is not an error.
    Ok,
    /// A typed refusal that proves the work was not done.
    Refused,
    /// Anything else: cut connection, 5xx, timeout, untyped failure.
    Unknown,
}

/// A tracer planted in one input slot of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planted {
    /// Which slot: `prompt`, `file.0`, `turn.3`, `findings.1`, `stance.0` …
    pub slot: String,
    /// The tracer's words.
    pub text: String,
}

/// What would prove this operation's answer right (CRITERIA, Proof).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ProofKind {
    /// Keyed answers over exactly these tracers; `stance.N` is of the answer in seat N alone.
    Keyed {
        /// Tracers that must arrive at the provider, no more and no fewer.
        tracers: Vec<Planted>,
        /// How many keyed answers the reply carries: 1; consensus: one for each seat of the panel
        /// in the order listed, then the synthesis.
        sets: u32,
    },
    /// These random strings of the run's configuration must appear in the reply.
    Site {
        /// The strings looked for.
        needles: Vec<String>,
    },
    /// What earlier steps planted must be in the reply, though this request did not carry it.
    Memory {
        /// The tracers of the earlier steps.
        tracers: Vec<Planted>,
    },
    /// The body shown must be the one a provider receives for the chat that follows.
    Twin {
        /// The tracers of the prompt, which that chat carries too.
        tracers: Vec<Planted>,
    },
    /// The operation must be refused with this category.
    Refusal {
        /// Such as `validation_error`.
        category: String,
    },
    /// A thread read; judged by the thread model.
    Read,
    /// The call carries no proof of its own (probes, background load for latency).
    None,
}

/// What an operation does to a conversation thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadUse {
    /// The judge's own name for the thread, known before the server gives an id.
    pub thread: String,
    /// What is done.
    pub action: ThreadAction,
    /// Idempotency key of an append.
    pub key: Option<String>,
    /// SHA-256 (hex) of the user text of an append.
    pub user_sha256: Option<String>,
}

/// The operations of the thread model (judging.md §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThreadAction {
    /// The first exchange; the reply names the id.
    Create,
    /// A further exchange.
    Append,
    /// Reading the thread resource.
    Read,
    /// Deleting it.
    Delete,
}

/// A planned repeat of an earlier operation (judging.md §1.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// The operation repeated.
    pub of: u64,
    /// Whether the principal is the same as the original's.
    pub same_principal: bool,
    /// Whether everything is equal; false for a near repeat.
    pub exact: bool,
}

/// One finished operation: what was intended, what was sent, what came back.
///
/// An operation without a terminal reply by its deadline is recorded at the deadline as Unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Unique in the run.
    pub op: u64,
    /// The criterion whose workload planned it, such as `V.3`.
    pub criterion: String,
    /// The phase within it, such as `peak` or `hot`.
    pub phase: String,
    /// The tool, or the method for operations that are not tool calls.
    pub tool: String,
    /// The wire it went over.
    pub transport: Transport,
    /// The client identity (principal) that sent it.
    pub identity: String,
    /// When the open-loop plan wanted it sent, ns on the run's monotonic clock.
    pub intended_at: u64,
    /// When its first byte was written.
    pub sent_at: u64,
    /// First byte of the reply, if any came.
    pub first_byte_at: Option<u64>,
    /// Terminal reply, error, or deadline.
    pub done_at: u64,
    /// How long the judge waited at most, ns from `intended_at`.
    pub deadline: u64,
    /// The provider delay planned in the simulator for this call, ns.
    pub planned_provider: u64,
    /// What would prove it.
    pub proof: ProofKind,
    /// The models that must have answered, seat by seat; empty where the server chooses, or where a
    /// provider is broken on purpose.
    #[serde(default)]
    pub asked: Vec<String>,
    /// Its part in a thread.
    pub thread: Option<ThreadUse>,
    /// Set for planned repeats.
    pub repeat: Option<Repeat>,
    /// The provider fault planned for it, such as `K02`.
    pub fault: Option<String>,
    /// The reaction codes its fault row demands, such as `R F`.
    pub reaction: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether the reply carried the request's id (same type and value); None without a reply.
    pub belongs: Option<bool>,
    /// Terminal replies received for the id: 1 is right; doubled answers count here.
    pub replies: u32,
    /// HTTP status where there is one.
    pub status: Option<u16>,
    /// The typed failure, if the reply was one.
    pub failure: Option<FailureSeen>,
    /// The proof lines of the answers in the text.
    pub answers: Vec<AnswerSeen>,
    /// For [`ProofKind::Site`]: which needles were found in the text. For [`ProofKind::Memory`]:
    /// which tracers were found there that the request itself had not carried.
    pub found: Vec<String>,
    /// For [`ProofKind::Twin`]: the digest of the body shown in the text, as in
    /// [`Served::body_sha256`](crate::observation::Served::body_sha256); None when none was.
    #[serde(default)]
    pub body_sha256: Option<String>,
    /// The same of the structured content, by itself; None when the reply carries none.
    #[serde(default)]
    pub structured: Option<StructuredSeen>,
    /// The reply's `_meta`, as far as the judge uses it.
    pub meta: Option<ReplyMeta>,
    /// For reads: the exchanges shown.
    pub turns: Option<Vec<TurnSeen>>,
    /// The instance id the reply carried.
    pub instance: Option<String>,
    /// Transport-level trouble in words: `connection reset`, `deadline` …
    pub trouble: Option<String>,
}

impl Call {
    /// Latency from the intended start, ns: what an open-loop client experienced.
    #[must_use]
    pub const fn latency(&self) -> u64 {
        self.done_at.saturating_sub(self.intended_at)
    }

    /// Latency from the actual send, ns: what a closed-loop client would have reported.
    #[must_use]
    pub const fn service_time(&self) -> u64 {
        self.done_at.saturating_sub(self.sent_at)
    }
}

/// A typed failure as the caller saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureSeen {
    /// One of the ten categories, or empty when the reply had none.
    pub category: String,
    /// The stable code within it.
    pub code: String,
    /// Whether the server says the same call may succeed later.
    pub retryable: bool,
    /// How long it says to wait.
    pub retry_after_ms: Option<u64>,
    /// The correlation id it names.
    pub correlation_id: Option<String>,
    /// The sentence for people, cut to 300 characters.
    pub message: String,
}

/// The proof lines of a text answer (CRITERIA, Proof), taken from the text as received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerSeen {
    /// First line.
    pub first: String,
    /// Last line but one.
    pub last: String,
    /// Last line.
    pub seal: String,
    /// SHA-256 (hex) of everything above the last line, without that text's final newline.
    pub above_sha256: String,
    /// SHA-256 (hex) of the whole text.
    pub text_sha256: String,
    /// Characters of the whole text.
    pub chars: u64,
}

/// What the structured content of a reply proves without its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StructuredSeen {
    /// As [`Call::answers`].
    pub answers: Vec<AnswerSeen>,
    /// As [`Call::found`].
    pub found: Vec<String>,
    /// As [`Call::body_sha256`].
    pub body_sha256: Option<String>,
}

/// What the reply said of itself in `_meta["dev.exai/reply"]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyMeta {
    /// The thread's handle.
    pub continuation_id: Option<String>,
    /// 1-based number of the exchange.
    pub turn: Option<u32>,
    /// What answered.
    pub model_used: Option<String>,
    /// The provider row that answered.
    pub provider: Option<String>,
    /// Whether another than the first choice answered.
    pub failover: bool,
    /// Whether it is a stored answer of the same idempotency key.
    pub replayed: bool,
    /// Why the text is not the whole answer, if it is not.
    pub incomplete: Option<String>,
    /// The id through reply, log, metric and store.
    pub correlation_id: Option<String>,
}

/// One exchange shown by a thread read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnSeen {
    /// 1-based.
    pub turn: u32,
    /// SHA-256 (hex) of the user text.
    pub user_sha256: String,
    /// SHA-256 (hex) of the answer; None when the exchange shows none.
    pub answer_sha256: Option<String>,
}
