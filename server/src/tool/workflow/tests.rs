//! The engine through the toolbox: steps, restarts, backtracking, the review.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::failure::{Category, Failure};
use crate::tool::tests::{Bench, Table, call, handle, last_text, status};

fn step(number: u32, total: u32, is_next_required: bool) -> Value {
    json!({
        "step": format!("step text {number}"),
        "step_number": number,
        "total_steps": total,
        "next_step_required": is_next_required,
        "findings": format!("finding {number}"),
    })
}

fn on(mut step: Value, thread: &str) -> Value {
    step["continuation_id"] = json!(thread);
    step
}

#[tokio::test]
async fn the_review_sees_every_step_that_was_not_taken_back_and_survives_a_restart() {
    let bench = Bench::echoing().await;
    let mut first = step(1, 2, true);
    first["relevant_files"] = json!([{"name": "a.rs", "content": "old"}]);
    first["issues_found"] = json!(["issue A"]);
    first["images"] = json!([{"name": "i", "content": "iVBORw0KGgo="}]);
    let begun = bench.call("analyze", first).await.unwrap();
    let thread = handle(&begun);
    let said = status(&begun);
    assert_eq!(said["status"], "pause_for_analyze");
    assert_eq!(said["analyze_status"]["issues_found"], 1);
    assert_eq!(said["analyze_status"]["images_collected"], 1);
    assert_eq!(said["file_context"]["type"], "reference_only");
    assert_eq!(serde_json::from_str::<Value>(&begun.text).unwrap(), said);
    bench
        .call("analyze", on(step(2, 4, true), &thread))
        .await
        .unwrap();
    let restarted = bench.restarted().await;
    let mut third = on(step(3, 3, false), &thread);
    third["backtrack_from_step"] = json!(2);
    third["relevant_files"] = json!([{"name": "a.rs", "content": "new"}]);
    third["analysis_type"] = json!("performance");
    assert!(
        bench.questions().is_empty(),
        "the server drove a step by itself"
    );
    let reviewed = restarted.call(call("analyze", third)).await.unwrap();
    let asked = bench.questions();
    assert_eq!(asked.len(), 1);
    let brief = last_text(&asked[0]);
    for part in [
        "step text 1",
        "finding 1",
        "finding 3",
        "issue A",
        "new",
        "performance",
    ] {
        assert!(brief.contains(part), "the brief lacks {part}:\n{brief}");
    }
    for part in ["step text 2", "finding 2", "old"] {
        assert!(!brief.contains(part), "the brief holds {part}:\n{brief}");
    }
    assert_eq!(asked[0].messages.len(), 1);
    assert_eq!(asked[0].messages[0].images.len(), 1);
    assert_eq!(reviewed.text, format!("re: {brief}"));
    assert_eq!(status(&reviewed)["status"], "analyze_complete");
    assert_eq!(reviewed.about.unwrap().receipt.turn, 3);
}

#[tokio::test]
async fn next_call_can_be_sent_as_it_stands_until_the_review() {
    let bench = Bench::echoing().await;
    let mut reply = bench.call("analyze", step(1, 3, true)).await.unwrap();
    let mut sent = 1;
    while status(&reply)["next_step_required"] == true {
        let next = status(&reply)["next_call"].clone();
        assert_eq!(next["tool"], "analyze");
        reply = bench
            .call("analyze", next["arguments"].clone())
            .await
            .unwrap();
        sent += 1;
    }
    assert_eq!(sent, 3);
    assert_eq!(status(&reply)["status"], "analyze_complete");
    assert_eq!(bench.questions().len(), 1);
}

#[tokio::test]
async fn one_call_is_enough() {
    let bench = Bench::echoing().await;
    let reply = bench.call("analyze", step(1, 1, false)).await.unwrap();
    assert_eq!(status(&reply)["status"], "analyze_complete");
    assert!(reply.text.starts_with("re: "));
}

#[tokio::test]
async fn a_review_that_fails_is_a_failure_and_the_step_can_be_sent_again() {
    let table: Table = Arc::new(|ask| {
        if last_text(ask).contains("finding again") {
            Ok("reviewed".into())
        } else {
            Err(Failure::new(
                Category::TimeoutError,
                "expert_timeout",
                "silent",
            ))
        }
    });
    let bench = Bench::new("", table).await;
    let begun = bench.call("analyze", step(1, 2, true)).await.unwrap();
    let mut last = on(step(2, 2, false), &handle(&begun));
    let failure = bench.call("analyze", last.clone()).await.unwrap_err();
    assert_eq!(failure.category, Category::TimeoutError);
    last["findings"] = json!("finding again");
    let reply = bench.call("analyze", last).await.unwrap();
    assert_eq!(
        (reply.text.as_str(), reply.about.unwrap().receipt.turn),
        ("reviewed", 2)
    );
}

#[tokio::test]
async fn a_later_step_needs_a_workflow_of_the_same_tool() {
    let bench = Bench::echoing().await;
    let lost = bench.call("analyze", step(2, 2, false)).await.unwrap_err();
    assert_eq!(lost.code, "no_such_workflow");
    let chat = bench
        .call("chat", json!({"prompt": "hello"}))
        .await
        .unwrap();
    let other = bench
        .call("analyze", on(step(2, 2, false), &handle(&chat)))
        .await
        .unwrap_err();
    assert_eq!(other.code, "no_such_workflow");
    let begun = bench
        .call("analyze", on(step(1, 1, false), &handle(&chat)))
        .await
        .unwrap();
    assert_eq!(begun.about.unwrap().receipt.turn, 2);
    let question = bench.questions().pop().unwrap();
    assert_eq!(question.messages[0].text, "hello");
}

#[tokio::test]
async fn certainty_ends_the_work_without_a_question() {
    let bench = Bench::echoing().await;
    let mut sure = step(1, 3, true);
    sure["confidence"] = json!("certain");
    let reply = bench.call("analyze", sure).await.unwrap();
    let said = status(&reply);
    assert_eq!(said["status"], "completion_without_expert");
    assert_eq!(said["early_termination"], true);
    assert_eq!(said["next_step_required"], false);
    assert!(said.get("next_call").is_none());
    assert!(bench.questions().is_empty());
}
