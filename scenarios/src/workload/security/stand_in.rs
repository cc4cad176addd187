//! A provider of the battery's own on loopback: it holds questions back until told otherwise,
//! counts who left before the answer, and says whatever it was given to say.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use exai_harness::server::Settings;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::stage::Trouble;

/// The row's name in the configuration, and the model it serves.
pub const ROW: &str = "standin";
/// The model's name.
pub const MODEL: &str = "standin-1";
/// The variable with its key.
pub const VARIABLE: &str = "STANDIN_API_KEY";
/// Longer requests are not read.
const REQUEST_BYTES: u64 = 8 * 1024 * 1024;

#[derive(Default)]
struct Counts {
    asked: AtomicUsize,
    left: AtomicUsize,
    waiting: AtomicUsize,
    /// The requests as they came, head and body.
    heard: Mutex<String>,
}

impl Counts {
    fn note(&self, text: &str) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push_str(text);
    }
}

/// A running stand-in; it ends when dropped.
pub struct StandIn {
    address: SocketAddr,
    counts: Arc<Counts>,
    gate: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

/// What it says.
#[derive(Debug, Clone)]
pub enum Says {
    /// This text, as an answer.
    Text(String),
    /// This status and body.
    Status(u16, String),
    /// The request's own `Authorization` header, in an error of this status.
    OwnKey(u16),
    /// A redirect to this URL.
    Redirect(String),
    /// A call of this tool that nobody offered.
    ToolCall(String),
}

impl StandIn {
    /// Listens; questions are answered at once when `is_open`.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(says: Says, is_open: bool) -> Result<Self, Trouble> {
        let failed = |error: std::io::Error| Trouble::Rig(format!("stand-in: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (gate, open) = watch::channel(is_open);
        let counts = Arc::<Counts>::default();
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&counts);
        tasks.spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (says, counts, open) = (says.clone(), Arc::clone(&shared), open.clone());
                talks.spawn(async move {
                    // A client that breaks off has been counted.
                    let _ended = talk(stream, &says, &counts, open).await;
                });
                while talks.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            counts,
            gate,
            _tasks: tasks,
        })
    }

    /// Its address, as a provider's base.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Settings of a server whose only provider this is.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let row = |key: &str| format!("provider.{ROW}.{key}");
        let only = ["kimi", "glm", "minimax"];
        let only = only.iter().fold(Settings::default(), |settings, name| {
            settings.with(&format!("provider.{name}.enabled"), false)
        });
        only.with(&row("dialect"), "openai")
            .with(&row("base_url"), self.url())
            .with(&row("allow_private"), true)
            .with(&row("api_key_env"), vec![VARIABLE.to_owned()])
            .with(&row("models"), vec![MODEL.to_owned()])
    }

    /// Lets every question be answered, now and from now on.
    pub fn open(&self) {
        self.gate.send_replace(true);
    }

    /// Questions so far.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.counts.asked.load(Ordering::Relaxed)
    }

    /// Questions held back now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.counts.waiting.load(Ordering::Relaxed)
    }

    /// Everything it was asked, as it came.
    #[must_use]
    pub fn heard(&self) -> String {
        let heard = self.counts.heard.lock();
        heard.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Clients that left before their answer.
    #[must_use]
    pub fn left(&self) -> usize {
        self.counts.left.load(Ordering::Relaxed)
    }
}

async fn talk(
    stream: TcpStream,
    says: &Says,
    counts: &Counts,
    mut open: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    while let Some((request, authorization)) = hear(&mut lines).await? {
        if request.get("messages").is_none() {
            // A sign of life, or a list of models.
            let list = json!({"object": "list", "data": [{"id": MODEL, "object": "model"}]});
            write.write_all(&http(200, &list.to_string())).await?;
            continue;
        }
        counts.asked.fetch_add(1, Ordering::Relaxed);
        counts.note(&request.to_string());
        counts.waiting.fetch_add(1, Ordering::Relaxed);
        let is_answered = tokio::select! {
            opened = open.wait_for(|open| *open) => opened.is_ok(),
            _ = lines.fill_buf() => false,
        };
        counts.waiting.fetch_sub(1, Ordering::Relaxed);
        if !is_answered {
            counts.left.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let is_streamed = request["stream"] == true;
        write
            .write_all(&answer(says, &authorization, is_streamed))
            .await?;
        if is_streamed {
            // The end of the connection is the end of the stream.
            return Ok(());
        }
    }
    Ok(())
}

async fn hear(
    lines: &mut BufReader<tokio::net::tcp::OwnedReadHalf>,
) -> std::io::Result<Option<(Value, String)>> {
    let (mut length, mut authorization) = (0_u64, String::new());
    let mut is_first = true;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        if line == "\r\n" && !is_first {
            break;
        }
        is_first = false;
        if let Some((name, value)) = line.trim_end().split_once(':') {
            match name.to_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "authorization" => authorization = value.trim().to_owned(),
                _ => {}
            }
        }
    }
    let mut body = Vec::new();
    lines
        .take(length.min(REQUEST_BYTES))
        .read_to_end(&mut body)
        .await?;
    let request = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok(Some((request, authorization)))
}

fn answer(says: &Says, authorization: &str, is_streamed: bool) -> Vec<u8> {
    let (text, calls) = match says {
        Says::Text(text) => (text.as_str(), Value::Null),
        Says::ToolCall(tool) => {
            let function = json!({"name": tool, "arguments": "{\"operation\":\"list\"}"});
            let call = json!([{"index": 0, "id": "call_1", "type": "function",
                "function": function}]);
            ("One moment.", call)
        }
        Says::Redirect(url) => {
            let head = "HTTP/1.1 307 Elsewhere\r\ncontent-length: 0\r\nlocation: ";
            return format!("{head}{url}\r\n\r\n").into_bytes();
        }
        Says::Status(status, body) => return http(*status, body),
        Says::OwnKey(status) => {
            let message = format!("refused: Authorization: {authorization} is not accepted");
            let body = json!({"error": {"message": message, "type": "invalid_request_error"}});
            return http(*status, &body.to_string());
        }
    };
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
    let mut message = json!({"role": "assistant", "content": text});
    let mut finish = "stop";
    if !calls.is_null() {
        message["tool_calls"] = calls;
        finish = "tool_calls";
    }
    if !is_streamed {
        let body = json!({"id": "a", "object": "chat.completion", "created": 1, "model": MODEL,
            "choices": [{"index": 0, "finish_reason": finish, "message": message}],
            "usage": usage});
        return http(200, &body.to_string());
    }
    let chunk = |delta: Value, finish: Value| {
        let body = json!({"id": "a", "object": "chat.completion.chunk", "created": 1,
            "model": MODEL,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
        format!("data: {body}\n\n")
    };
    let first = chunk(message, Value::Null);
    let last = chunk(json!({}), json!(finish));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    format!("{head}{first}{last}data: [DONE]\n\n").into_bytes()
}

fn http(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
