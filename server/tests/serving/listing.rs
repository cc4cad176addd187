//! What is listed: profiles, allow and deny lists, keys, and what the lists cost their readers.

use serde_json::{Value, json};

use super::process::{Server, call, call_headers, exai, serve};
use super::providers::{result, said, started_with};
use super::socket::Socket;
use super::upstream::Upstream;

/// The twenty of the standard profile and the eleven that the full one adds, as they are known to
/// callers, with the profile that begins to list each.
const LEAN: [&str; 11] = [
    "analyze",
    "chat",
    "codereview",
    "debug",
    "listmodels",
    "planner",
    "refactor",
    "status",
    "testgen",
    "thinkdeep",
    "version",
];
const STANDARD: [&str; 9] = [
    "consensus",
    "docgen",
    "glm_payload_preview",
    "kimi_chat_with_tools",
    "precommit",
    "secaudit",
    "smart_file_download",
    "smart_file_query",
    "tracer",
];
const FULL: [&str; 11] = [
    "activity",
    "challenge",
    "glm_web_search",
    "health",
    "kimi_capture_headers",
    "kimi_intent_analysis",
    "kimi_manage_files",
    "provider_capabilities",
    "self_check",
    "test_echo",
    "toolcall_log_tail",
];

const KEYS: [(&str, &str); 3] = [
    ("KIMI_API_KEY", "sk-0123456789abcdef"),
    ("ZAI_API_KEY", "sk-0123456789abcdef"),
    ("MINIMAX_API_KEY", "sk-0123456789abcdef"),
];

/// Settings or variables, and the tools that they lead to.
type Listed<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

/// The tools that this version has; a row that is not written is not listed by any profile.
fn is_built(name: &str) -> bool {
    let rows = include_str!("../../tools.toml");
    rows.contains(&format!("\nname = \"{name}\"\n"))
}

fn list(server: &Server) -> Value {
    let session = server.session(&[]);
    let headers = [
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}});
    let result = server.post(&list, &headers).json()["result"].clone();
    assert!(result["nextCursor"].is_null(), "{result}");
    result
}

fn names(result: &Value) -> Vec<String> {
    let tools = result["tools"].as_array().unwrap();
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    tools.iter().map(name).collect()
}

fn started(settings: &[&str]) -> Server {
    serve(settings, &KEYS)
}

