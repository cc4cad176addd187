//! What the server tells about its calls: metrics that others can read, one id through everything,
//! a log of calls that nobody can forge.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::process::{JWT, SECRET, Server, call, call_headers, request, serve, token, wait_for};
use super::provider::serve_asking;

fn work(server: &Server, tool: &str, arguments: Value) -> Value {
    server
        .post(&call(tool, arguments), &call_headers(tool))
        .json()
}

/// Reads the text form strictly, as its specification has it: one TYPE before the samples of each
/// family, all of them together, no sample twice, buckets that only rise up to the count.
fn read(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let (mut families, mut samples) = (BTreeMap::new(), BTreeMap::new());
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(
                families.insert(name.to_owned(), kind.to_owned()).is_none(),
                "{line} twice"
            );
            family = name.to_owned();
        } else if !line.starts_with("# HELP ") {
            let (id, value) = line.rsplit_once(' ').unwrap();
            let name = id.split('{').next().unwrap();
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            assert!(name.chars().all(is_name), "{line}");
            let suffix = name
                .strip_prefix(&family)
                .unwrap_or_else(|| panic!("{line}: {family}"));
            match families[&family].as_str() {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
                _ => assert_eq!(suffix, "", "{line}"),
            }
            let value: f64 = value.parse().unwrap();
            assert!(
                samples.insert(id.to_owned(), value).is_none(),
                "{line} twice"
            );
        }
    }
    for (id, count) in samples.iter().filter(|(id, _)| id.contains("_count{")) {
        let last = id.replacen("_count{", "_bucket{le=\"+Inf\",", 1);
        let other = id
            .replacen("_count{", "_bucket{", 1)
            .replace('}', ",le=\"+Inf\"}");
        let inf = samples.get(&last).or_else(|| samples.get(&other));
        assert_eq!(inf, Some(count), "{id}");
    }
    samples
}

#[test]
fn documented_metrics_are_read_by_an_outside_parser_and_move_by_the_calls_made() {
    let (server, _provider) = serve_asking(&["health.interval=100ms"]);
    let before = read(&server.admin("/metrics", &[]).body);
    for n in 0..3 {
        work(&server, "chat", json!({"prompt": format!("question {n}")}));
    }
    work(&server, "chat", json!({"prompt": "question 0"}));
    work(&server, "chat", json!({"prompt": 7}));
    let text = server.admin("/metrics", &[]).body;
    let after = read(&text);
    let table = [
        (
            "exai_requests_total{tool=\"chat\",transport=\"http\",status=\"ok\"}",
            4.0,
        ),
        (
            "exai_requests_total{tool=\"chat\",transport=\"http\",status=\"error\"}",
            1.0,
        ),
        ("exai_request_duration_seconds_count{tool=\"chat\"}", 5.0),
        ("exai_errors_total{category=\"validation_error\"}", 1.0),
        ("exai_severity_errors_total{severity=\"medium\"}", 1.0),
        ("exai_cache_hits_total{cache=\"result\"}", 1.0),
        ("exai_cache_misses_total{cache=\"result\"}", 3.0),
        (
            "exai_provider_request_duration_seconds_count{provider=\"kimi\"}",
            3.0,
        ),
    ];
    for (id, wanted) in table {
        let moved = after.get(id).unwrap_or(&0.0) - before.get(id).unwrap_or(&0.0);
        assert_eq!(moved, wanted, "{id}\n{text}");
    }
    assert!(after.contains_key("exai_provider_health{provider=\"kimi\"}"));
    assert!(text.contains("# TYPE exai_provider_errors_total counter\n"));
    promtool_reads(&text);
}

/// Checks by the scraper's own tool, where it is installed.
fn promtool_reads(text: &str) {
    let checking = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    match checking {
        Ok(mut child) => {
            child
                .stdin
                .take()
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
            let checked = child.wait_with_output().unwrap();
            // 3 are remarks on style; what cannot be read is 1.
            let said = String::from_utf8_lossy(&checked.stderr).into_owned();
            assert!(matches!(checked.status.code(), Some(0 | 3)), "{said}");
        }
        Err(_) => {
            let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
            assert!(
                !required.split(',').any(|one| one == "promtool"),
                "promtool is not on PATH"
            );
            eprintln!("not run: promtool check metrics needs Debian's package prometheus");
        }
    }
}

