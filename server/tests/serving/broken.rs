//! Providers that answer nonsense, and tools that fail between tools that work: every failure is
//! typed and stays its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::dialect::{ask, chat, greeted};
use super::process::{Server, call, call_headers, serve};
use super::provider::{KEY, answer};
use super::socket::{Socket, tool_call};

/// What the next answers are, byte for byte; afterwards questions are answered backwards.
pub type Script = Arc<Mutex<Vec<Vec<u8>>>>;

fn provider(script: &Script) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = Arc::clone(script);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let script = Arc::clone(&script);
            std::thread::spawn(move || answer_one(stream, &script));
        }
    });
    format!("provider.kimi.base_url=http://{address}/v1")
}

/// Answers one request on its connection and closes it.
fn answer_one(mut stream: TcpStream, script: &Script) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(question) = asked["messages"].as_array().and_then(|all| all.last()) else {
        // A probe.
        return stream.write_all(&whole("200 OK", "{}")).ok();
    };
    let next = {
        let mut script = script.lock().unwrap();
        (!script.is_empty()).then(|| script.remove(0))
    };
    let question = question["content"].as_str().unwrap_or_default();
    let said = next.unwrap_or_else(|| {
        let good = json!({"choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": answer(question)}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
        whole("200 OK", &good.to_string())
    });
    stream.write_all(&said).ok()
}

