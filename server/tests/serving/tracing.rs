//! Telemetry at an outside receiver: one connected tree of spans for each call, from the caller's
//! own span down to what each provider is told, the metrics of a scrape and the lines of the log,
//! without a word of what was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::process::{Server, call, call_headers, serve, wait_for};

type Heard = Arc<Mutex<Vec<(String, String)>>>;

/// Answers every request with a status and a body; keeps each one's head and body.
fn listen(status: u16, answer: &'static str) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, heard) = (listener.local_addr().unwrap(), Heard::default());
    let kept = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(&stream);
            let (mut head, mut length) = (String::new(), 0);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                let lower = line.to_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head.push_str(&lower);
                line.clear();
            }
            let mut body = vec![0; length];
            let _ = reader.read_exact(&mut body);
            kept.lock()
                .unwrap()
                .push((head, String::from_utf8(body).unwrap()));
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{answer}",
                answer.len()
            );
            let _ = (&stream).write_all(head.as_bytes());
        }
    });
    (address, heard)
}

/// The records of one signal, in the order they came; each request names the service.
fn records(heard: &Heard, signal: &str, [outer, middle, inner]: [&str; 3]) -> Vec<Value> {
    let heard = heard.lock().unwrap();
    let path = format!("post /v1/{signal} ");
    let bodies = heard.iter().filter(|(head, _)| head.starts_with(&path));
    let of = |(_, body): &(String, String)| {
        let body: Value = serde_json::from_str(body).unwrap();
        let one = &body[outer][0];
        let name = &one["resource"]["attributes"][0]["value"]["stringValue"];
        assert_eq!(name, "exai", "{body}");
        let names = &one[middle][0]["schemaUrl"];
        assert_eq!(names, "https://opentelemetry.io/schemas/1.40.0", "{body}");
        let records = one[middle][0][inner].as_array();
        records.unwrap_or_else(|| panic!("{body}")).clone()
    };
    bodies.flat_map(of).collect()
}

fn spans(heard: &Heard) -> Vec<Value> {
    records(heard, "traces", ["resourceSpans", "scopeSpans", "spans"])
}

fn log_lines(heard: &Heard) -> Vec<Value> {
    records(heard, "logs", ["resourceLogs", "scopeLogs", "logRecords"])
}

fn metrics(heard: &Heard) -> Vec<Value> {
    records(
        heard,
        "metrics",
        ["resourceMetrics", "scopeMetrics", "metrics"],
    )
}

fn attribute<'a>(span: &'a Value, name: &str) -> &'a Value {
    let found = span["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["key"] == name);
    found.map_or(&Value::Null, |one| &one["value"])
}

