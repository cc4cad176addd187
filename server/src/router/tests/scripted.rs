//! A provider made of a script: one line of behaviour per request, every request kept.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What to do with one request.
#[derive(Debug, Clone)]
pub enum Line {
    /// A whole response: status, content type, body.
    Whole(u16, &'static str, String),
    /// A whole JSON response with one more header line.
    Headed(u16, &'static str, String),
    /// A reset before any byte.
    Drop,
    /// A refusal of requests that end with an assistant's message, else a stream.
    NoPrefill(Vec<String>),
    /// A stream of pieces, then an orderly end.
    Stream(Vec<String>),
    /// A stream of pieces, then a reset.
    Reset(Vec<String>),
    /// A stream of pieces, then silence.
    Stall(Vec<String>),
    /// Nothing at all.
    Silence,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub at: Instant,
    pub head: String,
    pub body: serde_json::Value,
}

/// The running script; its last line repeats.
#[derive(Debug, Clone)]
pub struct Scripted {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// What every request gets once the script is over.
    recovered: Arc<Mutex<Option<Line>>>,
}

impl Scripted {
    pub async fn start(lines: Vec<Line>) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), lines).await
    }

    pub async fn start_at(address: SocketAddr, lines: Vec<Line>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let recovered: Arc<Mutex<Option<Line>>> = Arc::default();
        let (all, well) = (Arc::clone(&seen), Arc::clone(&recovered));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let line = well.lock().unwrap().clone();
                let lines = line.map_or_else(|| lines.clone(), |line| vec![line]);
                let seen = Arc::clone(&all);
                tokio::spawn(async move { serve(socket, &lines, &seen).await });
            }
        });
        Self {
            url,
            seen,
            recovered,
        }
    }

    /// Answers every connection from now on with this line.
    pub fn recover(&self, line: Line) {
        *self.recovered.lock().unwrap() = Some(line);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut socket: TcpStream, lines: &[Line], seen: &Mutex<Vec<Seen>>) {
    let Some(request) = read(&mut socket).await else {
        return;
    };
    let ends_with_assistant = {
        let messages = request.body["messages"].as_array();
        messages
            .and_then(|all| all.last())
            .is_some_and(|last| last["role"] == "assistant")
    };
    let place = {
        let mut seen = seen.lock().unwrap();
        seen.push(request);
        seen.len() - 1
    };
    let line = lines[place.min(lines.len() - 1)].clone();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    match line {
        Line::Whole(status, kind, body) => whole(&mut socket, (status, kind, ""), &body).await,
        Line::Headed(status, header, body) => {
            whole(&mut socket, (status, "application/json", header), &body).await;
        }
        Line::Drop => {
            let _ = socket.set_zero_linger();
        }
        Line::NoPrefill(_) if ends_with_assistant => {
            let body = r#"{"error":{"type":"invalid_request_error","message":"no prefill"}}"#;
            whole(&mut socket, (400, "application/json", ""), body).await;
        }
        Line::NoPrefill(pieces) => send(&mut socket, head, &pieces).await,
        Line::Stream(pieces) => send(&mut socket, head, &pieces).await,
        Line::Reset(pieces) => {
            send(&mut socket, head, &pieces).await;
            let _ = socket.set_zero_linger();
        }
        Line::Stall(pieces) => {
            send(&mut socket, head, &pieces).await;
            hold(&mut socket).await;
        }
        Line::Silence => hold(&mut socket).await,
    }
}

async fn whole(socket: &mut TcpStream, (status, kind, header): (u16, &str, &str), body: &str) {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} X\r\n{header}content-type: {kind}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    );
    let _ = socket.write_all(text.as_bytes()).await;
}

async fn send(socket: &mut TcpStream, head: &str, pieces: &[String]) {
    let _ = socket.write_all(head.as_bytes()).await;
    for piece in pieces {
        let _ = socket.write_all(piece.as_bytes()).await;
        let _ = socket.flush().await;
    }
}

/// Waits for the client to leave.
async fn hold(socket: &mut TcpStream) {
    let mut rest = [0; 64];
    let _ = tokio::time::timeout(Duration::from_secs(20), socket.read(&mut rest)).await;
}

async fn read(socket: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = socket
            .read(&mut piece)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            let body = serde_json::from_str(body).unwrap_or_default();
            return Some(Seen {
                at: Instant::now(),
                head: head.to_owned(),
                body,
            });
        }
    }
}
