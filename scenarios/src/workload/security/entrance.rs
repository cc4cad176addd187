//! The places at which a token is shown, and what comes of showing one there.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use exai_harness::raw::socket::{RawSocket, upgrade};
use exai_harness::raw::{self, RawReply, RawRequest, Source};
use exai_harness::server::beside::Beside;
use exai_harness::token::Mint;
use exai_harness::token::battery::TokenCase;
use exai_judge::Transport;
use serde_json::{Value, json};

use super::sockets::{self, DAEMON, MCP};
use super::{Attempt, Came, PACE, WAIT};
use crate::stage::Stage;

/// The edge of the pages for operators.
const ADMIN: &str = "admin";
/// A page that needs a good token of an administrator, and costs little.
const PAGE: &str = "/health";
/// What refuses a token that is too long for a message, or for a head.
const LONG: [&str; 2] = ["J33", "J28.long"];

/// A place at which a token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// Requests of one wire of HTTP.
    Wire(Transport),
    /// The upgrade to MCP's own messages.
    Upgrade,
    /// The hello of the daemon's frames.
    Hello,
    /// A page of the admin listener.
    Page,
}

/// All of them; the wires come first, the page last.
pub const ALL: [Entrance; 5] = [
    Entrance::Wire(Transport::Http2025),
    Entrance::Wire(Transport::Http2026),
    Entrance::Upgrade,
    Entrance::Hello,
    Entrance::Page,
];

/// The listeners of one server.
#[derive(Debug, Clone, Copy)]
pub struct Listeners {
    public: SocketAddr,
    admin: SocketAddr,
    /// Whether its audit log is followed.
    is_judged: bool,
}

impl Listeners {
    /// Those of the server under judgement.
    #[must_use]
    pub fn judged(stage: &Stage) -> Self {
        Self {
            public: stage.ground.public(),
            admin: stage.ground.admin(),
            is_judged: true,
        }
    }

    /// Those of a server beside it.
    #[must_use]
    pub const fn beside(beside: &Beside) -> Self {
        Self {
            public: beside.public(),
            admin: beside.admin(),
            is_judged: false,
        }
    }

    /// Where the `number`th person sends from. Nobody stands before a server beside.
    fn source(self, stage: &Stage, number: usize) -> Source {
        let source = stage.ground.source(number);
        Source {
            forwarded: source.forwarded && self.is_judged,
            ..source
        }
    }
}

/// What is shown, and where in the request; nothing by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown<'a> {
    /// `Authorization` lines; a hello shows a single one as its own `jwt`.
    pub lines: &'a [&'a str],
    /// A token in the query of the address.
    pub query: Option<&'a str>,
    /// A token in a cookie.
    pub cookie: Option<&'a str>,
    /// A token among what the message says of its client.
    pub message: Option<&'a str>,
}

