//! Several models answer one question, each with a stance; one of them draws the balance.
//!
//! All members are asked in one call, a few at a time. A member that cannot answer fails the call:
//! a panel with a silent gap would pass for the panel that was asked for.

use std::collections::HashSet;
use std::fmt::Write as _;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::DropGuard;

use super::call::{Kept, Reply, trace_fields};
use super::question::{ask, user};
use super::run::Run;
use super::{file, image};
use crate::choice::{Blank, Choice, Goal};
use crate::failure::Failure;
use crate::router::ask::{Answer, Ask, CallKind, Image, Message, Trace};
use crate::thread::Turn;

/// Models named to a caller who named none.
const CHOICES: usize = 30;

/// Members asked at once.
const AT_ONCE: usize = 4;

/// A seat on the panel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Member {
    model: String,
    #[serde(default)]
    stance: Stance,
    #[serde(default)]
    stance_prompt: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stance {
    For,
    Against,
    #[default]
    Neutral,
}

impl Stance {
    const fn name(self) -> &'static str {
        match self {
            Self::For => "for",
            Self::Against => "against",
            Self::Neutral => "neutral",
        }
    }
}

/// Runs the tool.
///
/// # Errors
/// What the arguments, the thread, a member's model or the store refuse.
pub async fn run(run: Run<'_>) -> Result<Reply, Failure> {
    let arguments = run.arguments();
    run.check_length("step")?;
    run.check_length("findings")?;
    let members = members_of(&run)?;
    let reader = run.reader();
    let files = reader
        .texts(arguments.items("relevant_files"), "/relevant_files")
        .await?;
    let images = image::read(&reader, arguments.items("images"), "/images").await?;
    let conversation = run.conversation().await?;

    let attached = file::render(&files);
    let panel = Panel {
        run: &run,
        history: conversation.history(),
        attached: &attached,
    };
    let answers = panel.ask_members(&members, &images).await?;
    let synthesis = if arguments.flag("use_assistant_model", true) {
        Some(panel.ask_chair(&members, &answers).await?)
    } else {
        None
    };

    let text = render(&members, &answers, synthesis.as_ref());
    let kept = Kept {
        text: text.clone(),
        trace: combined(&run, &members, &answers, synthesis.as_ref()),
        workflow: Some(json!({
            "status": "consensus_workflow_complete",
            "step_number": 1,
            "total_steps": members.len(),
            "next_step_required": false,
        })),
    };
    let names: Vec<&str> = answers
        .iter()
        .map(|one| one.trace.model_used.as_str())
        .collect();
    let turn = Turn {
        tool: run.tool.name,
        user: arguments.text("step").unwrap_or_default().to_owned(),
        attached: format!("{}{attached}", panel.findings()),
        assistant: text,
        thoughts: Vec::new(),
        model: names.join(", "),
        provider: "several".to_owned(),
        state: None,
        is_strict: false,
        reply: String::new(),
        correlation_id: run.call.caller.correlation_id.to_string(),
    };
    run.keep(&conversation, turn, kept).await
}

fn members_of(run: &Run<'_>) -> Result<Vec<Member>, Failure> {
    let arguments = run.arguments();
    if arguments.whole("step_number") != Some(1) {
        let message = "A consensus is complete after step 1. Go on with chat and its \
                       continuation_id, or begin again with step_number 1.";
        return Err(Failure::validation("/step_number", message).with_code("already_complete"));
    }
    let members: Vec<Member> = arguments.word("models").unwrap_or_default();
    if members.is_empty() {
        return Err(no_members(run));
    }
    let mut seen = HashSet::new();
    for (n, member) in members.iter().enumerate() {
        if !seen.insert((member.model.as_str(), member.stance)) {
            let message = format!("/models/{n}: this pair of model and stance is listed twice.");
            return Err(Failure::validation(format!("/models/{n}"), message));
        }
    }
    Ok(members)
}

/// Names the choices, since a caller who left them out may not know any.
fn no_members(run: &Run<'_>) -> Failure {
    let models = (run.around.models)();
    let usable = models
        .iter()
        .filter(|model| model.available && model.status == "current")
        .map(|model| model.name.as_str());
    let names: Vec<&str> = usable.take(CHOICES).collect();
    let known = if names.is_empty() {
        "No model can be asked now; `status` says why.".to_owned()
    } else {
        format!("Models that can be asked: {}.", names.join(", "))
    };
    let message = format!(
        "Step 1 needs the models to ask: [{{\"model\": …, \"stance\": \"for\"}}, …]. {known}"
    );
    let failure = Failure::validation("/models", message).with_code("missing_argument");
    if names.is_empty() {
        return failure;
    }
    let options: Vec<String> = names.into_iter().map(str::to_owned).collect();
    failure.with_choice(seats(options))
}

/// The question for a panel: who argues for, who against, and who for neither.
fn seats(options: Vec<String>) -> Choice {
    let seat = |stance: Stance, title: &str| Blank {
        name: stance.name().to_owned(),
        title: title.to_owned(),
        options: options.clone(),
        is_optional: stance == Stance::Neutral,
    };
    Choice {
        question: "Which models should argue this question?".to_owned(),
        blanks: vec![
            seat(Stance::For, "Argues for it"),
            seat(Stance::Against, "Argues against it"),
            seat(Stance::Neutral, "Takes no side (may stay empty)"),
        ],
        goal: Goal::Panel,
    }
}

struct Panel<'a> {
    run: &'a Run<'a>,
    history: Vec<Message>,
    attached: &'a str,
}

