//! Workflow tools that lay out the caller's own steps and ask nobody.

use super::*;

async fn next(bench: &Bench, tool: &str, step: Value, before: &Reply) -> Result<Reply, Failure> {
    let mut step = step;
    step["continuation_id"] = json!(handle(before));
    bench.call(tool, step).await
}

#[tokio::test]
async fn each_shows_what_earlier_steps_said_and_asks_no_model() {
    let bench = Bench::echoing().await;
    for tool in ["planner", "tracer", "docgen"] {
        let first = bench.call(tool, step_of(tool, 1, 2, true)).await.unwrap();
        assert_eq!(status(&first)["status"], format!("pause_for_{tool}"));
        let call = status(&first)["next_call"].clone();
        assert_eq!(call["tool"], tool);
        let last = bench.call(tool, call["arguments"].clone()).await.unwrap();
        assert_eq!(status(&last)["status"], "local_work_complete", "{tool}");
        assert!(last.text.contains("step text 1"), "{tool}: {}", last.text);
        assert_eq!(last.text.contains("finding 1"), tool != "planner", "{tool}");
        let alone = bench.call(tool, step_of(tool, 1, 1, false)).await.unwrap();
        assert_eq!(status(&alone)["next_step_required"], false, "{tool}");
        // A client that shows text alone still learns how to go on.
        let shown = first.text.split_once("\n---\n").unwrap().1;
        assert_eq!(
            serde_json::from_str::<Value>(shown).unwrap(),
            status(&first)
        );
    }
    assert!(bench.questions().is_empty());
}

#[tokio::test]
async fn a_long_plan_keeps_its_next_call_on_the_first_page() {
    let bench = Bench::echoing().await;
    let mut long = step_of("planner", 1, 2, true);
    long["step"] = json!("x".repeat(50_000));
    let reply = bench.call("planner", long).await.unwrap();
    let first: String = reply.text.chars().take(30_000).collect();
    assert!(first.contains("\"next_call\""));
    assert!(reply.text.chars().count() > 50_000);
}

#[tokio::test]
async fn a_plan_shows_revisions_and_branches() {
    let bench = Bench::echoing().await;
    let one = bench
        .call("planner", step_of("planner", 1, 4, true))
        .await
        .unwrap();
    let two = next(&bench, "planner", step_of("planner", 2, 4, true), &one)
        .await
        .unwrap();
    let mut branch = step_of("planner", 3, 4, true);
    branch["is_branch_point"] = json!(true);
    branch["branch_from_step"] = json!(1);
    branch["branch_id"] = json!("by-queue");
    let three = next(&bench, "planner", branch, &two).await.unwrap();
    let mut revision = step_of("planner", 4, 4, true);
    revision["is_step_revision"] = json!(true);
    revision["revises_step_number"] = json!(2);
    let four = next(&bench, "planner", revision, &three).await.unwrap();
    let mut again = step_of("planner", 5, 5, false);
    again["revises_step_number"] = json!(4);
    let five = next(&bench, "planner", again, &four).await.unwrap();
    let plan = five.text.split_once("\n\n---\n").unwrap().0;
    let wanted = "# Plan\n\n## Step 1\nstep text 1\n\n\
                  ## Step 2 (revised by step 5)\nstep text 5\n\n\
                  ## Branch by-queue (from step 1)\n\n### Step 3\nstep text 3\n\n\
                  ## Earlier wordings\n\n### Step 2\nstep text 2\n\n\
                  ### Step 2 (revised by step 4)\nstep text 4";
    assert_eq!(plan, wanted);
    assert!(bench.questions().is_empty());
}