impl Entrance {
    /// The edge's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wire(wire) => wire.name(),
            Self::Upgrade => MCP,
            Self::Hello => DAEMON,
            Self::Page => ADMIN,
        }
    }

    /// The number of an address of its own, so that entrances tried at once do not share a rate.
    fn source(self) -> usize {
        480 + ALL.iter().position(|one| *one == self).unwrap_or(ALL.len())
    }

    /// Signs tokens for somebody of its own, who may enter here.
    #[must_use]
    pub fn mint(self, mint: &Mint) -> Mint {
        let role = match self {
            Self::Page => "admin",
            _ => "user",
        };
        Mint {
            subject: format!("ada-{}", self.name()),
            role: role.to_owned(),
            ..mint.clone()
        }
    }

    /// The words that refuse a bad token here; the first is the rule.
    #[must_use]
    pub fn refused_by(self, case: &TokenCase) -> &'static [&'static str] {
        let is_long = LONG.iter().any(|row| case.id.starts_with(row));
        match self {
            Self::Hello if is_long => &["4003", "1009"],
            Self::Hello => self.refusal(),
            _ => case.refused_by,
        }
    }

    /// The word that refuses whoever shows no good token.
    #[must_use]
    pub const fn refusal(self) -> &'static [&'static str] {
        match self {
            Self::Hello => &["4003"],
            _ => &["401"],
        }
    }

    /// Shows one `Authorization` line, or none.
    pub async fn show(self, stage: &Stage, at: Listeners, line: Option<&str>) -> Came {
        let lines: Vec<&str> = line.into_iter().collect();
        let shown = Shown {
            lines: &lines,
            ..Shown::default()
        };
        self.show_all(stage, at, shown).await
    }

    /// Shows whatever there is.
    pub async fn show_all(self, stage: &Stage, at: Listeners, shown: Shown<'_>) -> Came {
        let came = match self {
            Self::Wire(wire) => self.request(stage, at, (wire, shown)).await,
            Self::Upgrade => self.upgrade(stage, at, shown).await,
            Self::Hello => self.hello(stage, at, shown).await,
            Self::Page => self.page(stage, at, shown).await,
        };
        tokio::time::sleep(PACE).await;
        if at.is_judged {
            came
        } else {
            Came::word(came.word)
        }
    }

    async fn request(
        self,
        stage: &Stage,
        at: Listeners,
        (wire, shown): (Transport, Shown<'_>),
    ) -> Came {
        let attempt = Attempt {
            source: self.source(),
            ..Attempt::new(wire, None)
        };
        let mut message = attempt.message();
        if let Some(token) = shown.message {
            let place = match wire {
                Transport::Http2025 => &mut message["params"]["clientInfo"],
                _ => &mut message["params"]["arguments"],
            };
            place["token"] = token.into();
        }
        let request = attempt.head(&with_query("/mcp", shown), &at.public.to_string());
        let request = with_lines(request, shown).body(message.to_string());
        let reply =
            raw::send_request(at.public, at.source(stage, self.source()), &request, WAIT).await;
        super::came(stage, &reply)
    }

    async fn upgrade(self, stage: &Stage, at: Listeners, shown: Shown<'_>) -> Came {
        let path = with_query("/ws", shown);
        let request = upgrade(&path, &at.public.to_string(), Some("mcp"));
        let request = with_lines(request, shown);
        match RawSocket::open(at.public, at.source(stage, self.source()), &request, WAIT).await {
            Ok(_socket) => Came::word("accepted"),
            Err(reply) => super::came(stage, &reply),
        }
    }

    async fn hello(self, stage: &Stage, at: Listeners, shown: Shown<'_>) -> Came {
        // A connection and a message: each counts for the address.
        tokio::time::sleep(PACE).await;
        let path = with_query("/ws", shown);
        let request = upgrade(&path, &at.public.to_string(), Some("exai.v1"));
        let (said, request) = match shown.lines {
            [line] => (sockets::hello_of(Some(line)), request),
            _ => (sockets::hello_of(None), with_lines(request, shown)),
        };
        let said = match shown.message {
            Some(token) => with_client(said, token),
            None => said,
        };
        match RawSocket::open(at.public, at.source(stage, self.source()), &request, WAIT).await {
            Ok(mut socket) => sockets::greet(stage, &mut socket, &said).await,
            Err(reply) => super::came(stage, &reply),
        }
    }

    async fn page(self, stage: &Stage, at: Listeners, shown: Shown<'_>) -> Came {
        let path = with_query(PAGE, shown);
        let request = RawRequest::line(&format!("GET {path} HTTP/1.1"))
            .header("Host", at.admin.to_string())
            .header("Connection", "close");
        let request = with_lines(request, shown);
        let reply: RawReply =
            raw::send_request(at.admin, at.source(stage, self.source()), &request, WAIT).await;
        super::came(stage, &reply)
    }
}

fn with_query(path: &str, shown: Shown<'_>) -> String {
    match shown.query {
        Some(token) => format!("{path}?access_token={token}&token={token}"),
        None => path.to_owned(),
    }
}

fn with_lines(request: RawRequest, shown: Shown<'_>) -> RawRequest {
    let lines = shown.lines.iter();
    let request = lines.fold(request, |request, line| {
        request.header("Authorization", line)
    });
    match shown.cookie {
        Some(token) => request.header("Cookie", format!("access_token={token}; token={token}")),
        None => request,
    }
}

fn with_client(mut hello: Value, token: &str) -> Value {
    hello["clientInfo"] = json!({"name": "a client", "token": token, "jwt": token});
    hello
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
