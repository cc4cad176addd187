//! Builds operations: real prompts with a fresh tracer in every slot, and the proof that follows.

pub mod file;
pub mod provider;
pub mod workflow;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use exai_judge::hex::sha256;
use exai_judge::operation::{Planted, ProofKind, Repeat, ThreadAction, ThreadUse};
use serde_json::{Map, Value, json};

use super::prose::{Prose, Size};
use super::{Ask, OperationPlan};
use crate::runkey::Tracers;

/// The number of the next operation, shared by all builders of a run.
#[derive(Debug, Clone, Default)]
pub struct Numbering(Arc<AtomicU64>);

impl Numbering {
    /// Takes the next number, from 1.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// What an operation should look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The model asked for; None leaves the choice to the server.
    pub model: Option<String>,
    /// Attached files.
    pub files: u32,
    /// Length of the main text; None draws one as traffic has it.
    pub size: Option<Size>,
    /// How long to wait at most, ns from the intended start.
    pub deadline: u64,
}

impl Shape {
    /// A prompt of drawn length, no files, the server's choice of model.
    #[must_use]
    pub const fn plain(deadline: u64) -> Self {
        Self {
            model: None,
            files: 0,
            size: None,
            deadline,
        }
    }
}

/// A conversation as the judge knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// The judge's own name for it.
    pub thread: String,
    /// The server's handle, once an acknowledged reply gave it.
    pub continuation_id: Option<String>,
    /// The tracers of the acknowledged exchanges, one a turn; the caller adds them.
    pub planted: Vec<Planted>,
}

impl Conversation {
    /// One that the server does not know yet.
    #[must_use]
    pub fn new(thread: impl Into<String>) -> Self {
        Self {
            thread: thread.into(),
            continuation_id: None,
            planted: Vec::new(),
        }
    }

    /// Takes over what an acknowledged operation of this conversation planted, and the handle.
    pub fn acknowledge(&mut self, plan: &OperationPlan, continuation_id: Option<String>) {
        self.continuation_id = continuation_id.or_else(|| self.continuation_id.take());
        let ProofKind::Keyed { tracers, .. } = &plan.proof else {
            return;
        };
        for fresh in tracers
            .iter()
            .filter(|planted| !planted.slot.starts_with("turn."))
        {
            let slot = format!("turn.{}", self.planted.len() + 1);
            self.planted.push(Planted {
                slot,
                text: fresh.text.clone(),
            });
        }
    }
}

/// Builds operations for one workload; the seed fixes shapes, never tracers.
pub struct Builder {
    tracers: Arc<Tracers>,
    numbering: Numbering,
    prose: Prose,
}

impl Builder {
    /// A builder whose shapes follow `seed`.
    #[must_use]
    pub fn new(tracers: Arc<Tracers>, numbering: Numbering, seed: u64) -> Self {
        Self {
            tracers,
            numbering,
            prose: Prose::new(seed),
        }
    }

    /// A chat without a thread of its own interest.
    pub fn chat(&mut self, shape: &Shape) -> OperationPlan {
        let mut arguments = Map::new();
        let planted = self.prompt(&mut arguments, shape);
        self.keyed(("chat", arguments), planted, 1, shape.deadline)
    }

    /// A chat that opens or continues `conversation`, with an idempotency key.
    pub fn turn(&mut self, conversation: &Conversation, shape: &Shape) -> OperationPlan {
        let plan = self.chat(shape);
        self.said_in(conversation, plan)
    }

    /// A chat of [`Self::chat`] as the next turn of `conversation`, with an idempotency key.
    #[must_use]
    pub fn said_in(&self, conversation: &Conversation, mut plan: OperationPlan) -> OperationPlan {
        let (Ask::Tool { arguments, .. }, ProofKind::Keyed { tracers, .. }) =
            (&mut plan.ask, &mut plan.proof)
        else {
            return plan;
        };
        let user = arguments["prompt"].as_str().unwrap_or_default();
        let user_sha256 = Some(sha256(user.as_bytes()));
        let action = match &conversation.continuation_id {
            Some(id) => {
                arguments["continuation_id"] = id.as_str().into();
                ThreadAction::Append
            }
            None => ThreadAction::Create,
        };
        tracers.splice(..0, conversation.planted.iter().cloned());
        plan.thread = Some(ThreadUse {
            thread: conversation.thread.clone(),
            action,
            key: Some(self.tracers.token()),
            user_sha256,
        });
        plan
    }

    /// The next turn of `conversation` under the key that `original` had, which must be refused.
    pub fn reused(
        &mut self,
        original: &OperationPlan,
        conversation: &Conversation,
        shape: &Shape,
    ) -> OperationPlan {
        let mut plan = self.turn(conversation, shape);
        let key = original.thread.as_ref().and_then(|part| part.key.clone());
        if let Some(part) = &mut plan.thread {
            part.key = key;
        }
        plan.proof = ProofKind::Refusal {
            category: "validation_error".to_owned(),
        };
        plan
    }