#[test]
fn each_profile_lists_exactly_its_tools_within_its_budget() {
    let table: [(&str, Vec<&str>, usize); 3] = [
        ("lean", LEAN.to_vec(), 20_000),
        ("standard", [&LEAN[..], &STANDARD].concat(), 40_000),
        ("full", [&LEAN[..], &STANDARD, &FULL].concat(), 60_000),
    ];
    for (profile, known, most) in table {
        let server = started(&[&format!("tools.profile={profile}")]);
        let result = list(&server);
        let mut wanted: Vec<&str> = known.into_iter().filter(|name| is_built(name)).collect();
        wanted.sort_unstable();
        assert_eq!(names(&result), wanted, "{profile}");
        let mut socket = Socket::mcp(&server, &[]);
        let over_ws = socket.ask(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
        assert_eq!(over_ws["result"]["tools"], result["tools"], "{profile}");
        let text = result.to_string();
        eprintln!("{profile}: {} tools, {} bytes", wanted.len(), text.len());
        assert!(text.len() <= most, "{profile}: {} bytes", text.len());
        if profile == "standard" {
            let tokens = text.chars().count() / 4;
            assert!(tokens <= 10_000, "{tokens} tokens");
        }
    }
}

#[test]
fn allow_and_deny_lists_decide_and_what_is_hidden_is_named_and_refused() {
    let (allow, deny) = ("tools.allow", "tools.deny");
    let table: [Listed<'_>; 4] = [
        (
            &[(allow, r#"["chat", "test_echo_EXAI-WS"]"#)],
            &["chat", "listmodels", "test_echo", "version"],
        ),
        (
            &[
                (allow, r#"["chat", "debug"]"#),
                (deny, r#"["debug", "version"]"#),
            ],
            &["chat", "listmodels", "version"],
        ),
        (&[(allow, r#"["no_such"]"#)], &["listmodels", "version"]),
        (
            &[(allow, r#"["self-check"]"#)],
            &["listmodels", "self_check", "version"],
        ),
    ];
    for (settings, wanted) in table {
        let settings = settings.iter().map(|(key, value)| format!("{key}={value}"));
        let settings: Vec<String> = settings.collect();
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let server = started(&settings);
        assert_eq!(names(&list(&server)), wanted, "{settings:?}");
    }
    let server = started(&[r#"tools.deny=["debug", "precommit"]"#]);
    let listed = names(&list(&server));
    assert!(
        !listed
            .iter()
            .any(|name| ["debug", "precommit"].contains(&name.as_str()))
    );
    let status = server
        .post(&call("status", json!({})), &call_headers("status"))
        .json();
    let hidden = status["result"]["structuredContent"]["hidden_tools"].clone();
    let hidden = hidden.as_array().unwrap();
    let manifest = server.admin("/manifest", &[]).json();
    let loadings = manifest["tools"].as_array().unwrap();
    for name in ["debug", "precommit"] {
        let row = hidden.iter().find(|row| row["name"] == name).unwrap();
        assert_eq!(row["reason"], "tools.deny names it");
        let row = loadings.iter().find(|row| row["name"] == name).unwrap();
        assert_eq!(
            (&row["loaded"], &row["reason"]),
            (&json!(false), &json!("tools.deny names it"))
        );
        // By its own name or a historic one.
        for spelled in [name.to_owned(), format!("{name}_EXAI-WS")] {
            let refused = server
                .post(&call(&spelled, json!({})), &call_headers(&spelled))
                .json();
            let error = &refused["result"]["structuredContent"]["error"];
            assert_eq!(error["code"], "tool_hidden", "{refused}");
        }
    }
}

#[test]
fn a_tool_of_one_provider_is_listed_while_that_provider_has_a_key() {
    let table: [Listed<'_>; 3] = [
        (&[], &[]),
        (&KEYS[..1], &["kimi_chat_with_tools"]),
        (&KEYS[1..2], &["glm_payload_preview"]),
    ];
    let direct = ["glm_payload_preview", "kimi_chat_with_tools"];
    for (env, wanted) in table {
        let server = serve(&[], env);
        let listed = names(&list(&server));
        let own: Vec<&String> = listed
            .iter()
            .filter(|n| direct.contains(&n.as_str()))
            .collect();
        assert_eq!(own, wanted);
        let status = server
            .post(&call("status", json!({})), &call_headers("status"))
            .json();
        let hidden = status["result"]["structuredContent"]["hidden_tools"].to_string();
        for name in direct {
            assert_eq!(hidden.contains(name), !wanted.contains(&name), "{hidden}");
        }
    }
}

#[test]
fn a_tool_that_cannot_be_loaded_is_named_with_the_reason_and_the_others_work() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("chat.md", "Answer in rhyme.");
    write("debug.md", " ");
    write("chatt.md", "Never read.");
    let upstream = Upstream::start(|_| said("a rhyme"));
    let prompts = format!("tools.prompts={}", folder.path().display());
    let server = started_with(&upstream, &[&prompts], &[]);
    let listed = names(&list(&server));
    assert!(!listed.contains(&"debug".to_owned()), "{listed:?}");
    let manifest = server.admin("/manifest", &[]).json();
    let ask = |tool: &str, arguments: Value| result(&server, tool, arguments);
    let status = ask("status", json!({}))["structuredContent"].clone();
    for rows in [&manifest["tools"], &status["hidden_tools"]] {
        let rows = rows.as_array().unwrap();
        for (name, part) in [("debug", "debug.md is empty"), ("chatt.md", "no tool has")] {
            let row = rows.iter().find(|row| row["name"] == name).unwrap();
            assert!(row["reason"].as_str().unwrap().contains(part), "{row}");
            assert_ne!(row["loaded"], true, "{row}");
        }
    }
    let checked = ask("self_check", json!({}))["structuredContent"]["checks"].clone();
    let checks = checked.as_array().unwrap();
    let loaded = checks
        .iter()
        .find(|one| one["name"] == "every tool is loaded")
        .unwrap();
    assert_eq!(loaded["ok"], false, "{loaded}");
    let refused = ask("debug", json!({}));
    let error = &refused["structuredContent"]["error"];
    assert_eq!(error["code"], "tool_hidden", "{refused}");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("debug.md is empty")
    );
    let answer = ask("chat", json!({"prompt": "moon"}));
    assert_eq!(answer["content"][0]["text"], "a rhyme", "{answer}");
    let sent = upstream.posts()[0].body["messages"][0]["content"].clone();
    assert!(
        sent.as_str().unwrap().contains("Answer in rhyme."),
        "{sent}"
    );
    let review = json!({"step": "s", "step_number": 1, "total_steps": 1,
        "next_step_required": false, "findings": "f"});
    assert_eq!(ask("analyze", review)["isError"], false);
}

#[test]
fn what_the_instructions_say_is_part_of_what_evidence_is_bound_to() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(folder.path().join("chat.md"), text).unwrap();
    let check = |folder: &str| {
        let folder = format!("tools.prompts={folder}");
        exai(&[])
            .args(["check", "--set", &folder])
            .output()
            .unwrap()
    };
    let digest = |folder: &str| {
        let said = String::from_utf8(check(folder).stdout).unwrap();
        let line = said.lines().find(|line| line.starts_with("policy_digest"));
        line.unwrap().to_owned()
    };
    let own = folder.path().to_str().unwrap();
    write("Answer in rhyme.");
    let (embedded, before) = (digest(""), digest(own));
    write("Answer in prose.");
    let after = digest(own);
    assert!(embedded != before && before != after, "{before}");
    let gone = check("/no/such");
    assert_eq!(gone.status.code(), Some(64));
    let said = String::from_utf8(gone.stderr).unwrap();
    assert!(said.contains("tools.prompts"), "{said}");
}
