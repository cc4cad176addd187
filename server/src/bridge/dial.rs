//! One attempt to reach the daemon: connect, let it prove itself, show the token, shake hands.
//!
//! Over `wss://` the certificate is the proof. Over `ws://`, which is for loopback alone, the
//! daemon answers a challenge with a key that both know, and only then, on the same connection, is
//! the token sent.

use std::path::PathBuf;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderValue, Request};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use url::{Host, Url};

use crate::auth::daemon_key::{CHALLENGE, DaemonKey, PROOF, random};
use crate::config::Config;
use crate::failure::{Category, Failure};

/// A connection to the daemon, ready for messages.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a daemon's answer to a challenge.
const ANSWER: usize = 4096;

/// Bytes of the longest message of a daemon.
const LONGEST: usize = 16 * 1024 * 1024;

/// Which daemon, and what it is shown.
#[derive(Debug, Clone)]
pub struct Target {
    url: Url,
    token: Option<SecretString>,
    token_file: Option<PathBuf>,
    key: Option<DaemonKey>,
    session: String,
}

/// A target that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadTarget {
    /// The URL is none, or not one for a bridge.
    #[error("bridge.url: {0}")]
    Url(String),
    /// The key could not be read.
    #[error("daemon.key in server.state_dir: {0}")]
    Key(std::io::Error),
    /// A token would go to a daemon that cannot prove itself.
    #[error(
        "a token is set and there is no key by which the daemon could prove itself before it is \
         sent; start the daemon with the same server.state_dir first, set EXAI_DAEMON_KEY to the \
         same value on both sides, or use wss://"
    )]
    NoKey,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nobody is there, or not in time.
    #[error("{0}")]
    Unreachable(String),
    /// Somebody is there who is not the daemon.
    #[error("whoever listens there did not prove to be the daemon: {0}")]
    Unproven(&'static str),
    /// The token file could not be read.
    #[error("bridge.token_file: {0}")]
    Token(std::io::Error),
    /// The daemon answered, and refused; its JSON-RPC error, where it sent one.
    #[error("the daemon refused with status {0}")]
    Refused(u16, Option<Value>),
}

fn failed(category: Category, code: &'static str, message: String) -> Value {
    let failure = Failure::new(category, code, message);
    super::ledger::error(-32001, &failure)
}

impl DialError {
    /// The JSON-RPC error for every request that waits, unless another attempt may go better.
    #[must_use]
    pub fn refusal(&self) -> Option<Value> {
        match self {
            Self::Unreachable(_) | Self::Refused(408 | 429 | 500.., _) => None,
            Self::Refused(_, Some(error)) => Some(error.clone()),
            Self::Refused(..) => {
                let code = "daemon_refused";
                Some(failed(Category::ClientError, code, format!("{self}.")))
            }
            Self::Unproven(_) => {
                let message = format!("{self}. The token was not sent. See bridge.url.");
                Some(failed(Category::AuthError, "daemon_unproven", message))
            }
            Self::Token(_) => {
                let message = format!("The token could not be read: {self}.");
                Some(failed(Category::AuthError, "token_unreadable", message))
            }
        }
    }
}

impl Target {
    /// From the configuration; keys and tokens come from the environment and the state folder.
    ///
    /// # Errors
    /// What is wrong with the URL or the key.
    pub fn of(config: &Config) -> Result<Self, BadTarget> {
        let row = &config.bridge;
        let url = checked(&row.url).map_err(BadTarget::Url)?;
        let key = match url.scheme() {
            "wss" => None,
            _ => DaemonKey::of_bridge(config).map_err(BadTarget::Key)?,
        };
        let token_file = (!row.token_file.is_empty()).then(|| row.token_file.as_str().into());
        let token = config.secrets.token.clone();
        let has_token = token.is_some() || token_file.is_some();
        if has_token && key.is_none() && url.scheme() == "ws" {
            return Err(BadTarget::NoKey);
        }
        let session = random().map_err(BadTarget::Key)?;
        Ok(Self {
            url,
            token,
            token_file,
            key,
            session,
        })
    }

    /// A random text that no other bridge has.
    #[must_use]
    pub fn session(&self) -> &str {
        self.session.get(..16).unwrap_or(&self.session)
    }

    /// Whether the next connection may have another token.
    #[must_use]
    pub const fn may_renew(&self) -> bool {
        self.token_file.is_some()
    }

    /// The daemon's address.
    pub(super) const fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    pub(super) async fn token(&self) -> Result<Option<SecretString>, DialError> {
        let Some(path) = &self.token_file else {
            return Ok(self.token.clone());
        };
        let text = tokio::fs::read_to_string(path).await;
        let text = text.map_err(DialError::Token)?;
        Ok(Some(text.trim().into()))
    }
}

fn checked(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("{text:?}: {error}"))?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "wss" => {}
        "ws" if is_loopback => {}
        "ws" => return Err("ws:// is for loopback; use wss:// for any other host".to_owned()),
        other => return Err(format!("{other}:// is neither ws:// nor wss://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a token goes into EXAI_TOKEN, not into the URL".to_owned());
    }
    if url.path() == "/" {
        url.set_path("/ws");
    }
    Ok(url)
}

/// Makes a connection that is ready for messages; `greeting` is the client's own `initialize` when
/// it was answered on an earlier one.
///
/// # Errors
/// Why it could not be made.
pub async fn dial(target: Target, greeting: Option<Value>) -> Result<Socket, DialError> {
    let attempt = async {
        let mut socket = open(&target).await?;
        if let Some(greeting) = greeting {
            greet(&mut socket, greeting).await?;
        }
        Ok(socket)
    };
    let late = |_| DialError::Unreachable("the daemon did not answer in time".to_owned());
    tokio::time::timeout(PATIENCE, attempt)
        .await
        .map_err(late)?
}

