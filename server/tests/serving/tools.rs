//! Tools as a client meets them, on the shipped binary. The demonstration provider stands in for a
//! model: it says how many words it was sent, and a reply of it is marked.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::process::{Server, call, call_headers};

/// Settings of a demonstration with every tool.
pub const FULL: [&str; 2] = ["--demo", "tools.profile=full"];

/// Starts a server and prints the digest of the binary that runs (shown with `--nocapture`).
pub fn serve(settings: &[&str], env: &[(&str, &str)]) -> Server {
    let server = super::process::serve(settings, env);
    let manifest = server.admin("/manifest", &[]).json();
    let digest = manifest["executable_sha256"].as_str().unwrap();
    assert_eq!(digest.len(), 64);
    eprintln!("exai sha256:{digest}");
    server
}

/// The result of one tool call.
pub fn result(server: &Server, tool: &str, arguments: Value) -> Value {
    let reply = server.post(&call(tool, arguments), &call_headers(tool));
    reply.json()["result"].clone()
}

/// A result's text.
pub fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

fn workflow(result: &Value) -> &Value {
    &result["_meta"]["dev.exai/workflow"]
}

fn was_model_asked(result: &Value) -> bool {
    result["_meta"]["dev.exai/reply"]["model_used"].is_string()
}

fn step(number: u32, total: u32, is_next_required: bool, own: Value) -> Value {
    let mut step = json!({
        "step": format!("step text {number}"),
        "step_number": number,
        "total_steps": total,
        "next_step_required": is_next_required,
        "findings": format!("finding {number}"),
    });
    step.as_object_mut()
        .unwrap()
        .extend(own.as_object().unwrap().clone());
    step
}

fn listed(server: &Server) -> Vec<Value> {
    let session = server.session(&[]);
    let headers = [
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}});
    let result = server.post(&list, &headers).json()["result"].clone();
    assert!(result["nextCursor"].is_null());
    result["tools"].as_array().unwrap().clone()
}

#[test]
fn each_profile_lists_its_tools_and_every_listed_tool_answers() {
    for (profile, count) in [("lean", 11), ("standard", 18), ("full", 25)] {
        let server = serve(&["--demo", &format!("tools.profile={profile}")], &[]);
        let tools = listed(&server);
        assert_eq!(tools.len(), count, "{profile}");
        // What is to be downloaded has to be stored first.
        result(
            &server,
            "smart_file_query",
            arguments_of("smart_file_query"),
        );
        for tool in tools {
            let name = tool["name"].as_str().unwrap();
            let result = result(&server, name, arguments_of(name));
            assert_ne!(result["isError"], true, "{name}: {result}");
            assert!(!text(&result).is_empty(), "{name}");
            let is_structured = tool["outputSchema"].is_object();
            assert_eq!(
                result["structuredContent"].is_object(),
                is_structured,
                "{name}"
            );
        }
    }
}

/// Arguments of a call that needs no other.
fn arguments_of(name: &str) -> Value {
    let own = match name {
        "chat" | "challenge" => return json!({"prompt": "hello"}),
        "smart_file_query" => {
            let file = json!({"name": "a.txt", "content": "hello"});
            return json!({"file_path": file, "question": "what?"});
        }
        "smart_file_download" => {
            let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
            return json!({ "file_id": digest });
        }
        "test_echo" => return json!({"text": "hello"}),
        "consensus" => json!({"models": [{"model": "demo"}]}),
        "precommit" => json!({"diff": "+x"}),
        "tracer" => json!({"trace_mode": "precision", "target_description": "x"}),
        "docgen" => json!({"document_complexity": true, "document_flow": true,
            "update_existing": true, "comments_on_complex_logic": true,
            "num_files_documented": 1, "total_files_to_document": 1}),
        "planner" => {
            let mut plan = step(1, 1, false, json!({}));
            plan.as_object_mut().unwrap().remove("findings");
            return plan;
        }
        "analyze" | "codereview" | "debug" | "refactor" | "secaudit" | "testgen" | "thinkdeep" => {
            json!({})
        }
        _ => return json!({}),
    };
    step(1, 1, false, own)
}

#[test]
fn a_workflow_follows_its_next_call_to_the_review() {
    let server = serve(&["--demo"], &[]);
    let mut answer = result(&server, "debug", step(1, 3, true, json!({})));
    for _ in 0..2 {
        assert!(!was_model_asked(&answer), "{answer}");
        // A client may show text alone, so the next call stands there as well.
        let said: Value = serde_json::from_str(text(&answer)).unwrap();
        assert_eq!(&said, workflow(&answer));
        let next = &said["next_call"];
        answer = result(
            &server,
            next["tool"].as_str().unwrap(),
            next["arguments"].clone(),
        );
    }
    assert_eq!(workflow(&answer)["status"], "debug_complete", "{answer}");
    assert!(was_model_asked(&answer) && text(&answer).contains("DEMO"));
}

#[test]
fn low_confidence_ends_after_three_steps_and_medium_after_five() {
    let server = serve(&["--demo"], &[]);
    for (confidence, steps) in [("low", 3), ("medium", 5)] {
        let mut own = json!({ "confidence": confidence });
        for number in 1..=steps {
            let answer = result(&server, "debug", step(number, 9, true, own.clone()));
            let said = workflow(&answer);
            assert_eq!(said["early_termination"] == true, number == steps, "{said}");
            if number == steps {
                let reason = said["early_termination_reason"].as_str().unwrap();
                assert!(reason.contains(confidence), "{reason}");
            }
            own["continuation_id"] = answer["_meta"]["dev.exai/reply"]["continuation_id"].clone();
        }
    }
}

