//! One simulator in this process, its journal in memory, and a client that reads raw bytes.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use exai_mocks::journal::{Began, Ended, Entry};
use exai_mocks::plan::{Plan, Rule, When};
use exai_mocks::provider::Provider;
use exai_mocks::recorder::Recorder;
use exai_mocks::simulator::{Settings, Simulator};
use exai_mocks::tracer::RunKey;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const KIMI_KEY: &str = "sk-kimi0123456789abcdefghij";
pub const GLM_KEY: &str = "0123456789abcdef0123.GlmSecret0123456";
pub const MINIMAX_KEY: &str = "sk-api-minimax0123456789abcdef";

#[derive(Clone, Default)]
pub struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub struct Rig {
    pub simulator: Arc<Simulator>,
    pub base: String,
    address: std::net::SocketAddr,
    page: Page,
    provider: Provider,
}

pub fn run_key() -> RunKey {
    RunKey::new([0xab; 32])
}

pub fn rule(fault: &str) -> Rule {
    Rule {
        id: "r".into(),
        fault: fault.into(),
        when: When::default(),
        delay_ms: None,
    }
}

pub fn with_rule(fault: &str) -> Plan {
    Plan {
        rules: vec![rule(fault)],
        ..Plan::default()
    }
}

pub fn key_of(provider: Provider) -> &'static str {
    match provider {
        Provider::Kimi => KIMI_KEY,
        Provider::Glm => GLM_KEY,
        Provider::MiniMax => MINIMAX_KEY,
    }
}

impl Rig {
    pub async fn start(provider: Provider, plan: Plan) -> Self {
        Self::tiered(provider, plan, "unlimited").await
    }

    pub async fn tiered(provider: Provider, plan: Plan, tier: &str) -> Self {
        let settings: Settings = serde_json::from_value(json!({
            "run_key": "ab".repeat(32), "epoch": 1, "plan": plan,
            "keys": [{"key": key_of(provider), "id": "main", "tier": tier, "state": "valid"}],
        }))
        .unwrap();
        let page = Page::default();
        let (recorder, _) = Recorder::start(page.clone());
        let simulator = Arc::new(Simulator::new(provider, settings, recorder).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(Arc::clone(&simulator).run(listener));
        let base = format!("http://{address}{}", provider.base_path());
        Self {
            simulator,
            base,
            address,
            page,
            provider,
        }
    }

    pub fn path(&self) -> String {
        let leaf = if self.provider == Provider::MiniMax {
            "/v1/messages"
        } else {
            CHAT
        };
        format!("{}{leaf}", self.provider.base_path())
    }

    /// The body of an ordinary request.
    pub fn ask(&self, text: &str, stream: bool) -> Value {
        let mut body = json!({"messages": [{"role": "user", "content": text}], "stream": stream});
        body["model"] = match self.provider {
            Provider::Kimi => "kimi-k2.6".into(),
            Provider::Glm => "glm-5.2".into(),
            Provider::MiniMax => "MiniMax-M2.7".into(),
        };
        if self.provider == Provider::MiniMax {
            body["max_tokens"] = 4_096.into();
        }
        body
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub fn written(&self, path: &str, body: &Value) -> Vec<u8> {
        let body = body.to_string();
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: \
             application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            key_of(self.provider),
            body.len()
        )
        .into_bytes()
    }

    /// Sends a request and reads until the connection ends, however it ends.
    pub async fn raw(&self, path: &str, body: &Value) -> (Vec<u8>, Option<std::io::ErrorKind>) {
        let mut socket = self.connect().await;
        socket.write_all(&self.written(path, body)).await.unwrap();
        let mut bytes = Vec::new();
        let end = socket
            .read_to_end(&mut bytes)
            .await
            .err()
            .map(|error| error.kind());
        (bytes, end)
    }

    pub async fn post(&self, body: &Value) -> reqwest::Response {
        self.try_post(body).await.unwrap()
    }

    pub async fn try_post(&self, body: &Value) -> reqwest::Result<reqwest::Response> {
        let url = format!("http://{}{}", self.address, self.path());
        client()
            .post(url)
            .bearer_auth(key_of(self.provider))
            .json(body)
            .send()
            .await
    }

    pub fn entries(&self) -> Vec<Entry> {
        let text = String::from_utf8(self.page.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The pair of the n-th request, waited for.
    pub async fn pair(&self, number: u64) -> (Began, Ended) {
        let seq = format!("{}.1.{number}", self.provider);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        loop {
            let mut began = None;
            let mut ended = None;
            for entry in self.entries() {
                match entry {
                    Entry::Began(entry) if entry.seq == seq => began = Some(entry),
                    Entry::Ended(entry) if entry.seq == seq => ended = Some(entry),
                    _ => {}
                }
            }
            if let (Some(began), Some(ended)) = (began, ended) {
                return (began, ended);
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{:?}",
                self.entries()
            );
            tokio::task::yield_now().await;
        }
    }
}

const CHAT: &str = "/chat/completions";

pub fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

/// The text of a whole reply, whichever vendor sent it.
pub fn text_of(body: &Value) -> String {
    if let Some(text) = body
        .pointer("/choices/0/message/content")
        .and_then(Value::as_str)
    {
        return text.to_owned();
    }
    let blocks = body["content"].as_array().cloned().unwrap_or_default();
    blocks
        .iter()
        .filter_map(|block| block["text"].as_str())
        .collect()
}

/// The text of a stream as a tolerant reader would put it together: lines of data, by type.
pub fn streamed_text(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let mut out = String::new();
    for line in text.lines() {
        let Some(data) = line.strip_prefix("data:").map(str::trim_start) else {
            continue;
        };
        if data == "[DONE]" {
            break;
        }
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            continue;
        };
        if event["type"] == "message_stop" {
            break;
        }
        let delta = event
            .pointer("/choices/0/delta/content")
            .or(event.pointer("/delta/text"));
        out.push_str(delta.and_then(Value::as_str).unwrap_or(""));
    }
    out
}
