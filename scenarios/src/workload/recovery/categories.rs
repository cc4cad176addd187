//! The ten error categories, each provoked from outside and followed by a good call.

use exai_harness::client::Client;
use exai_harness::operation::builder::{Builder, Shape};
use exai_harness::operation::{Ask, OperationPlan};
use exai_judge::Transport;
use exai_judge::operation::ProofKind;
use exai_mocks::plan::Rule;
use serde_json::json;

use super::landing::rule;
use super::{CRITERION, install, plan as plan_of};
use crate::stage::{PATIENCE, Person, Stage, Trouble};

const PHASE: &str = "categories";

/// Failures of one class in one session.
const SAME_CLASS: usize = 4;

/// How every provider fails for one operation, by the category that must come of it.
const BROKEN: [(&str, &str); 3] = [
    ("provider_error", "G02"),
    ("network_error", "G05"),
    ("unknown_error", "G06:undocumented"),
];

/// The category of a call that is left without an answer. It takes as long as silence may last, so
/// it goes beside the sessions.
const TIMEOUT: (&str, &str) = ("timeout_error", "G04:silent");

/// The provider that leaves it. The tool that is called hands on this provider's own interface and
/// asks no other, so that nobody else's breaker learns of the silence.
const SILENT: &str = "kimi";

/// The operation that must time out and the rule that makes its provider silent to it.
pub(super) struct Silence {
    plan: OperationPlan,
    /// Silent for this operation alone.
    pub(super) rule: Rule,
}

impl Silence {
    /// None where the profile does not ask for it.
    pub(super) fn planned(wanted: &[String], builder: &mut Builder) -> Option<Self> {
        let (category, fault) = TIMEOUT;
        if !wanted.iter().any(|entry| entry == category) {
            return None;
        }
        let mut plan = builder.tool_chat(PATIENCE).within(CRITERION, PHASE);
        let mut rule = rule(&plan, fault, false, None);
        rule.id = format!("silence.{category}");
        plan.proof = ProofKind::Refusal {
            category: category.to_owned(),
        };
        Some(Self { plan, rule })
    }

    /// Waits it out, and calls once more.
    ///
    /// # Errors
    /// When the person cannot connect.
    pub(super) async fn wait(self, stage: &Stage, mut builder: Builder) -> Result<(), Trouble> {
        let person = Person {
            role: "patient",
            number: 73,
        };
        let client = stage.client(person, Transport::Http2026).await?;
        stage.perform(&client, &self.plan).await;
        let shape = Shape {
            model: stage.site.model_of(SILENT),
            ..Shape::plain(PATIENCE)
        };
        let next = builder.chat(&shape).within(CRITERION, PHASE);
        stage.perform(&client, &next).await;
        Ok(())
    }
}

/// Provokes each wanted category; the faults of the sessions provoke the others.
///
/// # Errors
/// When the rig cannot carry it.
pub(super) async fn provoke(
    stage: &Stage,
    standing: &[Rule],
    wanted: &[String],
) -> Result<(), Trouble> {
    let person = Person {
        role: "patient",
        number: 71,
    };
    let client = stage.client(person, Transport::Http2026).await?;
    let mut builder = stage.builder(2_300);
    let is_wanted = |category: &str| wanted.iter().any(|entry| entry == category);
    stage.begin(CRITERION, PHASE);
    for (category, ask) in refusals() {
        if is_wanted(category) {
            let plan = builder.refused(ask, category, PATIENCE);
            stage.perform(&client, &plan.within(CRITERION, PHASE)).await;
            go_on(stage, &client, &mut builder).await;
        }
    }
    one_class_again(stage, &mut builder).await?;
    if is_wanted("auth_error") {
        without_a_role(stage, &mut builder).await?;
    }
    for (category, fault) in BROKEN {
        if is_wanted(category) {
            stage.check_stop()?;
            let broken = (category, fault);
            everywhere(stage, standing, broken, &client, &mut builder).await?;
        }
    }
    stage.end(CRITERION, PHASE);
    Ok(())
}

