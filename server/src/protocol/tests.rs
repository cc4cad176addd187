//! The handler over a pipe, with raw JSON lines on the other side.

mod calls;
mod lists;
mod routed;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use rmcp::ServiceExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines};
use tokio::io::{ReadHalf, WriteHalf};
use tokio_util::sync::CancellationToken;

use super::Handler;
use crate::tool::Toolbox;
use crate::tool::tests::{Bench, Table};

fn pipe(toolbox: &Toolbox) -> Handler {
    Handler::for_pipe(toolbox.clone(), CancellationToken::new())
}

/// A client that knows nothing but JSON lines.
pub(super) struct Client {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    to: WriteHalf<DuplexStream>,
    last: u64,
    /// Notifications seen while waiting for an answer.
    notes: Vec<Value>,
}

impl Client {
    pub(super) fn of(handler: Handler) -> Self {
        let (near, far) = tokio::io::duplex(1 << 16);
        drop(tokio::spawn(async move {
            let running = handler.serve(far).await.unwrap();
            running.waiting().await.unwrap();
        }));
        Self::over(near)
    }

    pub(super) fn over(near: DuplexStream) -> Self {
        let (from, to) = tokio::io::split(near);
        Self {
            lines: BufReader::new(from).lines(),
            to,
            last: 0,
            notes: Vec::new(),
        }
    }

    /// A client of 2025-11-25 that has shaken hands.
    pub(super) async fn legacy(bench: &Bench) -> Self {
        let mut client = Self::of(pipe(&bench.toolbox));
        client.initialize().await;
        client
    }

    pub(super) async fn initialize(&mut self) -> Value {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "lines", "version": "1"},
        });
        let answer = self.ask("initialize", params).await;
        self.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        answer["result"].clone()
    }

    async fn send(&mut self, message: Value) {
        self.to
            .write_all(format!("{message}\n").as_bytes())
            .await
            .unwrap();
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.send(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await;
        loop {
            let next = tokio::time::timeout(Duration::from_secs(10), self.lines.next_line());
            let line = next
                .await
                .expect("an answer in time")
                .unwrap()
                .expect("an open pipe");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id {
                return message;
            }
            self.notes.push(message);
        }
    }

    pub(super) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.call_with(tool, arguments, json!({})).await
    }

    pub(super) async fn call_with(&mut self, tool: &str, arguments: Value, meta: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
        self.ask("tools/call", params).await
    }
}

/// A model that says what it was asked, or misbehaves on a word.
pub(super) async fn bench(config: &str) -> Bench {
    let table: Table = Arc::new(|ask| {
        let text = crate::tool::tests::last_text(ask);
        assert!(!text.contains("poison"), "a planted panic");
        if let Some(length) = text.strip_prefix("long ") {
            return Ok("x".repeat(length.parse().unwrap()));
        }
        Ok(format!("re: {text}"))
    });
    Bench::new(config, table).await
}
