//! One conversation with a server, over the pipes of a process started for it or over HTTP. Each
//! request stands alone, as revision 2026-07-28 has it; progress is shown as it comes.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::call::{UNAVAILABLE, Where, refused};
use super::layers::environment;
use super::{BUG, Failed, USAGE};
use crate::config::Sources;
use crate::config::secret::TOKEN;
use crate::observe::manifest::VERSION;

const REVISION: &str = "2026-07-28";

/// How long a server may take to end after its pipe has closed.
const ENDING: Duration = Duration::from_secs(5);

/// An open conversation.
pub(super) enum Wire {
    /// With a process of this command's own.
    Pipe(Box<Pipe>),
    /// With a server that runs.
    Http {
        /// The client.
        client: reqwest::Client,
        /// The address of `/mcp`.
        url: String,
        /// The token of `EXAI_TOKEN`.
        token: Option<String>,
    },
}

/// The pipes of a process.
pub(super) struct Pipe {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Wire {
    /// Opens the wire.
    pub(super) async fn open(to: &Where) -> Result<Self, Failed> {
        if let Some(url) = &to.url {
            if let Err(error) = reqwest::Url::parse(url) {
                let text = format!("--url {url}: {error}; give a server's, http://HOST:PORT/mcp");
                return Err(Failed::Coded(USAGE, text));
            }
            let client = reqwest::Client::builder().build();
            let client = client.map_err(|error| Failed::Coded(BUG, error.to_string()))?;
            let sources = Sources {
                environment: environment(),
                ..Sources::default()
            };
            let token = sources.with_files().value(TOKEN)?;
            let token = token.filter(|token| !token.is_empty());
            if token.as_deref().is_some_and(|token| !fits_a_header(token)) {
                let text = format!(
                    "{TOKEN} holds a blank, an end of line or no ASCII; give the token alone"
                );
                return Err(Failed::Coded(USAGE, text));
            }
            return Ok(Self::Http {
                client,
                url: url.clone(),
                token,
            });
        }
        let own = std::env::current_exe();
        let own = own.map_err(|error| Failed::Coded(BUG, error.to_string()))?;
        let mut command = Command::new(own);
        command.arg("stdio").args(to.layers.words());
        command.args(to.demo.then_some("--demo"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::inherit()).kill_on_drop(true);
        let mut child = command
            .spawn()
            .map_err(|error| Failed::Coded(BUG, error.to_string()))?;
        let Some((input, output)) = child.stdin.take().zip(child.stdout.take()) else {
            return Err(Failed::Coded(BUG, "the process has no pipes".to_owned()));
        };
        Ok(Self::Pipe(Box::new(Pipe {
            child,
            input: Some(input),
            output: BufReader::new(output).lines(),
        })))
    }

    /// Sends one request and gives its result; `name` is what it is about.
    pub(super) async fn ask(
        &mut self,
        method: &str,
        name: &str,
        mut params: Value,
    ) -> Result<Value, Failed> {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientInfo": { "name": "exai", "version": VERSION },
            "io.modelcontextprotocol/clientCapabilities": {},
            "progressToken": 1,
        });
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = match self {
            Self::Pipe(pipe) => pipe.ask(&request).await?,
            Self::Http { client, url, token } => {
                let mut post = client
                    .post(url.as_str())
                    .header("accept", "application/json, text/event-stream")
                    .header("mcp-protocol-version", REVISION)
                    .header("mcp-method", method);
                if !name.is_empty() {
                    post = post.header("mcp-name", name);
                }
                if let Some(token) = token {
                    post = post.bearer_auth(token);
                }
                posted(post.json(&request), url).await?
            }
        };
        match answer.get("error") {
            Some(error) if error["data"]["category"].is_string() => Err(refused(&error["data"])),
            Some(error) => {
                let says = error["message"].as_str().unwrap_or_default();
                Err(Failed::Coded(USAGE, says.to_owned()))
            }
            None => Ok(answer["result"].clone()),
        }
    }

    /// Ends a process of this command's own.
    pub(super) async fn close(self) {
        if let Self::Pipe(mut pipe) = self {
            drop(pipe.input.take());
            // One that does not end is killed when it is dropped.
            let _ = tokio::time::timeout(ENDING, pipe.child.wait()).await;
        }
    }
}

impl Pipe {
    async fn ask(&mut self, request: &Value) -> Result<Value, Failed> {
        let lost = || {
            Failed::Coded(
                UNAVAILABLE,
                "the server ended; its own words say why".into(),
            )
        };
        let Some(input) = &mut self.input else {
            return Err(lost());
        };
        let line = format!("{request}\n");
        input.write_all(line.as_bytes()).await.map_err(|_| lost())?;
        input.flush().await.map_err(|_| lost())?;
        while let Ok(Some(line)) = self.output.next_line().await {
            let message: Value = serde_json::from_str(&line).unwrap_or_default();
            if is_answer(&message) {
                return Ok(message);
            }
        }
        Err(lost())
    }
}

/// A token is visible ASCII (RFC 6750, section 2.1).
fn fits_a_header(token: &str) -> bool {
    token.bytes().all(|byte| byte.is_ascii_graphic())
}

async fn posted(post: reqwest::RequestBuilder, url: &str) -> Result<Value, Failed> {
    let lost = |error: reqwest::Error| {
        let error = error.without_url();
        let text = format!("{url} could not be asked: {error}; is the server there?");
        Failed::Coded(UNAVAILABLE, text)
    };
    let mut response = post.send().await.map_err(lost)?;
    let is_stream = response
        .headers()
        .get("content-type")
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !is_stream {
        let status = response.status();
        let body = response.bytes().await.map_err(lost)?;
        return serde_json::from_slice(&body).map_err(|_| {
            let text = format!("{url} answered {status} and no MCP message; is it an MCP address?");
            Failed::Coded(UNAVAILABLE, text)
        });
    }
    let mut kept = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(lost)? {
        kept.extend_from_slice(&piece);
        while let Some(end) = kept.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = kept.drain(..=end).collect();
            let data = line.strip_prefix(b"data:").unwrap_or_default();
            let message: Value = serde_json::from_slice(data).unwrap_or_default();
            if is_answer(&message) {
                return Ok(message);
            }
        }
    }
    let text = format!("{url} ended the stream before the answer came");
    Err(Failed::Coded(UNAVAILABLE, text))
}

/// Whether a message answers the request; progress is shown.
fn is_answer(message: &Value) -> bool {
    if message["method"] == "notifications/progress" {
        let says = message["params"]["message"].as_str().unwrap_or_default();
        let _ = writeln!(std::io::stderr(), "{says}");
    }
    message.get("result").is_some() || message.get("error").is_some()
}