    /// A read of `conversation`'s resource; None before the server has named it.
    pub fn read(&mut self, conversation: &Conversation, deadline: u64) -> Option<OperationPlan> {
        let id = conversation.continuation_id.as_deref()?;
        let ask = Ask::Method {
            name: "resources/read".to_owned(),
            params: json!({"uri": format!("exai://thread/{id}")}),
        };
        let mut plan = OperationPlan::new(self.numbering.next(), ask, ProofKind::Read, deadline);
        plan.thread = Some(ThreadUse {
            thread: conversation.thread.clone(),
            action: ThreadAction::Read,
            key: None,
            user_sha256: None,
        });
        Some(plan)
    }

    /// `consensus` over models with stances (`for`, `against`, `neutral`).
    pub fn consensus(&mut self, models: &[(&str, &str)], shape: &Shape) -> OperationPlan {
        let mut planted = Vec::new();
        let size = shape.size.unwrap_or(Size::Short);
        let step = self.plant(&mut planted, "prompt".to_owned(), size);
        let mut asked = Vec::new();
        for (index, (model, stance)) in models.iter().enumerate() {
            let stance_prompt = self.plant(&mut planted, format!("stance.{index}"), Size::Short);
            asked.push(json!({"model": model, "stance": stance, "stance_prompt": stance_prompt}));
        }
        // One answer a seat, then the synthesis of them all (docs/decisions/0010).
        let sets = u32::try_from(models.len() + 1).unwrap_or(u32::MAX);
        let mut arguments = Map::new();
        arguments.insert("step".into(), step.into());
        arguments.insert("step_number".into(), 1.into());
        arguments.insert("total_steps".into(), models.len().into());
        arguments.insert("next_step_required".into(), false.into());
        arguments.insert("models".into(), asked.into());
        self.keyed(("consensus", arguments), planted, sets, shape.deadline)
    }

    /// `version`, `status` or `listmodels`, proven by random strings of the run's configuration.
    pub fn site(&mut self, tool_name: &str, needles: Vec<String>, deadline: u64) -> OperationPlan {
        let ask = tool(tool_name, Map::new());
        OperationPlan::new(
            self.numbering.next(),
            ask,
            ProofKind::Site { needles },
            deadline,
        )
    }

    /// Any tool call that must be refused with `category`.
    pub fn refused(&mut self, ask: Ask, category: &str, deadline: u64) -> OperationPlan {
        let proof = ProofKind::Refusal {
            category: category.to_owned(),
        };
        OperationPlan::new(self.numbering.next(), ask, proof, deadline)
    }

    /// The same operation once more; a near repeat differs in its last byte.
    pub fn repeat(
        &mut self,
        original: &OperationPlan,
        same_principal: bool,
        exact: bool,
    ) -> OperationPlan {
        let mut plan = original.clone();
        plan.op = self.numbering.next();
        plan.repeat = Some(Repeat {
            of: original.op,
            same_principal,
            exact,
        });
        if !exact && let Ask::Tool { arguments, .. } = &mut plan.ask {
            for field in ["prompt", "step"] {
                if let Some(Value::String(text)) = arguments.get_mut(field) {
                    text.push_str(" .");
                }
            }
        }
        plan
    }

    fn prompt(&mut self, arguments: &mut Map<String, Value>, shape: &Shape) -> Vec<Planted> {
        let mut planted = Vec::new();
        let size = shape.size.unwrap_or_else(|| self.prose.size());
        let prompt = self.plant(&mut planted, "prompt".to_owned(), size);
        arguments.insert("prompt".into(), prompt.into());
        self.attach(arguments, "files", shape.files, &mut planted);
        if let Some(model) = &shape.model {
            arguments.insert("model".into(), model.as_str().into());
        }
        planted
    }

    fn attach(
        &mut self,
        arguments: &mut Map<String, Value>,
        field: &str,
        count: u32,
        planted: &mut Vec<Planted>,
    ) {
        if count == 0 {
            return;
        }
        let files: Vec<Value> = (0..count)
            .map(|index| {
                let content = self.plant(planted, format!("file.{index}"), Size::Medium);
                json!({"name": self.prose.file_name(), "content": content})
            })
            .collect();
        arguments.insert(field.into(), files.into());
    }

    fn plant(&mut self, planted: &mut Vec<Planted>, slot: String, size: Size) -> String {
        let tracer = self.tracers.issue();
        let text = self.prose.around(&tracer, size);
        planted.push(Planted { slot, text: tracer });
        text
    }

    fn keyed(
        &mut self,
        (name, arguments): (&str, Map<String, Value>),
        tracers: Vec<Planted>,
        sets: u32,
        deadline: u64,
    ) -> OperationPlan {
        let proof = ProofKind::Keyed { tracers, sets };
        OperationPlan::new(
            self.numbering.next(),
            tool(name, arguments),
            proof,
            deadline,
        )
    }
}

fn tool(name: &str, arguments: Map<String, Value>) -> Ask {
    Ask::Tool {
        name: name.to_owned(),
        arguments: arguments.into(),
    }
}

#[cfg(test)]
mod tests;