/// A connection to whoever listens there, after it has proven to be the daemon where both have a
/// key.
pub(super) async fn proven(target: &Target) -> Result<TcpStream, DialError> {
    let port = target.url.port_or_known_default().unwrap_or(80);
    let host = target.url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let connected = TcpStream::connect((bare, port)).await;
    let mut stream = connected.map_err(|error| DialError::Unreachable(error.to_string()))?;
    let _ = stream.set_nodelay(true);
    if let Some(key) = &target.key {
        challenge(&mut stream, &target.authority(), key).await?;
    }
    Ok(stream)
}

async fn open(target: &Target) -> Result<Socket, DialError> {
    let stream = proven(target).await?;
    let request = request(target, target.token().await?)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(LONGEST))
        .max_frame_size(Some(LONGEST));
    let opened = client_async_tls_with_config(request, stream, Some(config), None).await;
    match opened {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            let body: Option<Value> = serde_json::from_slice(body).ok();
            let error = body.and_then(|mut body| body.get_mut("error").map(Value::take));
            Err(DialError::Refused(response.status().as_u16(), error))
        }
        Err(error) if is_by_tls(&error) => Err(DialError::Unproven("its certificate is not good")),
        Err(error) => Err(DialError::Unreachable(error.to_string())),
    }
}

/// Whether TLS itself refused, and not the connection below it.
fn is_by_tls(error: &tungstenite::Error) -> bool {
    match error {
        tungstenite::Error::Tls(_) => true,
        tungstenite::Error::Io(error) => {
            let inner = error.get_ref();
            inner.is_some_and(|inner| inner.is::<rustls::Error>())
        }
        _ => false,
    }
}

fn request(target: &Target, token: Option<SecretString>) -> Result<Request<()>, DialError> {
    let unfit = |_| DialError::Unreachable("the token is no header value".to_owned());
    let request = target.url.as_str().into_client_request();
    let mut request = request.map_err(|error| DialError::Unreachable(error.to_string()))?;
    let headers = request.headers_mut();
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("mcp"));
    if let Some(token) = token {
        let line = format!("Bearer {}", token.expose_secret());
        let mut line = HeaderValue::from_str(&line).map_err(unfit)?;
        line.set_sensitive(true);
        headers.insert(AUTHORIZATION, line);
    }
    Ok(request)
}

/// Lets whoever is there prove to be the daemon.
async fn challenge(
    stream: &mut TcpStream,
    authority: &str,
    key: &DaemonKey,
) -> Result<(), DialError> {
    let broken = |error: std::io::Error| DialError::Unreachable(error.to_string());
    let challenge = random().map_err(broken)?;
    let head =
        format!("GET /ws/proof HTTP/1.1\r\nhost: {authority}\r\n{CHALLENGE}: {challenge}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.map_err(broken)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= ANSWER {
            return Err(DialError::Unproven("its answer is too long"));
        }
        // Byte by byte, so that nothing after the head is taken from the connection.
        let byte = stream.read_u8().await;
        // A daemon that is just ending hangs up too; another attempt may go better.
        answer.push(byte.map_err(broken)?);
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).unwrap_or_default();
    match status {
        "204" => {}
        // The daemon's own refusals by rate or at its end; whoever sends them gets no token.
        "429" | "500" | "503" => {
            return Err(DialError::Unreachable(format!("status {status}")));
        }
        _ => return Err(DialError::Unproven("it knows no proof")),
    }
    let lines = answer.lines().filter_map(|line| line.split_once(':'));
    let mut proofs = lines.filter(|(name, _)| name.eq_ignore_ascii_case(PROOF));
    match proofs.next() {
        Some((_, proof)) if key.is_proof(&challenge, proof.trim()) => Ok(()),
        Some(_) => Err(DialError::Unproven(
            "its proof is wrong; do both have one key?",
        )),
        None => Err(DialError::Unproven("it gave no proof")),
    }
}

/// Begins the conversation again that was begun on an earlier connection.
async fn greet(socket: &mut Socket, params: Value) -> Result<(), DialError> {
    let lost = |what: String| DialError::Unreachable(what);
    let hello = json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": params});
    let sent = socket.send(Message::text(hello.to_string())).await;
    sent.map_err(|error| lost(error.to_string()))?;
    loop {
        let message = match socket.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(_))) | None => return Err(lost("closed".to_owned())),
            Some(Ok(_)) => continue,
            Some(Err(error)) => return Err(lost(error.to_string())),
        };
        let message: Value = serde_json::from_str(&message).unwrap_or_default();
        if message.get("id") != Some(&Value::from("hello")) {
            continue;
        }
        if message.get("result").is_none() {
            return Err(DialError::Refused(400, message.get("error").cloned()));
        }
        let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let sent = socket.send(Message::text(note.to_string())).await;
        return sent.map_err(|error| lost(error.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_address_is_for_loopback_and_a_url_holds_no_token() {
        let table = [
            ("ws://127.0.0.1:8079/ws", true),
            ("ws://localhost:8079", true),
            ("ws://[::1]:8079/ws", true),
            ("wss://exai.example.com/ws", true),
            ("ws://exai.example.com/ws", false),
            ("ws://localhost.evil.example/ws", false),
            ("http://127.0.0.1:8079/ws", false),
            ("ws://user:pass@127.0.0.1/ws", false),
            ("127.0.0.1:8079", false),
        ];
        for (url, is_good) in table {
            assert_eq!(checked(url).is_ok(), is_good, "{url}");
        }
        assert_eq!(checked("ws://localhost:1").unwrap().path(), "/ws");
    }
}
