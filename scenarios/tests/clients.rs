//! `verify clients` from outside: clean on exai in every profile, and not on a planted server.

#![expect(clippy::expect_used, reason = "a test without its ground has failed")]

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

#[path = "served/post.rs"]
mod post;
use post::Post;

fn verify(words: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    command.arg("clients").args(words).envs(env.iter().copied());
    command.output().expect("verify starts")
}

fn says(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

/// The server, built in the profile of this test.
fn exai() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--bin", "exai"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the server does not build");
    let own = PathBuf::from(env!("CARGO_BIN_EXE_verify"));
    own.with_file_name("exai")
}

#[test]
fn exai_passes_no_clients_limit_in_any_profile() {
    let exai = exai();
    let state = tempfile::tempdir().expect("a folder");
    let state = format!("server.state_dir={}", state.path().display());
    let key = "planted-0123456789abcdef";
    // With a key for each provider, so that the tools of one provider are listed too.
    let env = [
        ("KIMI_API_KEY", key),
        ("ZAI_API_KEY", key),
        ("MINIMAX_API_KEY", key),
    ];
    // Nothing listens at port 9 of this machine, and no provider is asked.
    let silent = ["kimi", "glm", "minimax"].map(|provider| {
        let set = |pair: &str| format!("provider.{provider}.{pair}");
        [
            set("base_url=http://127.0.0.1:9/v1"),
            set("allow_private=true"),
        ]
    });
    let silent = silent.concat();
    for (profile, least) in [("lean", 11), ("standard", 20), ("full", 31)] {
        let profile = format!("tools.profile={profile}");
        let mut words = vec!["--set", &profile, "--set", &state];
        words.extend(silent.iter().flat_map(|pair| ["--set", pair]));
        for revision in ["2025-11-25", "2026-07-28"] {
            let program = exai.to_str().expect("a path");
            let mut all = vec!["--json", "--revision", revision, "--", program, "stdio"];
            all.extend(&words);
            let output = verify(&all, &env);
            assert_eq!(
                output.status.code(),
                Some(0),
                "{profile}: {}",
                says(&output)
            );
            let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            let count = |what: &str| report["judged"][what].as_u64().unwrap_or(0);
            assert!(count("tools") >= least, "{profile}: {report}");
            assert!(
                count("prompts") >= 4 && count("resources") >= 1,
                "{profile}: {report}"
            );
            assert!(
                count("resource_templates") >= 1 && count("results") >= 3,
                "{profile}: {report}"
            );
            assert_eq!(report["violations"], json!([]), "{profile}");
        }
    }
}

/// A server of 2026-07-28 that answers each method with a fixed result.
fn planted(answer: fn(&str) -> Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream, answer));
        }
    });
    format!("http://{address}/mcp")
}

fn serve(stream: TcpStream, answer: fn(&str) -> Value) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let request = Post::read(&mut reader)?.body;
        let result = answer(request["method"].as_str()?);
        let said = json!({"jsonrpc": "2.0", "id": request["id"], "result": result}).to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
        write!(
            writer,
            "{head}\r\ncontent-length: {}\r\n\r\n{said}",
            said.len()
        )
        .ok()?;
    }
}

/// One violation of each kind.
fn faulty(method: &str) -> Value {
    let plain = json!({"type": "object"});
    match method {
        "server/discover" => json!({
            "supportedVersions": ["2026-07-28"],
            "serverInfo": {"name": "planted", "version": "1"},
            "capabilities": {"tools": {}, "prompts": {}},
            "instructions": "x".repeat(3000),
        }),
        "tools/list" => json!({"tools": [
            {"name": "not a word", "inputSchema": plain},
            {"name": "n".repeat(70), "inputSchema": plain},
            {"name": "union", "inputSchema": {"type": "object", "oneOf": []}},
            {"name": "foreign", "inputSchema": {"type": "object", "properties": {
                "x": {"$ref": "other.json"}, "y": {"type": "integer", "format": "int32"}}}},
            {"name": "listed", "inputSchema": plain, "outputSchema": {"type": "array"}},
            {"name": "told", "inputSchema": plain, "description": "d".repeat(5000)},
            {"name": "talks", "inputSchema": plain, "outputSchema": plain,
                "annotations": {"readOnlyHint": true, "openWorldHint": false}},
        ]}),
        "prompts/list" => json!({"prompts": [{"name": "p", "arguments": [{}]}]}),
        "resources/list" => json!({"resources": [{"uri": "no-scheme", "name": "r"}]}),
        "resources/templates/list" => json!({"resourceTemplates": []}),
        _ => json!({"content": [{"type": "text", "text": "t".repeat(60_000)}]}),
    }
}

#[test]
fn each_planted_violation_of_a_foreign_server_is_found_and_names_the_client() {
    let url = planted(faulty);
    let output = verify(&["--url", &url], &[]);
    assert_eq!(output.status.code(), Some(1), "{}", says(&output));
    let said = says(&output);
    for wanted in [
        "Claude Code: the instructions: 3000 bytes, at most 2048; it cuts",
        "Copilot CLI: tool not a word: a name with more than letters",
        "Gemini CLI: tool nnn",
        "Claude Code: tool union: oneOf at the top of its input schema; it fails every request",
        "any client: tool foreign: inputSchema: $ref other.json",
        "any client: tool foreign: inputSchema: format int32",
        "opencode: tool listed: an output schema without \"type\": \"object\"; it fails the whole",
        "Claude Code: tool told: 5000 bytes of description",
        "Cursor: the result of talks: an output schema is declared",
        "Claude Code: the result of talks: 60000 characters, at most 50000",
        "any client: prompt p: an argument without a name",
        "any client: resource no-scheme: no absolute URI",
    ] {
        assert!(said.contains(wanted), "{wanted}\n{said}");
    }
}

#[test]
fn a_server_that_is_not_there_is_no_clean_server() {
    let free = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let gone = format!("http://{free}/mcp");
    let cases: [(&[&str], i32); 5] = [
        (&["--url", &gone], 3),
        (&["--", "/bin/true"], 3),
        (&["--", "/no/such/program"], 64),
        (&["--url", "https://127.0.0.1/mcp"], 64),
        (&[], 64),
    ];
    for (words, code) in cases {
        let output = verify(words, &[]);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{words:?}: {}",
            says(&output)
        );
    }
    let words = ["--", "/bin/sh", "-c", "echo no such key >&2; exit 2"];
    let output = verify(&words, &[]);
    assert!(says(&output).contains("no such key"), "{}", says(&output));
    let empty = planted(|method| match method {
        "tools/list" => json!({"tools": []}),
        "prompts/list" => json!({"prompts": []}),
        "resources/list" => json!({"resources": []}),
        "resources/templates/list" => json!({"resourceTemplates": []}),
        _ => json!({}),
    });
    let output = verify(&["--url", &empty], &[]);
    assert_eq!(output.status.code(), Some(4), "{}", says(&output));
}