#[tokio::test]
async fn a_plan_refuses_what_names_no_step_or_branch() {
    let bench = Bench::echoing().await;
    let one = bench
        .call("planner", step_of("planner", 1, 3, true))
        .await
        .unwrap();
    let cases = [
        (json!({"is_step_revision": true}), "/revises_step_number"),
        (json!({"revises_step_number": 7}), "/revises_step_number"),
        (
            json!({"is_branch_point": true, "branch_id": "x"}),
            "/branch_from_step",
        ),
        (
            json!({"is_branch_point": true, "branch_from_step": 1}),
            "/branch_id",
        ),
        (json!({"branch_id": "never-opened"}), "/branch_id"),
        (
            json!({"is_branch_point": true, "branch_from_step": 9, "branch_id": "x"}),
            "/branch_from_step",
        ),
        (
            json!({"revises_step_number": 1, "is_branch_point": true}),
            "/is_branch_point",
        ),
    ];
    for (own, field) in cases {
        let mut step = step_of("planner", 2, 3, true);
        step.as_object_mut()
            .unwrap()
            .extend(own.as_object().unwrap().clone());
        let failure = next(&bench, "planner", step, &one).await.unwrap_err();
        assert_eq!(failure.field.as_deref(), Some(field), "{own}");
        assert!(failure.message.starts_with(field), "{}", failure.message);
    }
    let mut more = step_of("planner", 2, 2, false);
    more["more_steps_needed"] = json!(true);
    let two = next(&bench, "planner", more, &one).await.unwrap();
    assert_eq!(status(&two)["next_step_required"], true);
    assert_eq!(status(&two)["total_steps"], 3);
}

#[tokio::test]
async fn a_trace_draws_the_lines_of_all_steps_and_asks_for_a_missing_mode() {
    let bench = Bench::echoing().await;
    let mut first = step_of("tracer", 1, 2, true);
    first["findings"] = json!("main -> run (main.rs:4)\nprose stays prose");
    let first = bench.call("tracer", first).await.unwrap();
    let mut second = step_of("tracer", 2, 2, false);
    second["findings"] = json!("run -> store (run.rs:9)");
    let flow = next(&bench, "tracer", second.clone(), &first)
        .await
        .unwrap();
    let drawing =
        "# Call flow: the start\n\nmain\n  -> run  (main.rs:4)\n    -> store  (run.rs:9)\n";
    assert!(flow.text.starts_with(drawing), "{}", flow.text);
    assert!(flow.text.contains("prose stays prose"));
    second["trace_mode"] = json!("dependencies");
    let map = next(&bench, "tracer", second.clone(), &first)
        .await
        .unwrap();
    assert!(
        map.text.contains("\nrun\n  uses: store\n  used by: main\n"),
        "{}",
        map.text
    );
    second["trace_mode"] = json!("ask");
    let asked = next(&bench, "tracer", second, &first).await.unwrap_err();
    assert_eq!(
        (asked.code, asked.field.as_deref()),
        ("choice_required", Some("/trace_mode"))
    );
    for choice in ["precision", "dependencies"] {
        assert!(asked.message.contains(choice));
    }
}

#[tokio::test]
async fn documentation_does_not_end_before_its_last_file() {
    let bench = Bench::echoing().await;
    let counted = |number: u32, done: u32, all: u32| {
        let mut step = step_of("docgen", number, number, false);
        step["num_files_documented"] = json!(done);
        step["total_files_to_document"] = json!(all);
        step
    };
    let one = bench.call("docgen", counted(1, 1, 2)).await.unwrap();
    let said = status(&one);
    assert_eq!(said["next_step_required"], true);
    assert_eq!(said["not_finished"], "1 of 2 files are documented");
    assert!(
        one.text.starts_with("# Documentation: 1 of 2 files"),
        "{}",
        one.text
    );
    let two = next(&bench, "docgen", counted(2, 2, 2), &one)
        .await
        .unwrap();
    assert_eq!(status(&two)["status"], "local_work_complete");
    assert!(
        two.text.starts_with("# Documentation: 2 of 2 files"),
        "{}",
        two.text
    );
    let over = bench.call("docgen", counted(1, 3, 2)).await.unwrap_err();
    assert_eq!(over.field.as_deref(), Some("/num_files_documented"));
}
