//! Plans say where each tracer is, and each tracer is there.

use std::collections::BTreeSet;

use super::workflow::{Ending, Steps, WORKFLOWS, Workflow};
use super::*;
use crate::operation::prose::Position;
use crate::runkey;

fn builder() -> Builder {
    let tracers = Arc::new(Tracers::new(runkey::draw().unwrap()).unwrap());
    Builder::new(tracers, Numbering::default(), 7)
}

fn planted(plan: &OperationPlan) -> Vec<Planted> {
    match &plan.proof {
        ProofKind::Keyed { tracers, .. } => tracers.clone(),
        other => panic!("not keyed: {other:?}"),
    }
}

fn words(plan: &OperationPlan) -> String {
    let Ask::Tool { arguments, .. } = &plan.ask else {
        panic!("not a tool")
    };
    let mut text = String::new();
    gather(arguments, &mut text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn gather(value: &Value, text: &mut String) {
    match value {
        Value::String(leaf) => {
            text.push('\n');
            text.push_str(leaf);
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, text)),
        Value::Object(fields) => fields.values().for_each(|item| gather(item, text)),
        _ => {}
    }
}

#[test]
fn every_planned_tracer_stands_in_the_arguments_between_whitespace() {
    let mut builder = builder();
    let shape = Shape {
        files: 2,
        ..Shape::plain(9)
    };
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        let stances = [("kimi-k2", "for"), ("glm-5", "against")];
        let chat = builder.chat(&shape);
        let analyze = builder.analyze(&shape);
        let consensus = builder.consensus(&stances, &shape);
        assert_eq!((planted(&chat).len(), planted(&analyze).len()), (3, 4));
        assert_eq!(planted(&consensus).len(), 3);
        let tool_chat = builder.tool_chat(9);
        assert_eq!(planted(&tool_chat).len(), 5);
        for plan in [chat, analyze, consensus, tool_chat] {
            let text = format!(" {} ", words(&plan));
            for tracer in planted(&plan) {
                assert!(
                    text.contains(&format!(" {} ", tracer.text)),
                    "{}",
                    tracer.slot
                );
                assert!(seen.insert(tracer.text), "a tracer twice");
            }
        }
    }
}

#[test]
fn a_conversation_expects_the_tracers_of_its_acknowledged_turns() {
    let mut builder = builder();
    let mut conversation = Conversation::new("t");
    let first = builder.turn(&conversation, &Shape::plain(9));
    assert_eq!(first.thread.as_ref().unwrap().action, ThreadAction::Create);
    assert!(builder.read(&conversation, 9).is_none());
    conversation.acknowledge(&first, Some("c-1".to_owned()));
    let second = builder.turn(&conversation, &Shape::plain(9));
    let use_of_thread = second.thread.clone().unwrap();
    assert_eq!(use_of_thread.action, ThreadAction::Append);
    assert_ne!(use_of_thread.key, first.thread.as_ref().unwrap().key);
    let slots: Vec<String> = planted(&second)
        .into_iter()
        .map(|planted| planted.slot)
        .collect();
    assert_eq!(slots, ["turn.1", "prompt"]);
    conversation.acknowledge(&second, None);
    assert_eq!(conversation.planted.len(), 2);
    assert_eq!(conversation.continuation_id.as_deref(), Some("c-1"));
    let request = second.request().message(
        Some(1),
        crate::client::Revision::V2025,
        crate::client::Software::numbered(0),
    );
    assert_eq!(
        request["params"]["_meta"]["dev.exai/idempotency-key"],
        json!(use_of_thread.key)
    );
    assert_eq!(
        request["params"]["arguments"]["continuation_id"],
        json!("c-1")
    );
}

/// All plans of a workflow of `total` steps.
fn walk(builder: &mut Builder, workflow: &Workflow, total: u32) -> Vec<OperationPlan> {
    let mut steps = Steps::default();
    let plans = (0..total).map(|_| builder.step(workflow, &mut steps, total, &Shape::plain(9)));
    plans.collect()
}

#[test]
fn the_last_step_of_a_reviewed_workflow_carries_the_tracers_of_all_steps() {
    let mut builder = builder();
    let own = [
        ("analyze", vec![]),
        ("codereview", vec!["focus_on.2"]),
        ("debug", vec!["hypothesis.2"]),
        ("refactor", vec![]),
        ("testgen", vec![]),
        ("thinkdeep", vec!["problem_context.2"]),
        ("secaudit", vec!["security_scope.2"]),
        ("precommit", vec!["diff.1"]),
    ];
    let reviewed = WORKFLOWS
        .iter()
        .filter(|row| row.ending == Ending::Reviewed);
    for (workflow, (name, own)) in reviewed.zip(own) {
        assert_eq!(workflow.tool, name);
        let plans = walk(&mut builder, workflow, 2);
        assert_eq!(plans[0].proof, ProofKind::None);
        let mut slots: Vec<String> = planted(&plans[1]).into_iter().map(|one| one.slot).collect();
        slots.sort();
        let mut wanted = ["step.1", "findings.1", "step.2", "findings.2"].to_vec();
        wanted.extend(own);
        wanted.sort_unstable();
        assert_eq!(slots, wanted, "{name}");
        let text = format!(" {} {} ", words(&plans[0]), words(&plans[1]));
        for tracer in planted(&plans[1]) {
            assert!(text.contains(&format!(" {} ", tracer.text)), "{name}");
        }
    }
}

