//! One call of a tool and its reply, free of any wire form.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::observe::trace::Place;
use crate::protocol::caller::Caller;
use crate::router::ask::Trace;
use crate::thread::Receipt;

/// One call, as it came in.
#[derive(Debug, Clone)]
pub struct Call {
    /// The name as sent.
    pub name: String,
    /// The arguments, not yet checked.
    pub arguments: Map<String, Value>,
    /// Who calls.
    pub caller: Caller,
    /// The caller's idempotency key.
    pub idempotency_key: Option<String>,
    /// Whether the caller wants an answer of its own, not one given to an equal call.
    pub is_fresh: bool,
    /// The transport's session, where it has one.
    pub session: Option<String>,
    /// Cancelled when the caller asked to stop; one that has gone may come back for the answer.
    pub cancel: CancellationToken,
    /// Receives text as it is written, where the caller wants it.
    pub on_text: Option<mpsc::Sender<String>>,
    /// The caller's own span.
    pub parent: Option<Place>,
}

/// What a call answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The answer, exactly as a model gave it where one did.
    pub text: String,
    /// The whole answer as JSON, for tools with an output schema.
    pub structured: Option<Value>,
    /// How it came about, for tools that keep a thread.
    pub about: Option<About>,
    /// Whose answer it is, when an equal call had asked already.
    pub shared: Option<Shared>,
    /// Which page of the text is wanted, from 1.
    pub page: usize,
    /// A call that brings another page, but for its `continuation_id`; for texts of more than one.
    pub page_call: Option<Value>,
    /// A stored file that the reply points at.
    pub link: Option<Link>,
}

/// Where an answer comes from that was made for an equal call of the same principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shared {
    /// From a call that ran at the same time.
    Inflight,
    /// From a call that had ended before.
    Cache,
    /// From a call that had ended before and meant the same in other words.
    Meaning,
}

impl Shared {
    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inflight => "inflight",
            Self::Cache => "result",
            Self::Meaning => "semantic",
        }
    }

    /// The field of a reply that tells of it.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Inflight => "from_inflight",
            Self::Cache | Self::Meaning => "from_cache",
        }
    }
}

/// A stored file that a reply points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// `exai://file/` and the digest.
    pub uri: String,
    /// The name it was stored under.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Its length.
    pub bytes: u64,
}

impl Reply {
    /// Text that no model wrote and no thread keeps.
    #[must_use]
    pub const fn of_text(text: String) -> Self {
        Self {
            text,
            structured: None,
            about: None,
            shared: None,
            page: 1,
            page_call: None,
            link: None,
        }
    }
}

/// How a reply came about: the object under `_meta["dev.exai/reply"]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Thread, turn and what is left of both.
    pub receipt: Receipt,
    /// Whether the answer was given before, to the same key and arguments.
    pub replayed: bool,
    /// Model, provider, tokens, cost; see [`Kept`].
    pub kept: Kept,
}

/// What is kept of a reply for a later replay.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The reply's text.
    pub text: String,
    /// Model, provider, tokens, cost and so on, in their wire spelling.
    pub trace: Map<String, Value>,
    /// The workflow's status object, for workflow tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<Value>,
}

/// The wire spelling of a trace.
#[must_use]
pub fn trace_fields(trace: &Trace) -> Map<String, Value> {
    let value = json!({
        "model_asked": trace.model_asked,
        "model_used": trace.model_used,
        "provider": trace.provider,
        "reason": trace.reason,
        "failover": trace.failover,
        "attempts": trace.attempts,
        "tokens": trace.usage,
        "cost_usd": trace.cost_usd,
        "elapsed_ms": trace.elapsed_ms,
        "search": trace.searched,
        "incomplete": trace.incomplete,
        "warnings": trace.warnings,
        "demo": trace.demo,
    });
    into_map(value)
}

/// The fields of a reply for which no model was asked.
#[must_use]
pub fn untraced_fields(elapsed_ms: u64) -> Map<String, Value> {
    into_map(json!({
        "model_asked": null,
        "model_used": null,
        "provider": null,
        "reason": "no_model_asked",
        "failover": false,
        "attempts": [],
        "tokens": {"input": 0, "output": 0, "cached": 0},
        "cost_usd": 0.0,
        "elapsed_ms": elapsed_ms,
        "search": false,
        "incomplete": null,
        "warnings": [],
        "demo": false,
    }))
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