const ANSWER: &str = "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":\
                      {\"role\":\"assistant\",\"content\":\"the secret answer\"}}],\
                      \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}";

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Its spans go to `receiver`, its calls to `bad` and then to `good`.
fn watched(receiver: SocketAddr, bad: SocketAddr, good: SocketAddr) -> Server {
    let settings = [
        format!("otlp.endpoint=http://{receiver}"),
        "otlp.every=100ms".to_owned(),
        "otlp.metrics_every=100ms".to_owned(),
        "breaker.failures=1".to_owned(),
        format!("provider.kimi.base_url=http://{bad}/v1"),
        "provider.kimi.allow_private=true".to_owned(),
        format!("provider.glm.base_url=http://{good}/v1"),
        "provider.glm.allow_private=true".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let keys = [
        ("KIMI_API_KEY", "sk-0123456789abcdef"),
        ("ZAI_API_KEY", "sk-fedcba9876543210"),
    ];
    serve(&settings, &keys)
}

#[test]
fn a_call_is_one_connected_trace_from_its_caller_to_each_attempt_and_names_no_content() {
    let (receiver, heard) = listen(200, "{}");
    let (bad, bad_heard) = listen(500, "{\"error\":{\"message\":\"broken\"}}");
    let (good, good_heard) = listen(200, ANSWER);
    let server = watched(receiver, bad, good);
    let mut request = call("debug", debug("the secret question"));
    request["params"]["_meta"]["traceparent"] = PARENT.into();
    let reply = server.post(&request, &call_headers("debug"));
    assert_eq!(reply.status, 200, "{reply:?}");
    let all = wait_for("the call's span", || {
        let all = spans(&heard);
        all.iter().any(|span| span["kind"] == 2).then_some(all)
    });
    let outer = all.iter().find(|span| span["kind"] == 2).unwrap();
    assert_eq!(outer["name"], "tools/call debug");
    assert_eq!(outer["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(outer["parentSpanId"], "b7ad6b7169203331");
    let id = reply.header("exai-correlation-id").unwrap();
    assert_eq!(attribute(outer, "exai.correlation_id")["stringValue"], id);
    let attempts: Vec<&Value> = all.iter().filter(|span| span["kind"] == 3).collect();
    assert!(attempts.len() >= 2, "{all:?}");
    for attempt in &attempts {
        assert_eq!(attempt["traceId"], outer["traceId"]);
        assert_eq!(attempt["parentSpanId"], outer["spanId"]);
    }
    let of = |provider: &str| {
        let is_of =
            |span: &&&Value| attribute(span, "gen_ai.provider.name")["stringValue"] == provider;
        *attempts
            .iter()
            .find(is_of)
            .unwrap_or_else(|| panic!("no attempt at {provider}"))
    };
    assert_eq!(of("kimi")["status"]["code"], 2);
    assert_eq!(of("kimi")["events"][0]["name"], "breaker");
    assert_eq!(
        attribute(of("glm"), "gen_ai.usage.output_tokens")["intValue"],
        "2"
    );
    let events = outer["events"].as_array().unwrap();
    assert!(
        events.iter().any(|event| event["name"] == "failover"),
        "{events:?}"
    );
    for (heard, provider) in [(&bad_heard, "kimi"), (&good_heard, "glm")] {
        is_told(heard, of(provider));
    }
    let sent: String = heard
        .lock()
        .unwrap()
        .iter()
        .map(|(_, body)| body.as_str())
        .collect();
    for content in ["secret question", "secret answer", "sk-0123456789abcdef"] {
        assert!(!sent.contains(content), "{content} was sent");
    }
}

/// The newest point of a metric with this label.
fn point(heard: &Heard, name: &str, form: &str, tool: &str) -> Option<Value> {
    let all = metrics(heard);
    let newest = all.iter().rev().find(|metric| metric["name"] == name)?;
    let points = newest[form]["dataPoints"].as_array().unwrap().clone();
    points
        .into_iter()
        .find(|point| attribute(point, "tool")["stringValue"] == tool)
}

/// Calls so often, and the correlation ids.
fn debugged(server: &Server, times: usize) -> Vec<String> {
    let one = |n: usize| {
        let arguments = debug(&format!("the secret question {n}"));
        let reply = server.post(&call("debug", arguments), &call_headers("debug"));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.header("exai-correlation-id").unwrap().to_owned()
    };
    (0..times).map(one).collect()
}

/// Families of a scrape that have a sample.
fn sampled(scrape: &str) -> Vec<&str> {
    let types = scrape
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let has_sample = |(family, kind): &(&str, &str)| {
        let end = if *kind == "histogram" { "_count" } else { "" };
        scrape.lines().any(|line| {
            let rest = line
                .strip_prefix(family)
                .and_then(|rest| rest.strip_prefix(end));
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        })
    };
    let families = types
        .filter_map(|line| line.split_once(' '))
        .filter(has_sample);
    families.map(|(family, _)| family).collect()
}

fn holds_no_content(heard: &Heard, signal: &str) {
    let of = format!("/v1/{signal} ");
    let heard = heard.lock().unwrap();
    let bodies = heard.iter().filter(|(head, _)| head.contains(&of));
    let sent: String = bodies.map(|(_, body)| body.as_str()).collect();
    assert!(!sent.is_empty());
    for content in ["secret question", "secret answer", "sk-0123456789abcdef"] {
        assert!(!sent.contains(content), "{signal} hold {content:?}");
    }
}

#[test]
fn the_receiver_gets_the_figures_of_a_scrape() {
    let (receiver, heard) = listen(200, "{}");
    let (good, _) = listen(200, ANSWER);
    let server = watched(receiver, good, good);
    debugged(&server, 3);
    let counted = wait_for("the count of calls", || {
        let point = point(&heard, "exai_requests_total", "sum", "debug")?;
        (point["asDouble"] == 3.0).then_some(point)
    });
    assert_eq!(
        attribute(&counted, "status")["stringValue"],
        "ok",
        "{counted}"
    );
    let told = metrics(&heard);
    let sum = told.iter().find(|one| one["name"] == "exai_requests_total");
    let sum = &sum.unwrap()["sum"];
    assert_eq!(
        (&sum["isMonotonic"], &sum["aggregationTemporality"]),
        (&json!(true), &json!(2))
    );
    let name = "exai_request_duration_seconds";
    let took = point(&heard, name, "histogram", "debug").unwrap();
    let buckets = took["bucketCounts"].as_array().unwrap();
    let number = |count: &Value| count.as_str().unwrap().parse::<u64>().unwrap();
    let inside: u64 = buckets.iter().map(number).sum();
    assert_eq!((&took["count"], inside), (&json!("3"), 3), "{took}");
    let bounds = took["explicitBounds"].as_array().unwrap();
    assert_eq!(buckets.len(), bounds.len() + 1);
    let scrape = server.admin("/metrics", &[]).body;
    wait_for("every family that has a sample", || {
        let told = metrics(&heard);
        let is_told = |family: &&str| told.iter().any(|one| one["name"] == *family);
        sampled(&scrape).iter().all(is_told).then_some(())
    });
    holds_no_content(&heard, "metrics");
}

#[test]
fn the_receiver_gets_the_lines_of_the_log_to_the_last() {
    let (receiver, heard) = listen(200, "{}");
    let (bad, _) = listen(500, "{\"error\":{\"message\":\"broken\"}}");
    let (good, _) = listen(200, ANSWER);
    let mut server = watched(receiver, bad, good);
    for id in debugged(&server, 3) {
        let of_call = wait_for("the line of the call", || {
            let lines = log_lines(&heard);
            let is_it = |line: &&Value| {
                line["body"]["stringValue"] == "call"
                    && attribute(line, "correlation_id")["stringValue"] == id.as_str()
            };
            lines.iter().find(is_it).cloned()
        });
        let grade = (&of_call["severityText"], &of_call["severityNumber"]);
        assert_eq!(grade, (&json!("INFO"), &json!(9)));
        assert_eq!(attribute(&of_call, "tool")["stringValue"], "debug");
    }
    let said = |word: &str| {
        let lines = log_lines(&heard);
        let found = lines.iter().find(|one| one["body"]["stringValue"] == word);
        found.unwrap_or_else(|| panic!("no line {word:?}")).clone()
    };
    assert_eq!(said("attempt failed")["severityNumber"], 13);
    server.signal(nix::sys::signal::Signal::SIGTERM);
    wait_for("the exit", || server.child.try_wait().unwrap());
    said("listening");
    said("draining");
    for signal in ["logs", "traces"] {
        holds_no_content(&heard, signal);
    }
}

/// The provider was asked under the span of its attempt.
fn is_told(heard: &Heard, told: &Value) {
    let part = |name: &str| told[name].as_str().unwrap().to_owned();
    let wanted = format!("traceparent: 00-{}-{}-01", part("traceId"), part("spanId"));
    let heard = heard.lock().unwrap();
    let is_there = heard.iter().any(|(head, _)| head.contains(&wanted));
    assert!(is_there, "{wanted}");
}

fn debug(step: &str) -> Value {
    json!({"step": step, "step_number": 1, "total_steps": 1, "next_step_required": false,
        "findings": step})
}

#[test]
fn without_a_receiver_nothing_is_opened_and_providers_are_told_nothing() {
    let (provider, heard) = listen(200, ANSWER);
    let base = format!("provider.kimi.base_url=http://{provider}/v1");
    let server = serve(
        &[&base, "provider.kimi.allow_private=true"],
        &[("KIMI_API_KEY", "sk-0123456789abcdef")],
    );
    let mut request = call("chat", json!({"prompt": "hello"}));
    request["params"]["_meta"]["traceparent"] = PARENT.into();
    assert_eq!(server.post(&request, &call_headers("chat")).status, 200);
    let heard = heard.lock().unwrap();
    assert!(heard.iter().any(|(_, body)| body.contains("hello")));
    assert!(heard.iter().all(|(head, _)| !head.contains("traceparent")));
    let exports = "exai_telemetry_exports_total{";
    assert!(!server.admin("/metrics", &[]).body.contains(exports));
    let sent = |(head, _): &(String, String)| head.starts_with("post /v1/chat/completions ");
    assert!(
        heard.iter().filter(|one| !one.1.is_empty()).all(sent),
        "{heard:?}"
    );
    assert_eq!(server.admin("/manifest", &[]).json()["otlp"], false);
}

#[test]
fn a_receiver_that_is_gone_costs_a_call_nothing() {
    let server = serve(
        &[
            "--demo",
            "otlp.endpoint=http://127.0.0.1:9",
            "otlp.every=100ms",
        ],
        &[],
    );
    let reply = server.post(
        &call("chat", json!({"prompt": "hello"})),
        &call_headers("chat"),
    );
    assert_eq!(reply.status, 200);
    let failed = "exai_telemetry_exports_total{signal=\"traces\",outcome=\"failed\"}";
    wait_for(failed, || {
        server
            .admin("/metrics", &[])
            .body
            .contains(failed)
            .then_some(())
    });
}
