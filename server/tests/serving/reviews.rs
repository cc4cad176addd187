//! What a provider is asked for the tools that have their work reviewed, on the shipped binary.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::providers::{result, said, started, started_with};
use super::upstream::{Seen, Upstream};

fn last_text(seen: &Seen) -> String {
    let messages = seen.body["messages"].as_array().unwrap();
    messages.last().unwrap()["content"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn instruction(seen: &Seen) -> &str {
    seen.body["messages"][0]["content"].as_str().unwrap()
}

fn step(number: u32, total: u32, own: Value) -> Value {
    let mut step = json!({
        "step": format!("step text {number}"),
        "step_number": number,
        "total_steps": total,
        "next_step_required": number < total,
        "findings": format!("finding {number}"),
    });
    step.as_object_mut()
        .unwrap()
        .extend(own.as_object().unwrap().clone());
    step
}

fn thread(answer: &Value) -> Value {
    answer["_meta"]["dev.exai/reply"]["continuation_id"].clone()
}

/// A model whose answer depends on what it was sent.
fn upstream() -> Upstream {
    Upstream::start(|seen| said(&format!("{} characters", last_text(seen).len())))
}

#[test]
fn each_reviewed_tool_sends_its_steps_and_files_under_its_own_instruction() {
    let upstream = upstream();
    let server = started(&upstream);
    let tools = [
        "analyze",
        "codereview",
        "debug",
        "precommit",
        "refactor",
        "secaudit",
        "testgen",
        "thinkdeep",
    ];
    for tool in tools {
        let mut own = json!({"relevant_files": [{"name": "lib.rs", "content": "fn planted() {}"}]});
        if tool == "precommit" {
            own["diff"] = json!("+a planted change");
        }
        let first = result(&server, tool, step(1, 2, own));
        let own = json!({"continuation_id": thread(&first)});
        let answer = result(&server, tool, step(2, 2, own));
        let posts = upstream.posts();
        let sent = last_text(posts.last().unwrap());
        for part in ["step text 1", "finding 1", "finding 2", "fn planted() {}"] {
            assert!(sent.contains(part), "{tool} lacks {part}: {sent}");
        }
        assert_eq!(sent.contains("+a planted change"), tool == "precommit");
        let keyed = format!("{} characters", sent.len());
        assert_eq!(answer["content"][0]["text"], keyed, "{tool}");
    }
    let posts = upstream.posts();
    let mut instructions: Vec<&str> = posts.iter().map(instruction).collect();
    assert_eq!(instructions.len(), tools.len(), "one request a review");
    instructions.sort_unstable();
    instructions.dedup();
    assert_eq!(instructions.len(), tools.len());
}

#[test]
fn steps_taken_back_are_not_reviewed_and_equal_content_is_reviewed_once() {
    let upstream = upstream();
    let server = started(&upstream);
    let first = result(
        &server,
        "debug",
        step(1, 3, json!({"hypothesis": "the clock"})),
    );
    let id = thread(&first);
    let second = json!({"continuation_id": id, "confidence": "low"});
    let second = result(&server, "debug", step(2, 9, second));
    let status = &second["_meta"]["dev.exai/workflow"];
    assert_eq!(
        status["debug_status"]["hypothesis"], "the clock",
        "{second}"
    );
    assert_eq!(status["total_steps"], 9);
    let last = json!({"continuation_id": id, "backtrack_from_step": 2});
    let third = result(&server, "debug", step(3, 1, last));
    let status = &third["_meta"]["dev.exai/workflow"];
    assert_eq!(status["total_steps"], 3, "the total was not raised");
    let sent = last_text(&upstream.posts()[0]);
    assert!(
        sent.contains("finding 1") && sent.contains("finding 3"),
        "{sent}"
    );
    assert!(!sent.contains("finding 2"), "{sent}");
    let alone = step(1, 1, json!({}));
    let one = result(&server, "refactor", alone.clone());
    let two = result(&server, "refactor", alone);
    assert_eq!(upstream.posts().len(), 2);
    assert_eq!(one["content"][0], two["content"][0]);
    assert_eq!(two["_meta"]["dev.exai/reply"]["from_cache"], true);
}

#[test]
fn deep_thinking_reaches_the_provider_unless_overridden() {
    let upstream = upstream();
    let server = started(&upstream);
    result(&server, "thinkdeep", step(1, 1, json!({})));
    let mild = json!({"thinking_mode": "minimal"});
    result(&server, "thinkdeep", step(1, 1, mild));
    let posts = upstream.posts();
    let thinks = |seen: &Seen| {
        seen.body["thinking"]["type"] == "enabled"
            || ["high", "max"]
                .iter()
                .any(|effort| seen.body["reasoning_effort"] == *effort)
    };
    assert!(thinks(&posts[0]), "{}", posts[0].body);
    assert!(!thinks(&posts[1]), "{}", posts[1].body);
}

#[test]
fn severity_decides_which_issues_reach_the_reviewer() {
    let upstream = upstream();
    let server = started(&upstream);
    for (filter, has_low) in [("all", true), ("high", false)] {
        let own = json!({"issues_found": ["critical: a.rs:1: weak", "low: b.rs:2: dull"],
            "severity_filter": filter});
        result(&server, "secaudit", step(1, 1, own));
        let sent = last_text(upstream.posts().last().unwrap());
        assert!(sent.contains("a.rs:1"));
        assert_eq!(sent.contains("b.rs:2"), has_low, "{filter}");
    }
}

#[test]
fn every_member_of_a_panel_is_asked_once_with_its_stance() {
    let upstream = upstream();
    let server = started(&upstream);
    let models = json!([{"model": "kimi-k2.6", "stance": "for"},
        {"model": "glm-4.6", "stance": "against"}]);
    let answer = result(
        &server,
        "consensus",
        step(1, 2, json!({ "models": models })),
    );
    let text = answer["content"][0]["text"].as_str().unwrap();
    for part in ["## kimi-k2.6 (for)", "## glm-4.6 (against)", "## Synthesis"] {
        assert!(text.contains(part), "{text}");
    }
    let posts = upstream.posts();
    assert_eq!(posts.len(), 3, "{posts:?}");
    for stance in ["stance: for", "stance: against"] {
        let asked = posts.iter().filter(|seen| last_text(seen).contains(stance));
        assert_eq!(asked.count(), 1, "{stance}");
    }
    let twice = json!([{"model": "glm-4.6"}, {"model": "glm-4.6"}]);
    let refused = result(&server, "consensus", step(1, 2, json!({ "models": twice })));
    assert_eq!(refused["structuredContent"]["error"]["field"], "/models/1");
    assert_eq!(upstream.posts().len(), 3);
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
fn precommit_sends_the_changes_that_its_switches_name() {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "-q"]);
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.txt", "old\n");
    write("b.txt", "old\n");
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "-q", "-m", "one"]);
    write("a.txt", "staged\n");
    git(folder.path(), &["add", "."]);
    write("b.txt", "unstaged\n");
    let upstream = upstream();
    let roots = format!("files.roots={}", folder.path().display());
    let path = std::env::var("PATH").unwrap();
    let server = started_with(&upstream, &[&roots], &[("PATH", &path)]);
    for (staged, unstaged) in [(true, true), (true, false), (false, true)] {
        let own = json!({"include_staged": staged, "include_unstaged": unstaged});
        result(&server, "precommit", step(1, 1, own));
        let sent = last_text(upstream.posts().last().unwrap());
        let seen = ["+staged", "+unstaged"].map(|line| sent.contains(line));
        assert_eq!(seen, [staged, unstaged], "{sent}");
    }
    let both = result(&server, "precommit", step(1, 1, json!({})));
    let output = Command::new("git")
        .args(["diff", "HEAD"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let diff = String::from_utf8(output.stdout).unwrap();
    let given = result(&server, "precommit", step(1, 1, json!({ "diff": diff })));
    assert_eq!(both["content"][0], given["content"][0]);
    let planted = folder.path().join("planted");
    for name in [
        format!("--output={}", planted.display()),
        "$(touch planted)".to_owned(),
    ] {
        let refused = result(
            &server,
            "precommit",
            step(1, 1, json!({ "compare_to": name })),
        );
        assert_eq!(
            refused["structuredContent"]["error"]["field"],
            "/compare_to"
        );
    }
    assert!(!planted.exists());
}

#[test]
fn a_silent_reviewer_is_an_analysis_timeout() {
    // Held for the whole test, so that no answer ever comes.
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock().unwrap();
    let closed = Arc::clone(&gate);
    let upstream = Upstream::start(move |_| {
        drop(closed.lock());
        said("too late")
    });
    let clocks = |class: &str| {
        ["first_token", "idle"].map(|clock| format!("timeouts.{class}.{clock}=300ms"))
    };
    let clocks: Vec<String> = ["prompt", "thinking"]
        .into_iter()
        .flat_map(clocks)
        .collect();
    let clocks: Vec<&str> = clocks.iter().map(String::as_str).collect();
    let server = started_with(&upstream, &clocks, &[]);
    for tool in ["debug", "thinkdeep"] {
        let failed = result(&server, tool, step(1, 1, json!({})));
        let error = &failed["structuredContent"]["error"];
        assert_eq!(error["code"], "analysis_timeout", "{failed}");
        assert_eq!(error["category"], "timeout_error");
    }
    drop(held);
}

#[test]
fn every_kind_of_analysis_and_refactoring_is_passed_on() {
    let upstream = upstream();
    let server = started(&upstream);
    let table: [(&str, &str, &[&str]); 3] = [
        (
            "analyze",
            "analysis_type",
            &[
                "architecture",
                "performance",
                "security",
                "quality",
                "general",
            ],
        ),
        (
            "analyze",
            "output_format",
            &["summary", "detailed", "actionable"],
        ),
        (
            "refactor",
            "refactor_type",
            &["codesmells", "decompose", "modernize", "organization"],
        ),
    ];
    for (tool, parameter, choices) in table {
        for choice in choices {
            let smell = format!("medium: a.rs:7: planted smell, {parameter} {choice}");
            let own = json!({ parameter: choice, "issues_found": [smell] });
            let first = result(&server, tool, step(1, 2, own.clone()));
            let mut own = own;
            own["continuation_id"] = thread(&first);
            let answer = result(&server, tool, step(2, 2, own));
            let sent = last_text(upstream.posts().last().unwrap());
            assert!(sent.contains(&smell), "{sent}");
            assert!(
                sent.contains(&format!("- {parameter}: {choice}\n")),
                "{sent}"
            );
            let keyed = format!("{} characters", sent.len());
            assert_eq!(answer["content"][0]["text"], keyed);
        }
    }
    let bad = result(
        &server,
        "refactor",
        step(1, 1, json!({"refactor_type": "magic"})),
    );
    assert_eq!(bad["structuredContent"]["error"]["field"], "/refactor_type");
}
