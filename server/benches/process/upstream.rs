//! A provider that answers at once: whole, or in pieces where it is asked for a stream.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::Trouble;

/// Where questions go.
pub const PATH: &str = "/v1/chat/completions";

/// Pieces of a streamed answer, and the time between two.
const PIECES: usize = 8;
const APART: Duration = Duration::from_millis(20);

/// Listens until the process ends.
pub fn start() -> Result<SocketAddr, Trouble> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || while answer(&stream).is_some() {});
        }
    });
    Ok(address)
}

/// Settings of a server that asks this provider.
pub fn settings(address: SocketAddr) -> Vec<String> {
    vec![
        format!("provider.kimi.base_url=http://{address}/v1"),
        "provider.kimi.allow_private=true".to_owned(),
    ]
}

/// Answers one request; `None` when the connection is over.
fn answer(stream: &TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        line.clear();
    }
    if line.is_empty() {
        return None;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut to = stream;
    if asked["stream"] == true {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        to.write_all(head.as_bytes()).ok()?;
        for n in 0..PIECES {
            let delta =
                json!({"choices": [{"index": 0, "delta": {"content": format!("word{n} ")}}]});
            to.write_all(chunk(&format!("data: {delta}\n\n")).as_bytes())
                .ok()?;
            std::thread::park_timeout(APART);
        }
        let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
        let end = chunk(&format!("data: {end}\n\ndata: [DONE]\n\n"));
        return to.write_all(format!("{end}0\r\n\r\n").as_bytes()).ok();
    }
    let whole = json!({"choices": [{"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "the answer"}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}})
    .to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{whole}",
        whole.len()
    );
    to.write_all(head.as_bytes()).ok()
}

/// A piece of a body whose length is not known before.
fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}