pub fn whole(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

pub fn started(script: &Script, more: &[&str]) -> Server {
    let url = provider(script);
    let path = std::env::var("PATH").unwrap();
    let mut settings = vec![
        url.as_str(),
        "provider.kimi.allow_private=true",
        "breaker.failures=1000",
    ];
    settings.extend(more);
    serve(&settings, &[KEY, ("PATH", &path)])
}

/// Answers that are none; each is sent for every attempt of a call.
fn nonsense() -> Vec<(&'static str, Vec<u8>)> {
    let cut = whole("200 OK", r#"{"choices":[{"message":{"content":"half"#);
    let mut short = whole("200 OK", &"x".repeat(50));
    short.truncate(short.len() - 20);
    vec![
        ("no JSON", whole("200 OK", "<html>it works!</html>")),
        ("nothing", whole("200 OK", "")),
        ("an empty object", whole("200 OK", "{}")),
        ("a number", whole("200 OK", "7")),
        ("no choices", whole("200 OK", r#"{"choices":[]}"#)),
        (
            "a wrong type",
            whole("200 OK", r#"{"choices":[{"message":{"content":7}}]}"#),
        ),
        ("a cut object", cut),
        ("a cut body", short),
        (
            "bytes that are no HTTP",
            b"\x00\xff\xfe garbage\r\n\r\n".to_vec(),
        ),
        (
            "an error as a text of 200",
            whole("200 OK", r#"{"error":{"message":"no"}}"#),
        ),
        (
            "a server error",
            whole("500 Internal Server Error", "stack trace"),
        ),
        (
            "terminal escapes",
            whole("500 No", "\u{1b}[2J\u{7}\r\nerased\u{0}"),
        ),
        ("a long error", whole("500 No", &"e".repeat(100_000))),
    ]
}

#[test]
fn a_provider_that_answers_nonsense_is_a_typed_failure_on_every_transport() {
    let script = Script::default();
    let server = started(&script, &[]);
    let mut socket = Socket::mcp(&server, &[]);
    let mut daemon = greeted(&server, json!({}));
    for (n, (what, bytes)) in nonsense().into_iter().enumerate() {
        let prompt = format!("question {n}");
        for transport in ["http", "mcp", "daemon"] {
            *script.lock().unwrap() = vec![bytes.clone(); 8];
            let arguments = json!({ "prompt": prompt });
            let error = match transport {
                "http" => {
                    let reply = server.post(&call("chat", arguments), &call_headers("chat"));
                    failure(&reply.json()["result"], what)
                }
                "mcp" => {
                    let said = socket.ask(tool_call(n as u64 + 2, "chat", arguments));
                    failure(&said["result"], what)
                }
                _ => {
                    let said = ask(&mut daemon, &chat("a", &prompt));
                    assert_eq!(said["op"], "error", "{what}: {said}");
                    said["error"]["details"].clone()
                }
            };
            let category = error["category"].as_str().unwrap();
            let known = ["provider_error", "network_error", "unknown_error"];
            assert!(known.contains(&category), "{what} on {transport}: {error}");
            let message = error["message"].as_str().unwrap();
            assert!(
                !message.chars().any(char::is_control) && message.chars().count() <= 2000,
                "{what}: {message:?}"
            );
            script.lock().unwrap().clear();
            let next = format!("good after {n} on {transport}");
            let good = socket.ask(tool_call(900, "chat", json!({ "prompt": next })));
            let said = &good["result"]["content"][0]["text"];
            assert_eq!(said, &answer(&next), "{what}: {good}");
        }
    }
}

fn failure(result: &Value, what: &str) -> Value {
    assert_eq!(result["isError"], true, "{what}: {result}");
    assert_eq!(result["content"].as_array().unwrap().len(), 1, "{what}");
    result["structuredContent"]["error"].clone()
}

fn result(server: &Server, tool: &str, arguments: Value) -> Value {
    let reply = server.post(&call(tool, arguments), &call_headers(tool));
    reply.json()["result"].clone()
}

pub fn step(number: u32, total: u32, own: Value) -> Value {
    let mut step = json!({"step": format!("step {number}"), "step_number": number,
        "total_steps": total, "next_step_required": number < total,
        "findings": format!("finding {number}")});
    let own = own.as_object().unwrap().clone();
    step.as_object_mut().unwrap().extend(own);
    step
}

fn code(result: &Value) -> (&str, &str) {
    assert_eq!(result["isError"], true, "{result}");
    let error = &result["structuredContent"]["error"];
    let word = |name: &str| error[name].as_str().unwrap();
    (word("category"), word("code"))
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[test]
fn a_broken_tool_between_good_ones_leaves_the_workflow_and_the_thread_as_they_were() {
    let script = Script::default();
    let plain = tempfile::tempdir().unwrap();
    let roots = format!("files.roots={}", plain.path().display());
    let server = started(&script, &[&roots]);
    let thread = |result: &Value| {
        let about = &result["_meta"]["dev.exai/reply"];
        (about["continuation_id"].clone(), about["turn"].clone())
    };
    let opening = result(&server, "chat", json!({"prompt": "the word is plover"}));
    let (talk, _) = thread(&opening);
    let first = result(&server, "debug", step(1, 3, json!({})));
    let (work, _) = thread(&first);

    // Broken four ways: no repository, nonsense of the provider, a bad argument, no such tool.
    let outside = result(&server, "precommit", step(1, 1, json!({})));
    assert_eq!(code(&outside), ("tool_error", "not_a_repository"));
    *script.lock().unwrap() = vec![whole("200 OK", "nonsense"); 8];
    let on = json!({"prompt": "and?", "continuation_id": talk});
    assert_eq!(
        code(&result(&server, "chat", on.clone())).0,
        "provider_error"
    );
    let review = step(2, 2, json!({"continuation_id": work}));
    assert_eq!(code(&result(&server, "debug", review)).0, "provider_error");
    script.lock().unwrap().clear();
    let bad = step(2, 3, json!({"continuation_id": work, "confidence": "sure"}));
    assert_eq!(code(&result(&server, "debug", bad)).0, "validation_error");
    let unknown = server
        .post(&call("no_such", json!({})), &call_headers("no_such"))
        .json();
    assert_eq!(
        unknown["error"]["data"]["code"], "unknown_tool",
        "{unknown}"
    );

    // The good ones go on where they stood, and nothing of the failures was kept.
    let second = result(
        &server,
        "debug",
        step(2, 3, json!({"continuation_id": work})),
    );
    assert_eq!(thread(&second), (work.clone(), json!(2)), "{second}");
    let last = result(
        &server,
        "debug",
        step(3, 3, json!({"continuation_id": work})),
    );
    let brief = answer(text(&last));
    for part in ["finding 1", "finding 2", "finding 3"] {
        assert_eq!(brief.matches(part).count(), 1, "{part}: {brief}");
    }
    let recalled = result(&server, "chat", on);
    assert_eq!(thread(&recalled), (talk, json!(2)), "{recalled}");
    assert_eq!(text(&recalled), answer("and?"));
}

#[test]
fn a_precommit_that_reads_a_repository_and_one_given_its_diff_find_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let git = |words: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
            .args(words)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "git {words:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "-q"]);
    std::fs::write(folder.path().join("a.txt"), "old\n").unwrap();
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "one"]);
    std::fs::write(folder.path().join("a.txt"), "new\n").unwrap();
    let script = Script::default();
    let roots = format!("files.roots={}", folder.path().display());
    let server = started(&script, &[&roots]);
    let read = result(&server, "precommit", step(1, 1, json!({})));
    let diff = git(&["diff", "HEAD"]);
    let given = result(&server, "precommit", step(1, 1, json!({ "diff": diff })));
    // The provider says its question backwards: equal answers were equal questions.
    assert!(answer(text(&read)).contains("+new"), "{read}");
    assert_eq!(text(&read), text(&given));
}
