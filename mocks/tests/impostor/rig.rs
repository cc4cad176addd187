//! The impostor's process before a tiny upstream that says what it received.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use exai_mocks::impostor::journal::Line;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::sync::Notify;

/// Requests the upstream received.
pub type Received = Arc<Mutex<Vec<Value>>>;

/// An upstream that answers by the path and by the words of the prompt.
pub async fn upstream() -> (String, Received) {
    let received = Received::default();
    let router = Router::new()
        .fallback(answer)
        .with_state((Arc::clone(&received), Arc::<Notify>::default()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    (format!("http://{address}"), received)
}

async fn answer(
    State((received, released)): State<(Received, Arc<Notify>)>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let message: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let number = {
        let mut received = received.lock().unwrap();
        received.push(json!({
            "method": parts.method.as_str(), "path": parts.uri.to_string(),
            "headers": headers(&parts.headers), "peer": peer.ip().to_string(), "body": message,
        }));
        received.len()
    };
    match parts.uri.path() {
        "/metrics" if parts.uri.query() == Some("hits") => {
            format!("exai_cache_hits_total {number}\nlook {number}\n").into_response()
        }
        "/health" | "/metrics" => format!("look {number}").into_response(),
        "/teapot" => (StatusCode::IM_A_TEAPOT, "short").into_response(),
        "/slow" => slow(released).into_response(),
        "/release" => {
            released.notify_one();
            "released".into_response()
        }
        _ => mcp(&message, number),
    }
}

fn headers(headers: &HeaderMap) -> Value {
    let pair = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), Value::from(value.to_str().unwrap()))
    };
    headers
        .iter()
        .map(pair)
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Two events, the second only once `/release` was asked for: proof that the first passes alone.
fn slow(released: Arc<Notify>) -> impl IntoResponse {
    let first = futures::stream::iter([Ok::<_, std::convert::Infallible>("data: one\n\n")]);
    let second = futures::stream::once(async move {
        released.notified().await;
        Ok("data: two\n\n")
    });
    let body = Body::from_stream(futures::StreamExt::chain(first, second));
    ([("content-type", "text/event-stream")], body)
}

fn mcp(message: &Value, number: usize) -> Response {
    let prompt = message
        .pointer("/params/arguments/prompt")
        .and_then(Value::as_str)
        .unwrap_or("");
    let result = if prompt.contains("fail") {
        json!({"isError": true, "content": [{"type": "text", "text": "provider refused"}]})
    } else {
        json!({"content": [{"type": "text", "text": format!("answer {number} to {prompt}")}]})
    };
    let reply = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
    let own = [("exai-instance", "i-1"), ("mcp-session-id", "s-1")];
    if prompt.contains("stream") {
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress"});
        let events =
            format!(": hello\n\ndata: {progress}\n\nid: 7\nevent: message\ndata: {reply}\n\n");
        return (own, [("content-type", "text/event-stream")], events).into_response();
    }
    (
        own,
        [("content-type", "application/json")],
        reply.to_string(),
    )
        .into_response()
}

pub struct Impostor {
    pub url: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Impostor {
    pub fn start(edge: &str, spoil: &str, upstream: &str, params: Option<&Value>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_impostor"));
        command.args(["--edge", edge, "--spoil", spoil, "--upstream", upstream]);
        if params.is_some() {
            command.arg("--params");
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        if let Some(params) = params {
            writeln!(input, "{params}").unwrap();
        }
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next().unwrap().unwrap();
        let Line::Ready { url, .. } = serde_json::from_str(&ready).unwrap() else {
            panic!("no ready line: {ready}")
        };
        Self {
            url,
            child,
            input: Some(input),
            lines,
        }
    }

    /// Ends the impostor; the ids it says it spoiled.
    pub fn end(mut self) -> Vec<Value> {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
        let mut spoiled = Vec::new();
        for line in self.lines.by_ref() {
            match serde_json::from_str(&line.unwrap()).unwrap() {
                Line::Spoiled { request_id, .. } => spoiled.push(request_id),
                Line::Done { spoiled: count, .. } => assert_eq!(count, spoiled.len() as u64),
                Line::Ready { .. } => panic!("ready twice"),
            }
        }
        spoiled
    }
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub fn call(id: i64, prompt: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": "chat", "arguments": {"prompt": prompt}}})
}

pub async fn post(url: &str, message: &Value) -> reqwest::Response {
    let request = client().post(format!("{url}/mcp")).json(message);
    let request = request.header("accept", "application/json, text/event-stream");
    request
        .header("origin", "http://localhost")
        .send()
        .await
        .unwrap()
}

pub fn text(reply: &Value) -> &str {
    reply["result"]["content"][0]["text"].as_str().unwrap()
}