impl Panel<'_> {
    async fn ask_members(
        &self,
        members: &[Member],
        images: &[Image],
    ) -> Result<Vec<Answer>, Failure> {
        let cancel = self.run.call.cancel.child_token();
        // The first failure drops this, which ends the questions still open.
        let _guard: DropGuard = cancel.clone().drop_guard();
        let questions = members
            .iter()
            .map(|member| self.question(member_part(member), Some(member), images.to_vec()))
            .collect::<Result<Vec<Ask>, Failure>>()?;
        // Collected, and free of borrows: a lazy borrowing stream makes the whole call not Send.
        let asked: Vec<_> = questions
            .into_iter()
            .zip(members)
            .map(|(question, member)| {
                let answer = self.run.ask(question, cancel.clone());
                let model = member.model.clone();
                async move { answer.await.map_err(|failure| of_member(&model, failure)) }
            })
            .collect();
        stream::iter(asked).buffered(AT_ONCE).try_collect().await
    }

    async fn ask_chair(&self, members: &[Member], answers: &[Answer]) -> Result<Answer, Failure> {
        let mut part = "Your part: chair. The members answered:".to_owned();
        for (member, answer) in members.iter().zip(answers) {
            let heading = heading(member, &answer.trace);
            // Writing to a String cannot fail.
            let _ = write!(part, "\n\n{heading}\n\n{}", answer.text);
        }
        let question = self.question(part, None, Vec::new())?;
        self.run
            .ask(question, self.run.call.cancel.child_token())
            .await
    }

    /// The question, with the part to play at the end, where a model attends to it most.
    fn question(
        &self,
        part: String,
        member: Option<&Member>,
        images: Vec<Image>,
    ) -> Result<Ask, Failure> {
        let step = self.run.arguments().text("step").unwrap_or_default();
        let text = format!("{step}{}{}\n\n---\n{part}", self.findings(), self.attached);
        let mut messages = self.history.clone();
        messages.push(user(text, images));
        let mut question = ask(self.run, messages, CallKind::Workflow)?;
        if let Some(member) = member {
            question.model = Some(member.model.clone());
        }
        Ok(question)
    }

    fn findings(&self) -> String {
        match self.run.arguments().text("findings") {
            Some(findings) if !findings.is_empty() => format!("\n\nKnown already:\n{findings}"),
            _ => String::new(),
        }
    }
}

fn member_part(member: &Member) -> String {
    let stance = member.stance.name();
    let mut part = format!("Your part: panel member. Your stance: {stance}.");
    if !member.stance_prompt.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(part, "\nWeigh in particular:\n{}", member.stance_prompt);
    }
    part
}

fn of_member(model: &str, mut failure: Failure) -> Failure {
    failure.message = format!("{model} could not answer. {}", failure.message);
    failure
}

fn heading(member: &Member, trace: &Trace) -> String {
    format!("## {} ({})", trace.model_used, member.stance.name())
}

fn render(members: &[Member], answers: &[Answer], synthesis: Option<&Answer>) -> String {
    let mut sections: Vec<String> = members
        .iter()
        .zip(answers)
        .map(|(member, answer)| format!("{}\n\n{}", heading(member, &answer.trace), answer.text))
        .collect();
    if let Some(synthesis) = synthesis {
        let model = &synthesis.trace.model_used;
        sections.push(format!("## Synthesis ({model})\n\n{}", synthesis.text));
    }
    sections.join("\n\n")
}

/// One trace for the whole call: sums where they make sense, every answer's own trace beside.
fn combined(
    run: &Run<'_>,
    members: &[Member],
    answers: &[Answer],
    synthesis: Option<&Answer>,
) -> Map<String, Value> {
    let all: Vec<&Trace> = answers
        .iter()
        .chain(synthesis)
        .map(|one| &one.trace)
        .collect();
    let names = |name: fn(&Trace) -> &str| {
        all.iter()
            .map(|trace| name(trace))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let sum = |count: fn(&Trace) -> u64| all.iter().map(|trace| count(trace)).sum::<u64>();
    // A sum with an unknown part is unknown.
    let cost: Option<f64> = all.iter().map(|trace| trace.cost_usd).sum();
    let cost = cost.map(|cost| (cost * 1e9).round() / 1e9);
    let seats = members
        .iter()
        .map(|member| member.stance.name())
        .chain(["synthesis"]);
    let each: Vec<Value> = seats
        .zip(&all)
        .map(|(seat, trace)| {
            let mut fields = trace_fields(trace);
            fields.insert("seat".to_owned(), seat.into());
            Value::Object(fields)
        })
        .collect();
    let incomplete = all.iter().find_map(|trace| trace.incomplete.clone());
    let value = json!({
        "model_asked": names(|trace| &trace.model_asked),
        "model_used": names(|trace| &trace.model_used),
        "provider": names(|trace| &trace.provider),
        "reason": "consensus",
        "failover": all.iter().any(|trace| trace.failover),
        "attempts": all.iter().flat_map(|trace| &trace.attempts).collect::<Vec<_>>(),
        "tokens": {
            "input": sum(|trace| trace.usage.input),
            "output": sum(|trace| trace.usage.output),
            "cached": sum(|trace| trace.usage.cached),
        },
        "cost_usd": cost,
        "elapsed_ms": u64::try_from(run.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "search": all.iter().any(|trace| trace.searched),
        "incomplete": incomplete,
        "warnings": all.iter().flat_map(|trace| &trace.warnings).collect::<Vec<_>>(),
        "demo": all.iter().any(|trace| trace.demo),
        "answers": each,
    });
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