#[test]
fn each_later_step_of_a_laid_out_workflow_asks_for_the_earlier_tracers_and_sends_none_of_them() {
    let mut builder = builder();
    let rows = WORKFLOWS.iter().filter(|row| row.ending == Ending::LaidOut);
    for workflow in rows {
        let plans = walk(&mut builder, workflow, 3);
        assert_eq!(plans[0].proof, ProofKind::None);
        for (index, plan) in plans.iter().enumerate().skip(1) {
            let ProofKind::Memory { tracers } = &plan.proof else {
                panic!("{}: {:?}", workflow.tool, plan.proof)
            };
            assert_eq!(tracers.len(), index * (1 + workflow.every.len()));
            let text = words(plan);
            for tracer in tracers {
                assert!(!text.contains(&tracer.text), "{} sent it", workflow.tool);
                let sent = plans[..index].iter().map(words);
                assert!(sent.collect::<String>().contains(&tracer.text));
            }
        }
    }
}

#[test]
fn a_preview_and_its_chat_are_asked_alike() {
    let [preview, chat] = builder().preview("glm-5", 9);
    let of = |plan: &OperationPlan| match &plan.ask {
        Ask::Tool { name, arguments } => (name.clone(), arguments.clone()),
        Ask::Method { .. } => panic!("not a tool"),
    };
    let ((first, asked), (second, again)) = (of(&preview), of(&chat));
    assert_eq!((&*first, &*second), ("glm_payload_preview", "chat"));
    assert_eq!(asked, again);
    let ProofKind::Twin { tracers } = &preview.proof else {
        panic!("{:?}", preview.proof)
    };
    assert_eq!(*tracers, planted(&chat));
}

#[test]
fn a_near_repeat_differs_and_an_exact_one_does_not() {
    let mut builder = builder();
    let original = builder.chat(&Shape::plain(9));
    let exact = builder.repeat(&original, true, true);
    let near = builder.repeat(&original, true, false);
    assert_eq!(exact.ask, original.ask);
    assert_ne!(near.ask, original.ask);
    assert_eq!(near.repeat.as_ref().unwrap().of, original.op);
    assert_ne!(exact.op, near.op);
    assert_eq!(planted(&near), planted(&original));
}

#[test]
fn sizes_and_positions_are_what_they_say() {
    let mut prose = Prose::new(3);
    for (size, least, most) in [(Size::Short, 20, 400), (Size::Huge, 50_000, 60_000)] {
        let text = prose.around_at("x y", size, Position::Middle);
        assert!(
            (least..most).contains(&text.chars().count()),
            "{}",
            text.chars().count()
        );
        assert!(text.contains("\nx y\n"));
        assert!(
            prose
                .around_at("x y", size, Position::First)
                .starts_with("x y ")
        );
        assert!(
            prose
                .around_at("x y", size, Position::Last)
                .ends_with(" x y")
        );
    }
    assert_eq!(Prose::new(5).text(900), Prose::new(5).text(900));
}

#[test]
fn a_file_is_asked_for_by_its_digest_and_proven_by_its_tracer() {
    let mut builder = builder();
    let (query, left) = builder.file_query("kimi", Size::Medium, 9);
    let slots: Vec<String> = planted(&query).into_iter().map(|one| one.slot).collect();
    assert_eq!(slots, ["prompt", "file.0"]);
    let Ask::Tool { arguments, .. } = &query.ask else {
        panic!("not a tool")
    };
    let content = arguments["file_path"]["content"].as_str().unwrap();
    let download = builder.file_download(&left, 9);
    let Ask::Tool { name, arguments } = &download.ask else {
        panic!("not a tool")
    };
    let handle = format!("exai://file/{}", sha256(content.as_bytes()));
    assert_eq!(
        (name.as_str(), &arguments["file_id"]),
        ("smart_file_download", &json!(handle))
    );
    let ProofKind::Memory { tracers } = &download.proof else {
        panic!("proven otherwise")
    };
    assert_eq!(tracers.len(), 1);
    assert!(content.contains(&tracers[0].text) && !handle.contains(&tracers[0].text));
}

#[test]
fn a_reused_key_carries_other_words_and_must_be_refused() {
    let mut builder = builder();
    let mut conversation = Conversation::new("one");
    let first = builder.turn(&conversation, &Shape::plain(9));
    conversation.acknowledge(&first, Some("id".to_owned()));
    let other = builder.reused(&first, &conversation, &Shape::plain(9));
    let part = |plan: &OperationPlan| plan.thread.clone().unwrap();
    assert_eq!(part(&other).key, part(&first).key);
    assert_ne!(part(&other).user_sha256, part(&first).user_sha256);
    assert_ne!(other.op, first.op);
    let category = "validation_error".to_owned();
    assert_eq!(other.proof, ProofKind::Refusal { category });
}
