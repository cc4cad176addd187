//! Workflow tools that a model reviews.

use super::*;
use crate::failure::Category;
use crate::router::ask::{CallKind, ThinkingMode};

const REVIEWED: [&str; 8] = [
    "analyze",
    "codereview",
    "debug",
    "precommit",
    "refactor",
    "secaudit",
    "testgen",
    "thinkdeep",
];

#[tokio::test]
async fn one_call_of_each_is_reviewed_once_under_its_own_instruction() {
    let bench = Bench::echoing().await;
    for tool in REVIEWED {
        let reply = bench.call(tool, step_of(tool, 1, 1, false)).await.unwrap();
        let asked = bench.questions();
        let question = asked.last().unwrap();
        assert_eq!(reply.text, format!("re: {}", last_text(question)), "{tool}");
        assert_eq!(status(&reply)["status"], format!("{tool}_complete"));
        assert_eq!(status(&reply)["file_context"]["type"], "fully_embedded");
        assert_eq!((question.tool, question.kind), (tool, CallKind::Expert));
        for part in ["step text 1", "finding 1"] {
            assert!(last_text(question).contains(part), "{tool} lacks {part}");
        }
    }
    let asked = bench.questions();
    assert_eq!(asked.len(), REVIEWED.len());
    let mut systems: Vec<&str> = asked.iter().map(|ask| ask.system.as_str()).collect();
    systems.sort_unstable();
    systems.dedup();
    assert_eq!(
        systems.len(),
        REVIEWED.len(),
        "two tools share an instruction"
    );
}

#[tokio::test]
async fn the_next_call_of_each_can_be_sent_as_it_stands_until_the_review() {
    let bench = Bench::echoing().await;
    for tool in REVIEWED {
        let mut reply = bench.call(tool, step_of(tool, 1, 3, true)).await.unwrap();
        let mut sent = 1;
        while status(&reply)["next_step_required"] == true {
            let said = status(&reply);
            assert!(
                said["required_actions"].as_array().unwrap().len() >= 2,
                "{tool}"
            );
            assert_eq!(said["next_call"]["tool"], tool);
            reply = bench
                .call(tool, said["next_call"]["arguments"].clone())
                .await
                .unwrap();
            sent += 1;
        }
        assert_eq!(
            (sent, &status(&reply)["status"]),
            (3, &json!(format!("{tool}_complete")))
        );
    }
}

#[tokio::test]
async fn every_choice_of_every_tool_is_accepted_and_reaches_the_reviewer() {
    let bench = Bench::echoing().await;
    let mut tried = 0;
    for tool in REVIEWED {
        let row = bench.toolbox.registry().tools().iter();
        let row = row
            .filter(|one| one.name == tool)
            .map(|one| one.row.clone());
        for (name, schema) in row.flat_map(|row| row.params).collect::<Vec<_>>() {
            for choice in schema["enum"].as_array().into_iter().flatten() {
                let mut step = step_of(tool, 1, 1, false);
                step[&name] = choice.clone();
                // A review of equal content would be kept, and not asked for.
                step["findings"] = json!(format!("finding of try {tried}"));
                bench.call(tool, step).await.unwrap();
                let asked = bench.questions().pop().unwrap();
                let wanted = format!("- {name}: {}\n", choice.as_str().unwrap());
                assert!(last_text(&asked).contains(&wanted), "{tool}: {wanted}");
                tried += 1;
            }
        }
    }
    assert!(tried > 25, "{tried}");
}

#[tokio::test]
async fn the_severity_filter_decides_which_issues_are_passed_on() {
    let bench = Bench::echoing().await;
    let issues = json!([
        "critical: sql.rs:3: injection",
        "low: name.rs:9: long name",
        "no word"
    ]);
    for tool in ["codereview", "secaudit", "precommit"] {
        for (filter, has_low) in [("all", true), ("high", false)] {
            let mut step = step_of(tool, 1, 1, false);
            step["issues_found"] = issues.clone();
            step["severity_filter"] = json!(filter);
            bench.call(tool, step.clone()).await.unwrap();
            let brief = bench.questions().pop().unwrap();
            step["use_assistant_model"] = json!(false);
            let local = bench.call(tool, step).await.unwrap();
            assert_eq!(status(&local)["status"], "local_work_complete");
            for text in [last_text(&brief), &local.text] {
                assert!(
                    text.contains("injection") && text.contains("no word"),
                    "{tool}"
                );
                assert_eq!(text.contains("long name"), has_low, "{tool} {filter}");
            }
        }
    }
}

