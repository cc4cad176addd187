//! Traces: one connected tree for each call at an outside receiver, from the caller's own span down
//! to what each provider is told, without a word of what was asked.

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

fn spans(heard: &Heard) -> Vec<Value> {
    let heard = heard.lock().unwrap();
    let bodies = heard
        .iter()
        .filter(|(head, _)| head.starts_with("post /v1/traces "));
    let bodies = bodies.map(|(_, body)| serde_json::from_str::<Value>(body).unwrap());
    let of = |body: Value| body["resourceSpans"][0]["scopeSpans"][0]["spans"].clone();
    bodies
        .flat_map(|body| of(body).as_array().unwrap().clone())
        .collect()
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