#[test]
fn an_oversized_step_is_asked_for_as_a_file() {
    let server = serve(&["--demo"], &[]);
    for (tool, field) in [("chat", "prompt"), ("debug", "step"), ("debug", "findings")] {
        let mut arguments = arguments_of(tool);
        arguments[field] = json!("x".repeat(60_001));
        let refused = result(&server, tool, arguments);
        let error = &refused["structuredContent"]["error"];
        assert_eq!(
            (&refused["isError"], &error["code"]),
            (&json!(true), &json!("resend_prompt"))
        );
        assert_eq!(error["field"], format!("/{field}"));
    }
    let metrics = server.admin("/metrics", &[]).body;
    assert!(
        !metrics.contains("exai_provider_requests_total{provider=\"demo\""),
        "{metrics}"
    );
}

#[test]
fn plan_trace_and_documentation_need_no_provider() {
    // No key and no demonstration: a question to a model would fail.
    let server = serve(&[], &[]);
    let plan = |number, own: Value| {
        let mut plan = step(number, 4, number < 4, own);
        plan.as_object_mut().unwrap().remove("findings");
        plan
    };
    let one = result(&server, "planner", plan(1, json!({})));
    let id = &one["_meta"]["dev.exai/reply"]["continuation_id"];
    result(&server, "planner", plan(2, json!({"continuation_id": id})));
    let branch = json!({"continuation_id": id, "is_branch_point": true, "branch_from_step": 1,
        "branch_id": "other-way"});
    result(&server, "planner", plan(3, branch));
    let revision = json!({"continuation_id": id, "is_step_revision": true,
        "revises_step_number": 2});
    let whole = result(&server, "planner", plan(4, revision));
    for part in [
        "## Step 2 (revised by step 4)",
        "## Branch other-way (from step 1)",
        "text 2",
    ] {
        assert!(text(&whole).contains(part), "{}", text(&whole));
    }
    let mut trace = arguments_of("tracer");
    trace["findings"] = json!("main -> run\nrun -> stop");
    let flow = result(&server, "tracer", trace.clone());
    assert!(
        text(&flow).contains("main\n  -> run\n    -> stop"),
        "{}",
        text(&flow)
    );
    trace["trace_mode"] = json!("dependencies");
    let map = result(&server, "tracer", trace.clone());
    assert!(
        text(&map).contains("run\n  uses: stop\n  used by: main"),
        "{}",
        text(&map)
    );
    trace["trace_mode"] = json!("ask");
    let asked = result(&server, "tracer", trace);
    assert_eq!(
        asked["structuredContent"]["error"]["code"],
        "choice_required"
    );
    let mut unfinished = arguments_of("docgen");
    unfinished["total_files_to_document"] = json!(2);
    let open = result(&server, "docgen", unfinished);
    assert_eq!(
        workflow(&open)["not_finished"],
        "1 of 2 files are documented"
    );
    assert_eq!(workflow(&open)["next_step_required"], true);
}

#[test]
fn severity_decides_which_findings_are_returned() {
    let server = serve(&["--demo"], &[]);
    for tool in ["codereview", "secaudit"] {
        for (filter, has_low) in [("all", true), ("high", false)] {
            let own = json!({"issues_found": ["critical: a.rs:1: weak", "low: b.rs:2: dull"],
                "severity_filter": filter, "use_assistant_model": false});
            let answer = result(&server, tool, step(1, 1, false, own));
            assert_eq!(workflow(&answer)["status"], "local_work_complete");
            assert!(text(&answer).contains("a.rs:1"));
            assert_eq!(text(&answer).contains("b.rs:2"), has_low, "{tool} {filter}");
        }
    }
}

fn git(folder: &Path, words: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(words)
        .current_dir(folder)
        .status()
        .unwrap();
    assert!(status.success(), "git {words:?}");
}

#[test]
fn precommit_reads_the_repositories_it_may_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "-q"]);
    std::fs::write(folder.path().join("a.txt"), "a planted line\n").unwrap();
    git(folder.path(), &["add", "."]);
    let path = std::env::var("PATH").unwrap();
    let roots = format!("files.roots={}", folder.path().display());
    let server = serve(&["--demo", &roots], &[("PATH", &path)]);
    let local = json!({"use_assistant_model": false});
    let found = result(&server, "precommit", step(1, 1, false, local.clone()));
    assert_eq!(
        workflow(&found)["file_context"]["files"],
        json!(["changes.diff"]),
        "{found}"
    );
    let mut elsewhere = local.clone();
    elsewhere["path"] = json!("/etc");
    let refused = result(&server, "precommit", step(1, 1, false, elsewhere));
    assert_eq!(
        refused["structuredContent"]["error"]["code"],
        "file_not_readable"
    );
    let blind = serve(&["--demo"], &[("PATH", &path)]);
    let refused = result(&blind, "precommit", step(1, 1, false, local));
    assert_eq!(
        refused["structuredContent"]["error"]["code"],
        "changes_needed"
    );
    let plain = tempfile::tempdir().unwrap();
    let roots = format!("files.roots={}", plain.path().display());
    let server = serve(&["--demo", &roots], &[("PATH", &path)]);
    let refused = result(&server, "precommit", step(1, 1, false, json!({})));
    let error = &refused["structuredContent"]["error"];
    assert_eq!(
        (&error["category"], &error["code"]),
        (&json!("tool_error"), &json!("not_a_repository"))
    );
}

#[test]
fn a_challenge_and_an_echo_return_the_text_that_was_sent() {
    let server = serve(&FULL[1..], &[]);
    let said = "2 + 2 = 5, says \u{1f642}";
    let challenged = result(&server, "challenge", json!({ "prompt": said }));
    assert!(text(&challenged).ends_with(said) && text(&challenged).len() > said.len() + 200);
    assert_eq!(
        text(&result(&server, "test_echo", json!({ "text": said }))),
        said
    );
}
