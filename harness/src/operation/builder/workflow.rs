//! Workflow tools, one row each, and the operations that call them step by step.

use exai_judge::operation::{Planted, ProofKind};
use serde_json::{Map, Value};

use super::{Builder, Shape, tool};
use crate::operation::OperationPlan;
use crate::operation::prose::Size;

/// A workflow tool, as far as its calls differ from another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workflow {
    /// Its name.
    pub tool: &'static str,
    /// What its last step brings.
    pub ending: Ending,
    /// Its texts in every step beside `step`; each carries a tracer.
    pub every: &'static [&'static str],
    /// Further texts of the first step.
    pub first: &'static [&'static str],
    /// Further texts of the last step.
    pub last: &'static [&'static str],
    /// What it requires beside texts, in every step.
    pub fixed: &'static [(&'static str, Fixed)],
}

/// How a workflow ends, and so what proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A model reviews all steps: a keyed answer over the tracers of all of them.
    Reviewed,
    /// The steps are laid out: each reply carries the tracers of the steps before it.
    LaidOut,
}

/// A required argument that carries no tracer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixed {
    /// True.
    Yes,
    /// This word.
    Word(&'static str),
    /// The number of the step.
    Step,
    /// The number of all steps.
    Total,
}

const FINDINGS: &[&str] = &["findings"];

/// `analyze`, which other workloads mix into their traffic.
pub const ANALYZE: Workflow = reviewed("analyze");

/// Every workflow tool of the standard profile.
pub const WORKFLOWS: [Workflow; 11] = [
    ANALYZE,
    Workflow {
        last: &["focus_on"],
        ..reviewed("codereview")
    },
    Workflow {
        last: &["hypothesis"],
        ..reviewed("debug")
    },
    reviewed("refactor"),
    reviewed("testgen"),
    Workflow {
        last: &["problem_context"],
        ..reviewed("thinkdeep")
    },
    Workflow {
        last: &["security_scope"],
        ..reviewed("secaudit")
    },
    Workflow {
        first: &["diff"],
        ..reviewed("precommit")
    },
    Workflow {
        every: &[],
        ..laid_out("planner")
    },
    Workflow {
        fixed: &[
            ("trace_mode", Fixed::Word("precision")),
            ("target_description", Fixed::Word("what a reload calls")),
        ],
        ..laid_out("tracer")
    },
    Workflow {
        fixed: &[
            ("document_complexity", Fixed::Yes),
            ("document_flow", Fixed::Yes),
            ("update_existing", Fixed::Yes),
            ("comments_on_complex_logic", Fixed::Yes),
            ("num_files_documented", Fixed::Step),
            ("total_files_to_document", Fixed::Total),
        ],
        ..laid_out("docgen")
    },
];

const fn reviewed(tool: &'static str) -> Workflow {
    Workflow {
        tool,
        ending: Ending::Reviewed,
        every: FINDINGS,
        first: &[],
        last: &[],
        fixed: &[],
    }
}

const fn laid_out(tool: &'static str) -> Workflow {
    Workflow {
        ending: Ending::LaidOut,
        ..reviewed(tool)
    }
}

/// A workflow of several calls, as far as it has got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// Steps sent so far.
    pub sent: u32,
    /// The handle of the first reply.
    pub continuation_id: Option<String>,
    /// The tracers of all steps.
    pub planted: Vec<Planted>,
}

impl Builder {
    /// `analyze` in its one-call form: one step that is also the last, answered by the expert pass.
    pub fn analyze(&mut self, shape: &Shape) -> OperationPlan {
        self.step(&ANALYZE, &mut Steps::default(), 1, shape)
    }

    /// The next step of a workflow of `total` steps. Reviewed, the last carries the proof of all;
    /// laid out, each after the first proves what the server remembers of those before it. Other
    /// steps carry none.
    pub fn step(
        &mut self,
        workflow: &Workflow,
        steps: &mut Steps,
        total: u32,
        shape: &Shape,
    ) -> OperationPlan {
        let earlier = steps.planted.clone();
        steps.sent += 1;
        let number = steps.sent;
        let is_last = number >= total;
        let mut arguments = self.texts(workflow, steps, is_last, shape);
        arguments.insert("step_number".into(), number.into());
        arguments.insert("total_steps".into(), total.into());
        arguments.insert("next_step_required".into(), (!is_last).into());
        for (name, fixed) in workflow.fixed {
            let value: Value = match fixed {
                Fixed::Yes => true.into(),
                Fixed::Word(word) => (*word).into(),
                Fixed::Step => number.into(),
                Fixed::Total => total.into(),
            };
            arguments.insert((*name).to_owned(), value);
        }
        if let Some(id) = &steps.continuation_id {
            arguments.insert("continuation_id".into(), id.as_str().into());
        }
        if workflow.ending == Ending::Reviewed {
            if number == 1 {
                let planted = &mut steps.planted;
                self.attach(&mut arguments, "relevant_files", shape.files, planted);
            }
            if let Some(model) = &shape.model {
                arguments.insert("model".into(), model.as_str().into());
            }
        }
        let proof = match workflow.ending {
            Ending::Reviewed if is_last => ProofKind::Keyed {
                tracers: steps.planted.clone(),
                sets: 1,
            },
            Ending::LaidOut if number > 1 => ProofKind::Memory { tracers: earlier },
            Ending::Reviewed | Ending::LaidOut => ProofKind::None,
        };
        let ask = tool(workflow.tool, arguments);
        OperationPlan::new(self.numbering.next(), ask, proof, shape.deadline)
    }

    /// The texts of one step, a fresh tracer in each. What is laid out is short, so that every
    /// reply holds all of it on its first page.
    fn texts(
        &mut self,
        workflow: &Workflow,
        steps: &mut Steps,
        is_last: bool,
        shape: &Shape,
    ) -> Map<String, Value> {
        let number = steps.sent;
        let size = match workflow.ending {
            Ending::Reviewed => shape.size.unwrap_or_else(|| self.prose.size()),
            Ending::LaidOut => Size::Short,
        };
        let mut fields = vec![("step", size)];
        let first: &[&str] = if number == 1 { workflow.first } else { &[] };
        let last: &[&str] = if is_last { workflow.last } else { &[] };
        for name in [workflow.every, first, last].concat() {
            fields.push((name, Size::Short));
        }
        let mut arguments = Map::new();
        for (name, size) in fields {
            let text = self.plant(&mut steps.planted, format!("{name}.{number}"), size);
            arguments.insert(name.to_owned(), text.into());
        }
        arguments
    }
}