#[tokio::test]
async fn deep_thinking_thinks_hard_unless_told_otherwise() {
    let bench = Bench::echoing().await;
    let thought = |n: usize| bench.questions()[n].thinking;
    bench
        .call("thinkdeep", step_of("thinkdeep", 1, 1, false))
        .await
        .unwrap();
    let mut mild = step_of("thinkdeep", 1, 1, false);
    mild["thinking_mode"] = json!("low");
    bench.call("thinkdeep", mild).await.unwrap();
    bench
        .call("debug", step_of("debug", 1, 1, false))
        .await
        .unwrap();
    assert_eq!(thought(0), Some(ThinkingMode::High));
    assert_eq!(thought(1), Some(ThinkingMode::Low));
    assert_eq!(thought(2), None);
}

#[tokio::test]
async fn hypothesis_and_confidence_of_an_earlier_step_are_seen_in_a_later_one() {
    let bench = Bench::echoing().await;
    let mut first = step_of("debug", 1, 3, true);
    first["hypothesis"] = json!("the clock jumps");
    first["confidence"] = json!("medium");
    let first = bench.call("debug", first).await.unwrap();
    let mut second = step_of("debug", 2, 3, true);
    second["continuation_id"] = json!(handle(&first));
    let second = bench.call("debug", second).await.unwrap();
    let said = &status(&second)["debug_status"];
    assert_eq!(said["hypothesis"], "the clock jumps");
    assert_eq!(said["current_confidence"], "medium");
}

#[tokio::test]
async fn equal_content_is_reviewed_once_a_principal_and_a_tool() {
    let bench = Bench::echoing().await;
    let step = step_of("debug", 1, 1, false);
    let (left, right) = tokio::join!(
        bench.call("debug", step.clone()),
        bench.call("debug", step.clone())
    );
    let (left, right) = (left.unwrap(), right.unwrap());
    assert_eq!(bench.questions().len(), 1, "asked twice at the same time");
    assert_eq!(left.text, right.text);
    assert_ne!(handle(&left), handle(&right));
    let again = bench.call("debug", step.clone()).await.unwrap();
    let trace = &again.about.as_ref().unwrap().kept.trace;
    assert_eq!(trace["from_cache"], true);
    assert_eq!(
        (&trace["cost_usd"], &trace["tokens"]["input"]),
        (&json!(0.0), &json!(0))
    );
    assert_eq!(bench.questions().len(), 1);
    let other_tool = bench.call("refactor", step.clone()).await.unwrap();
    assert_eq!(other_tool.about.unwrap().kept.trace["from_cache"], false);
    let mut other = call("debug", step.clone());
    other.caller.principal = "eve".into();
    bench.toolbox.call(other).await.unwrap();
    let mut changed = step;
    changed["temperature"] = json!(0.9);
    bench.call("debug", changed).await.unwrap();
    assert_eq!(bench.questions().len(), 4);
}

#[tokio::test]
async fn a_review_that_runs_out_of_time_says_so_and_how_to_go_on() {
    let table: Table = Arc::new(|_| {
        let message = "The model was silent.";
        Err(Failure::new(Category::TimeoutError, "first_token", message))
    });
    let bench = Bench::new("", table).await;
    let step = step_of("debug", 1, 1, false);
    let failure = bench.call("debug", step.clone()).await.unwrap_err();
    assert_eq!(failure.code, "analysis_timeout");
    assert!(
        failure.message.contains("use_assistant_model false"),
        "{}",
        failure.message
    );
    bench.call("debug", step).await.unwrap_err();
    assert_eq!(bench.questions().len(), 2, "a failure was kept");
}

#[tokio::test]
async fn a_workflow_ends_with_its_thread() {
    let bench = Bench::echoing().await;
    let mut reply = bench
        .call("debug", step_of("debug", 1, 30, true))
        .await
        .unwrap();
    let mut sent = 1;
    while status(&reply)["next_step_required"] == true {
        let next = status(&reply)["next_call"]["arguments"].clone();
        // Ten exchanges fit, so the tenth call is told to be the last.
        assert_eq!(next["next_step_required"], sent < 9, "after {sent}");
        reply = bench.call("debug", next).await.unwrap();
        sent += 1;
    }
    assert_eq!(sent, 10);
    assert_eq!(status(&reply)["status"], "debug_complete");
}
