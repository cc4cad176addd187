//! An operation as planned: what is asked, what would prove it, and how long it may take.
//!
//! Writes no words of its own: prose and tracers come from [`prose`] and the run key.

pub mod builder;
pub mod prose;

use exai_judge::operation::{ProofKind, Repeat, ThreadUse};
use serde_json::Value;

use crate::client::request::Request;

/// What is asked of the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// A tool call.
    Tool {
        /// The tool.
        name: String,
        /// Its arguments, an object.
        arguments: Value,
    },
    /// Another method.
    Method {
        /// Such as `resources/read`.
        name: String,
        /// Its parameters, an object.
        params: Value,
    },
}

/// One operation before it is sent. The same plan may be sent again as a planned repeat, under a
/// new `op`.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationPlan {
    /// Unique in the run.
    pub op: u64,
    /// The criterion whose workload planned it.
    pub criterion: String,
    /// The phase within it.
    pub phase: String,
    /// What is asked.
    pub ask: Ask,
    /// What would prove the answer.
    pub proof: ProofKind,
    /// The models that must answer, seat by seat; empty where the server chooses or may fail over.
    pub asked: Vec<String>,
    /// Its part in a thread; an append's idempotency key is sent in `_meta`.
    pub thread: Option<ThreadUse>,
    /// Set for planned repeats.
    pub repeat: Option<Repeat>,
    /// The provider fault planned for it.
    pub fault: Option<String>,
    /// The reaction codes its fault row demands.
    pub reaction: Option<String>,
    /// The provider delay planned in the simulator for it, ns.
    pub planned_provider: u64,
    /// How long to wait at most, ns from the intended start.
    pub deadline: u64,
    /// Whether to ask for progress notifications.
    pub progress: bool,
}

impl OperationPlan {
    /// A plan with a proof and nothing else.
    #[must_use]
    pub fn new(op: u64, ask: Ask, proof: ProofKind, deadline: u64) -> Self {
        Self {
            op,
            criterion: String::new(),
            phase: String::new(),
            ask,
            proof,
            asked: Vec::new(),
            thread: None,
            repeat: None,
            fault: None,
            reaction: None,
            planned_provider: 0,
            deadline,
            progress: false,
        }
    }

    /// The same plan within a criterion's phase.
    #[must_use]
    pub fn within(mut self, criterion: &str, phase: &str) -> Self {
        criterion.clone_into(&mut self.criterion);
        phase.clone_into(&mut self.phase);
        self
    }

    /// The same plan, to be answered by the models it names: nothing is broken on purpose.
    #[must_use]
    pub fn as_asked(mut self) -> Self {
        self.asked = match &self.ask {
            Ask::Tool { arguments, .. } => models_of(arguments),
            Ask::Method { .. } => Vec::new(),
        };
        self
    }

    /// The same plan, for which the server is to stream from its provider.
    #[must_use]
    pub fn streamed(mut self) -> Self {
        if let Ask::Tool { arguments, .. } = &mut self.ask {
            arguments["stream"] = true.into();
        }
        self
    }

    /// The tool's name, or the method's.
    #[must_use]
    pub fn tool(&self) -> &str {
        match &self.ask {
            Ask::Tool { name, .. } | Ask::Method { name, .. } => name,
        }
    }

    /// The request to send.
    #[must_use]
    pub fn request(&self) -> Request {
        let mut request = match &self.ask {
            Ask::Tool { name, arguments } => Request::tool(name, arguments),
            Ask::Method { name, params } => Request::new(name, params.clone()),
        };
        if let Some(key) = self.thread.as_ref().and_then(|thread| thread.key.clone()) {
            request
                .meta
                .insert("dev.exai/idempotency-key".into(), key.into());
        }
        request.progress = self.progress;
        request
    }
}

/// The models a call names, one a seat; none where the server chooses.
fn models_of(arguments: &Value) -> Vec<String> {
    let name = |of: &Value| of["model"].as_str().map(str::to_owned);
    match arguments["models"].as_array() {
        Some(seats) => seats.iter().filter_map(name).collect(),
        None => name(arguments).into_iter().collect(),
    }
}