#[test]
fn one_id_is_in_reply_log_exemplar_call_log_and_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    let (server, _provider) = serve_asking(&[&format!("call_log.file={}", path.display())]);
    let answer = server.post(
        &call("chat", json!({"prompt": "hello"})),
        &call_headers("chat"),
    );
    let reply = answer.json()["result"]["_meta"]["dev.exai/reply"].clone();
    let id = reply["correlation_id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("exai-correlation-id"), Some(id.as_str()));
    for message in ["call", "provider answered"] {
        wait_for("the log line", || {
            let log = server.log.lock().unwrap();
            let of_call = |line: &&String| {
                let line: Value = serde_json::from_str(line).unwrap();
                line["message"] == message && line["correlation_id"] == *id
            };
            log.iter().find(of_call).map(|_| ())
        });
    }
    let open = [("accept", "application/openmetrics-text")];
    let metrics = server.admin("/metrics", &open).body;
    let exemplar = format!("# {{correlation_id=\"{id}\"}}");
    let line = metrics
        .lines()
        .find(|line| line.contains(&exemplar))
        .unwrap();
    assert!(
        line.starts_with("exai_request_duration_seconds_bucket"),
        "{line}"
    );
    wait_for("the line of the call log", || {
        std::fs::read_to_string(&path)
            .unwrap()
            .contains(&id)
            .then_some(())
    });
    server.signal(Signal::SIGTERM);
    let store = server.state.path().join("exai.sqlite");
    wait_for("the record of the store", || {
        let bytes = ["", "-wal"]
            .map(|end| std::fs::read(format!("{}{end}", store.display())).unwrap_or_default());
        let whole = bytes.concat();
        whole
            .windows(id.len())
            .any(|window| window == id.as_bytes())
            .then_some(())
    });
}

/// The lines of every file of the call log, each a JSON value.
fn lines_below(folder: &Path) -> Vec<Value> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.len() <= 1500 && text.ends_with('\n'), "{text}");
        let read = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.extend(read.collect::<Vec<Value>>());
    }
    lines
}

#[test]
fn each_call_is_one_valid_line_of_the_call_log_and_no_name_forges_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    let settings = [
        "--demo".to_owned(),
        format!("call_log.file={}", path.display()),
        "call_log.bytes=1500".to_owned(),
        "call_log.files=40".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).chain(JWT).collect();
    let mut server = serve(&settings, &[("EXAI_JWT_SECRET", SECRET)]);
    // A name with a line break in it is refused with its token, and makes no line at all.
    let evil = "eve\n{\"tool\":\"chat\",\"principal\":\"root\"}";
    let work = |name: &str| {
        let bearer = format!("Bearer {}", token(name, &["admin"]));
        let mut headers = call_headers("version");
        headers.push(("authorization", &bearer));
        server.post(&call("version", json!({})), &headers)
    };
    let mut ids = Vec::new();
    for _ in 0..10 {
        let reply = work("alice");
        ids.push(reply.header("exai-correlation-id").unwrap().to_owned());
    }
    assert_eq!(work(evil).status, 401);
    assert_eq!(work("bob\",\"tool\":\"chat").status, 200);
    server.signal(Signal::SIGTERM);
    let ended = wait_for("the server's end", || server.child.try_wait().unwrap());
    assert!(ended.success());
    let turned = folder.path().join("calls.jsonl.1");
    assert!(std::fs::exists(turned).unwrap(), "nothing turned over");
    let lines = lines_below(folder.path());
    assert_eq!(lines.len(), 11);
    assert!(
        lines
            .iter()
            .any(|line| line["principal"] == "bob\",\"tool\":\"chat")
    );
    for id in &ids {
        let line = lines
            .iter()
            .find(|line| line["correlation_id"] == **id)
            .unwrap();
        assert_eq!(
            (&line["tool"], &line["status"]),
            (&json!("version"), &json!("ok"))
        );
        assert_eq!(line["principal"], "alice", "{line}");
    }
}

#[test]
fn the_log_itself_holds_one_json_object_a_line_whatever_callers_send() {
    let (server, _provider) = serve_asking(&[]);
    let forged = "x\n{\"level\":\"ERROR\",\"message\":\"forged\",\"severity\":\"critical\"}";
    work(&server, "chat", json!({"prompt": "p", "model": forged}));
    let nameless = [("mcp-method", "tools/call")];
    request(server.public, "POST", "/mcp", &nameless, forged.as_bytes());
    work(&server, "version", json!({}));
    wait_for("the last call's line", || {
        let log = server.log.lock().unwrap();
        let parsed: Vec<Value> = log
            .iter()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert!(parsed.iter().all(|line| line["message"] != "forged"));
        parsed
            .iter()
            .any(|line| line["tool"] == "version")
            .then_some(())
    });
}
