//! What the tools ask of the router and what they get back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::auth::policy::MayAsk;
use crate::observe::trace::Span;
use crate::spending::Spender;

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The caller.
    User,
    /// The model.
    Assistant,
}

impl Speaker {
    /// The role as every dialect spells it.
    #[must_use]
    pub const fn role(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// An image to show to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Such as `image/png`.
    pub media_type: String,
    /// The raw bytes.
    pub bytes: bytes::Bytes,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub speaker: Speaker,
    /// The text, never empty.
    pub text: String,
    /// Images that belong to the text.
    pub images: Vec<Image>,
    /// What the model thought before it said this, where its provider wants it back.
    pub thoughts: Option<Thoughts>,
}

impl Message {
    /// The blocks that go back to this model at this provider; empty for any other.
    #[must_use]
    pub fn thoughts_for(&self, provider: &str, model: &str) -> &[Value] {
        match &self.thoughts {
            Some(own) if own.provider == provider && own.model == model => &own.blocks,
            _ => &[],
        }
    }
}

/// What a model thought, as its provider wrote it down: worth something to that model there alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thoughts {
    /// The provider row whose model thought it.
    pub provider: String,
    /// The model, by its name in the catalogue.
    pub model: String,
    /// The blocks, each with its signature.
    pub blocks: Vec<Value>,
}

/// How much a model should think, as tools spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are the documentation")]
pub enum ThinkingMode {
    Minimal,
    Low,
    Medium,
    High,
    Max,
}

/// Which total clock of the timeout ladder a call runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// A single-call tool.
    Chat,
    /// A workflow tool's own call.
    Workflow,
    /// The expert pass at the end of a workflow.
    Expert,
}

/// One question for the router.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The tool that asks; decides routing by tool and labels metrics.
    pub tool: &'static str,
    /// A model's name or alias; `None` or `auto` lets the router choose.
    pub model: Option<String>,
    /// The only provider row that may answer; `None` leaves all.
    pub provider: Option<String>,
    /// The system instruction of the tool.
    pub system: String,
    /// The conversation, oldest first, ending with a user message.
    pub messages: Vec<Message>,
    /// 0.0 to 1.0; the adapter drops or fixes it where a model allows one value only.
    pub temperature: Option<f64>,
    /// How much to think, where the model can.
    pub thinking: Option<ThinkingMode>,
    /// Whether the model may search the web.
    pub websearch: bool,
    /// Upper bound on output tokens; the model's own maximum applies as well.
    pub max_output_tokens: Option<u32>,
    /// Which total clock applies.
    pub kind: CallKind,
    /// Whether to stream from the provider even when nobody listens for chunks.
    pub stream: bool,
}

/// What a call carries besides the question.
#[derive(Debug, Clone, Default)]
pub struct CallContext {
    /// One id through reply, log, metric and store.
    pub correlation_id: String,
    /// The verified principal, or `anonymous`.
    pub principal: String,
    /// The team whose budget it shares.
    pub team: Option<Arc<str>>,
    /// The tool that was called.
    pub tool: &'static str,
    /// Models and providers that the caller's roles may ask.
    pub may_ask: MayAsk,
    /// Whether the caller confirmed that the call may cost more than one may unasked.
    pub is_cost_confirmed: bool,
    /// Cancelled when the caller has gone or asked to stop; every attempt ends then.
    pub cancel: CancellationToken,
    /// Receives text as it streams, where the caller wants it.
    pub on_text: Option<mpsc::Sender<String>>,
    /// The call's span, where one is open.
    pub span: Option<Span>,
}

impl CallContext {
    /// Who pays for the call.
    #[must_use]
    pub fn spender(&self) -> Spender {
        Spender {
            principal: self.principal.clone(),
            team: self.team.clone(),
            tool: self.tool,
        }
    }
}

/// Token counts of one answer; saturating, as providers report inconsistent figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Prompt tokens, cached ones included.
    pub input: u64,
    /// Generated tokens, reasoning included.
    pub output: u64,
    /// Prompt tokens served from the provider's cache.
    pub cached: u64,
}

/// One try at one provider, for the trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    /// The provider row's name.
    pub provider: String,
    /// The model asked for.
    pub model: String,
    /// `ok` or the failure's code.
    pub outcome: String,
    /// How long the attempt took.
    pub elapsed_ms: u64,
}

/// How an answer came about; becomes `_meta` of the reply.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trace {
    /// What the caller asked for; `auto` when nothing was named.
    pub model_asked: String,
    /// What answered.
    pub model_used: String,
    /// The provider row that answered.
    pub provider: String,
    /// Why this route was chosen: `explicit`, `auto_preferred`, `fallback_glm` …
    pub reason: String,
    /// Whether another provider than the first choice answered.
    pub failover: bool,
    /// Every attempt, in order.
    pub attempts: Vec<Attempt>,
    /// Token counts of the attempt that answered.
    pub usage: Usage,
    /// Cost of that attempt in US dollars; `None` when the price is unknown.
    pub cost_usd: Option<f64>,
    /// From the call to the last byte.
    pub elapsed_ms: u64,
    /// Whether a web search ran.
    pub searched: bool,
    /// Whether the demo provider answered.
    pub demo: bool,
    /// Set when the text is not the whole answer: `length`, `interrupted`, `filtered`.
    pub incomplete: Option<String>,
    /// Oddities worth knowing, such as `finished_without_done`.
    pub warnings: Vec<String>,
}

/// An answer and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The model's text.
    pub text: String,
    /// How it came about.
    pub trace: Trace,
    /// What the model thought, to be sent back with the next turn; empty where nothing is.
    pub thoughts: Vec<Value>,
}