/// One session in which one class of failure comes again and again, each time with a good call
/// behind it.
async fn one_class_again(stage: &Stage, builder: &mut Builder) -> Result<(), Trouble> {
    let person = Person {
        role: "patient",
        number: 74,
    };
    let client = stage.client(person, Transport::Http2025).await?;
    for _ in 0..SAME_CLASS {
        stage.check_stop()?;
        let ask = Ask::Tool {
            name: "chat".to_owned(),
            arguments: json!({"prompt": ""}),
        };
        let plan = builder.refused(ask, "validation_error", PATIENCE);
        stage.perform(&client, &plan.within(CRITERION, PHASE)).await;
        go_on(stage, &client, builder).await;
    }
    Ok(())
}

/// A good token whose role may call no tool.
async fn without_a_role(stage: &Stage, builder: &mut Builder) -> Result<(), Trouble> {
    let person = Person {
        role: "patient",
        number: 72,
    };
    let wire = Transport::Http2026;
    let client = stage.client_with(person, &["metrics"], wire).await?;
    let ask = Ask::Tool {
        name: "version".to_owned(),
        arguments: json!({}),
    };
    let plan = builder.refused(ask, "auth_error", PATIENCE);
    stage.perform(&client, &plan.within(CRITERION, PHASE)).await;
    Ok(())
}

/// Requests that are wrong in themselves.
fn refusals() -> [(&'static str, Ask); 3] {
    [
        (
            "client_error",
            Ask::Method {
                name: "no/such/method".to_owned(),
                params: json!({}),
            },
        ),
        (
            "validation_error",
            Ask::Tool {
                name: "chat".to_owned(),
                arguments: json!({"prompt": ""}),
            },
        ),
        (
            "tool_error",
            // Known, and not offered in the standard profile.
            Ask::Tool {
                name: "test_echo".to_owned(),
                arguments: json!({"text": "hello"}),
            },
        ),
    ]
}

/// Breaks every provider for one operation.
async fn everywhere(
    stage: &Stage,
    standing: &[Rule],
    (category, fault): (&str, &str),
    client: &Client,
    builder: &mut Builder,
) -> Result<(), Trouble> {
    let mut plan = builder
        .chat(&Shape::plain(PATIENCE))
        .within(CRITERION, PHASE);
    let mut rule = rule(&plan, fault, false, None);
    rule.id = format!("everywhere.{category}");
    let mut broken = plan_of(stage, standing);
    broken.rules.push(rule);
    for (provider, _) in &stage.site.labels {
        stage.ground.plan(provider, &broken).await?;
    }
    plan.proof = ProofKind::Refusal {
        category: category.to_owned(),
    };
    stage.perform(client, &plan).await;
    install(stage, standing, &[]).await?;
    go_on(stage, client, builder).await;
    Ok(())
}

/// The call after a failure, which must be good.
async fn go_on(stage: &Stage, client: &Client, builder: &mut Builder) {
    let next = builder.chat(&Shape::plain(PATIENCE));
    stage.perform(client, &next.within(CRITERION, PHASE)).await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use exai_harness::operation::builder::Numbering;
    use exai_harness::runkey::{self, Tracers};
    use exai_mocks::plan::Plan;

    use super::super::WATCHED;
    use super::*;

    fn planned(wanted: &str) -> Option<Silence> {
        let tracers = Arc::new(Tracers::new(runkey::draw().unwrap()).unwrap());
        let mut builder = Builder::new(tracers, Numbering::default(), 7);
        Silence::planned(&[wanted.to_owned()], &mut builder)
    }

    #[test]
    fn the_silence_asks_one_provider_and_not_the_one_whose_breaker_is_watched_meanwhile() {
        let silence = planned("timeout_error").unwrap();
        let Ask::Tool { name, arguments } = &silence.plan.ask else {
            panic!("not a tool: {:?}", silence.plan.ask);
        };
        let criteria = crate::catalogue::criteria().unwrap();
        assert_eq!(criteria.tools[name].providers, [SILENT]);
        assert_ne!(SILENT, WATCHED);
        let tracer = silence.rule.when.contains.clone().unwrap();
        assert!(arguments.to_string().contains(&tracer));
        let plan = Plan {
            rules: vec![silence.rule],
            ..Plan::default()
        };
        assert_eq!(plan.check(SILENT.parse().unwrap()), Ok(()));
    }

    #[test]
    fn a_profile_that_does_not_ask_for_a_timeout_waits_for_none() {
        assert!(planned("provider_error").is_none());
    }
}
