//! One connection that is kept: a request, its answer, and when the answer's parts came.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Trouble;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A kept connection.
pub struct Connection {
    reader: BufReader<TcpStream>,
    host: SocketAddr,
}

/// An answer and its times from the first byte of the request on.
#[derive(Debug, Default)]
pub struct Answer {
    /// The body.
    pub body: String,
    /// The session it opened.
    pub session: Option<String>,
    /// Until its first event that is no comment.
    pub first: Duration,
    /// Until its end.
    pub whole: Duration,
}

/// What a head says of the body behind it.
#[derive(Debug, Default)]
struct Head {
    length: usize,
    is_chunked: bool,
    session: Option<String>,
}

impl Connection {
    /// Connects.
    pub fn open(host: SocketAddr) -> Result<Self, Trouble> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let reader = BufReader::new(stream);
        Ok(Self { reader, host })
    }

    /// Calls a tool without a session, as the revision of 2026 has it.
    pub fn call(
        &mut self,
        tool: &str,
        arguments: &Value,
        token: Option<&str>,
    ) -> Result<Answer, Trouble> {
        let mut message = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
            "name": tool, "arguments": arguments, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {}}}});
        if let Some(token) = token {
            message["params"]["_meta"]["progressToken"] = token.into();
        }
        let head = format!(
            "mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: {tool}\r\n"
        );
        right(self.post("/mcp", &head, &message)?)
    }

    /// Calls `version` as the revision of 2025 has it, in a session where there is one.
    pub fn version(&mut self, session: Option<&str>) -> Result<Answer, Trouble> {
        let message = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": {"name": "version", "arguments": {}}});
        right(self.post("/mcp", &head(session), &message)?)
    }

    /// Opens a session; its id.
    pub fn greet(&mut self) -> Result<String, Trouble> {
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"}}});
        let session = self.post("/mcp", "", &hello)?.session;
        let session = session.ok_or("no session was opened")?;
        let greeted = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.post("/mcp", &head(Some(&session)), &greeted)?;
        Ok(session)
    }

    /// Ends a session.
    pub fn leave(&mut self, session: &str) -> Result<(), Trouble> {
        self.send("DELETE", "/mcp", (&head(Some(session)), ""))?;
        Ok(())
    }

    /// Posts a JSON body.
    pub fn post(&mut self, path: &str, head: &str, body: &Value) -> Result<Answer, Trouble> {
        self.send("POST", path, (head, &body.to_string()))
    }

    fn send(
        &mut self,
        method: &str,
        path: &str,
        (head, body): (&str, &str),
    ) -> Result<Answer, Trouble> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n{head}content-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        let begun = Instant::now();
        self.reader.get_mut().write_all(request.as_bytes())?;
        let head = self.head()?;
        let mut answer = Answer::default();
        if head.is_chunked {
            self.chunks(&mut answer, begun)?;
        } else {
            let mut bytes = vec![0; head.length];
            self.reader.read_exact(&mut bytes)?;
            answer.body = String::from_utf8(bytes)?;
        }
        answer.whole = begun.elapsed();
        answer.session = head.session;
        Ok(answer)
    }

    fn head(&mut self) -> Result<Head, Trouble> {
        let (mut head, mut line) = (Head::default(), String::new());
        self.reader.read_line(&mut line)?;
        if !line.starts_with("HTTP/1.1 2") {
            return Err(format!("refused: {line}").into());
        }
        loop {
            line.clear();
            self.reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else {
                return Ok(head);
            };
            let value = value.trim();
            match name.to_lowercase().as_str() {
                "content-length" => head.length = value.parse()?,
                "transfer-encoding" => head.is_chunked = value == "chunked",
                "mcp-session-id" => head.session = Some(value.to_owned()),
                _ => {}
            }
        }
    }

    fn chunks(&mut self, answer: &mut Answer, begun: Instant) -> Result<(), Trouble> {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim(), 16)?;
            let mut bytes = vec![0; size + 2];
            self.reader.read_exact(&mut bytes)?;
            if size == 0 {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&bytes);
            if answer.first.is_zero() && text.contains("data: {") {
                answer.first = begun.elapsed();
            }
            answer.body.push_str(text.trim_end_matches("\r\n"));
        }
    }
}

fn head(session: Option<&str>) -> String {
    let session = session.map(|id| format!("mcp-session-id: {id}\r\n"));
    format!(
        "mcp-protocol-version: 2025-11-25\r\n{}",
        session.unwrap_or_default()
    )
}

fn right(answer: Answer) -> Result<Answer, Trouble> {
    if !answer.body.contains("\"result\"") || answer.body.contains("\"isError\":true") {
        return Err(format!("a call failed: {}", answer.body).into());
    }
    Ok(answer)
}
