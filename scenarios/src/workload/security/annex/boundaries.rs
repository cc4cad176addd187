//! B12 at every boundary: what lies just beyond a bound of an argument is refused with the
//! argument's name, on each transport, and no provider hears of it.

use std::time::Duration;

use exai_harness::client::software::Software;
use exai_harness::client::{Request, Revision};
use exai_harness::raw::socket::{RawSocket, upgrade};
use exai_harness::raw::{RawReply, RawRequest};
use exai_harness::server::Settings;
use exai_harness::server::beside::Beside;
use exai_judge::Transport;
use futures::future::join_all;
use serde_json::{Value, json};

use super::super::asker::{Asker, either, prompt, tell};
use super::super::boundary::{self, Beyond};
use super::super::cells;
use super::super::pipe::Pipe;
use super::super::sockets::{DAEMON, MCP};
use super::super::stand_in::{Says, StandIn, VARIABLE};
use super::{KEY, asking, unhurried};
use crate::stage::{Stage, Trouble};

/// A transport without a token, beside those of [`cells::EDGES`].
const PIPE: &str = Transport::Stdio.name();
/// All of a connection's life.
const LIFE: Duration = Duration::from_secs(120);
/// Requests at once.
const LANES: usize = 4;
/// A text that is answered at once: longer ones belong into files.
const RESEND_CHARS: usize = 60_000;
/// What a fault of the arguments is called.
const CODES: [&str; 4] = [
    "invalid_argument",
    "missing_argument",
    "unknown_argument",
    "prompt_too_long",
];

/// Tries B12.
///
/// # Errors
/// When the rig cannot start a server.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let (served, piped) = (
        StandIn::start(Says::Text("an answer".to_owned()), true).await?,
        StandIn::start(Says::Text("an answer".to_owned()), true).await?,
    );
    let full = unhurried().with("tools.profile", "full");
    let served_with = full.clone().merged(&vendors(&served));
    let beside = asking(stage, ("beside-bounds", &served), &served_with).await?;
    let settings = piped.settings().merged(&full).merged(&vendors(&piped));
    let own = ("pipe-bounds", &settings, &[(VARIABLE, KEY)][..]);
    let mut pipe = Pipe::start(stage, PIPE, own)?;
    pipe.greet().await;
    for edge in cells::EDGES.into_iter().chain([PIPE]) {
        stage.check_stop()?;
        let provider = if edge == PIPE { &piped } else { &served };
        let mut way = Way::open(stage, &beside, (edge, &mut pipe)).await?;
        one_edge(stage, (edge, provider), &mut way).await;
    }
    Ok(())
}

/// The vendors whose own tools there would otherwise not be, at the stand-in's address.
fn vendors(provider: &StandIn) -> Settings {
    ["kimi", "glm"]
        .iter()
        .fold(Settings::default(), |settings, vendor| {
            let row = |key: &str| format!("provider.{vendor}.{key}");
            settings
                .with(&row("enabled"), true)
                .with(&row("allow_private"), true)
                .with(&row("base_url"), provider.url())
        })
}

/// What lies beyond is refused and nobody is asked; what lies at the bound is answered.
async fn one_edge(stage: &Stage, (edge, provider): (&str, &StandIn), way: &mut Way<'_>) {
    let before = provider.asked();
    // One transport tries every tool in quick; the check behind them all is one.
    let is_whole = stage.profile == "full" || edge == cells::EDGES[1];
    let all = boundary::beyond();
    let chosen = all.iter().filter(|one| is_whole || one.tool == "chat");
    let chosen: Vec<&Beyond> = chosen.collect();
    let calls = chosen
        .iter()
        .map(|one| (one.tool.clone(), one.arguments.clone()));
    let answers = way.ask_all(calls.collect()).await;
    for (one, said) in chosen.iter().zip(&answers) {
        let id = format!("B12.{}.{}", one.tool, one.what);
        tell(stage, (&id, edge), (false, &[REFUSED]), &refused(said, one));
    }
    let word = either(provider.asked() == before, "nobody was asked", "was asked");
    tell(
        stage,
        ("B12.provider", edge),
        (false, &["nobody was asked"]),
        word,
    );
    let within = within();
    let calls = within
        .iter()
        .map(|(_, arguments)| ("chat".to_owned(), arguments.clone()));
    let answers = way.ask_all(calls.collect()).await;
    for ((what, _), said) in within.iter().zip(&answers) {
        let id = format!("B12.chat.{what}");
        tell(stage, (&id, edge), (true, &["accepted"]), &word_of(said));
    }
    let word = either(provider.asked() > before, "was asked", "nobody was asked");
    tell(stage, ("B12.provider", edge), (true, &["was asked"]), word);
    if !is_whole {
        return;
    }
    let least = boundary::least();
    let answers = way.ask_all(least.clone()).await;
    for ((tool, _), said) in least.iter().zip(&answers) {
        let word = fault_of(said).map_or_else(|| "permitted".to_owned(), Value::to_string);
        let id = format!("B12.{tool}");
        tell(stage, (&id, edge), (true, &["permitted"]), &word);
    }
}

/// The word of a refusal as it should be.
const REFUSED: &str = "refused by name";

/// Chats at the bounds and not beyond.
fn within() -> Vec<(String, Value)> {
    let with = |name: &str, value: Value| {
        let mut chat = prompt("Name a tree.");
        chat[name] = value;
        chat
    };
    let mut all = vec![
        ("prompt.shortest".to_owned(), prompt("a")),
        (
            "prompt.longest".to_owned(),
            prompt(&"x".repeat(RESEND_CHARS)),
        ),
        (
            "temperature.minimum".to_owned(),
            with("temperature", json!(0)),
        ),
        (
            "temperature.maximum".to_owned(),
            with("temperature", json!(1)),
        ),
    ];
    for word in ["minimal", "low", "medium", "high", "max"] {
        let chat = with("thinking_mode", json!(word));
        all.push((format!("thinking_mode.{word}"), chat));
    }
    all
}

/// The one error object, wherever a dialect keeps it.
fn error_of(said: &Value) -> &Value {
    let places = [
        "/result/structuredContent/error",
        "/structuredContent/error",
        "/error/details",
        "/error/data",
    ];
    let mut found = places.iter().filter_map(|place| said.pointer(place));
    found.next().unwrap_or(&Value::Null)
}

/// The fault that a reply finds with the arguments, if it does.
fn fault_of(said: &Value) -> Option<&Value> {
    let error = error_of(said);
    let is_fault = error["code"]
        .as_str()
        .is_some_and(|code| CODES.contains(&code));
    is_fault.then_some(error)
}

fn word_of(said: &Value) -> String {
    match error_of(said) {
        Value::Null if said["error"].is_null() && !said.is_null() => "accepted".to_owned(),
        Value::Null => said["error"].to_string(),
        error => error["code"].as_str().unwrap_or("an error").to_owned(),
    }
}

fn refused(said: &Value, one: &Beyond) -> String {
    let error = error_of(said);
    let field = error["field"].as_str().unwrap_or_default();
    if error["category"] == "validation_error" && field == one.field {
        return REFUSED.to_owned();
    }
    let (category, code) = (&error["category"], &error["code"]);
    format!("{category} {code} of {field:?} instead of {:?}", one.field)
}

/// A way to call tools.
enum Way<'a> {
    Requests(Asker, Option<String>),
    /// The socket, and whether it speaks the daemon's frames.
    Socket(Box<RawSocket>, bool),
    Pipe(&'a mut Pipe),
}

impl<'a> Way<'a> {
    async fn open(
        stage: &Stage,
        beside: &Beside,
        (edge, pipe): (&str, &'a mut Pipe),
    ) -> Result<Self, Trouble> {
        let failed = |reply: RawReply| Trouble::Server(format!("{edge}: {}", reply.word()));
        // Somebody else each time: whoever asks the same again is not asked for it twice.
        let number = cells::EDGES.iter().position(|one| *one == edge);
        let number = number.unwrap_or(cells::EDGES.len());
        let asker = Asker::with(stage, 960 + number, &["admin"]).before(beside);
        Ok(match edge {
            _ if edge == cells::EDGES[0] => {
                let begun = asker.send(&asker.greeting()).await;
                let session = begun.header("mcp-session-id").map(str::to_owned);
                let Some(session) = session else {
                    return Err(failed(begun));
                };
                Self::Requests(asker, Some(session))
            }
            _ if edge == cells::EDGES[1] => Self::Requests(asker, None),
            MCP => {
                let socket = asker.socket(LIFE).await.map_err(failed)?;
                Self::Socket(Box::new(socket), false)
            }
            DAEMON => {
                let request = upgrade("/ws", &asker.at.to_string(), Some("exai.v1"))
                    .header("Authorization", &asker.authorization);
                let opened = RawSocket::open(asker.at, asker.source, &request, LIFE).await;
                let mut socket = opened.map_err(failed)?;
                socket.say(&json!({"op": "hello"})).await;
                socket.hear().await;
                Self::Socket(Box::new(socket), true)
            }
            _ => Self::Pipe(pipe),
        })
    }

    /// Calls them all; what was answered, in their order.
    async fn ask_all(&mut self, calls: Vec<(String, Value)>) -> Vec<Value> {
        let mut answers = Vec::new();
        match self {
            Self::Requests(asker, session) => {
                let session = session.as_deref();
                let requests: Vec<RawRequest> = calls
                    .iter()
                    .zip(1..)
                    .map(|((tool, arguments), id)| request(asker, session, (id, tool, arguments)))
                    .collect();
                for some in requests.chunks(LANES) {
                    let replies = join_all(some.iter().map(|request| asker.send(request))).await;
                    let said = replies.iter().map(|it| it.message().unwrap_or_default());
                    answers.extend(said);
                }
            }
            Self::Socket(socket, is_daemon) => {
                for (tool, arguments) in calls {
                    let call = (answers.len() as u64 + 1, tool.as_str(), &arguments);
                    answers.push(cells::ask(socket, *is_daemon, call).await);
                }
            }
            Self::Pipe(pipe) => {
                for (tool, arguments) in calls {
                    let id = answers.len() as u64 + 1;
                    answers.push(pipe.ask(id, &tool, arguments).await);
                }
            }
        }
        answers
    }
}

fn request(
    asker: &Asker,
    session: Option<&str>,
    (id, tool, arguments): (u64, &str, &Value),
) -> RawRequest {
    let Some(session) = session else {
        return asker.request(tool, arguments);
    };
    let message = Request::tool(tool, arguments);
    let message = message.message(Some(id), Revision::V2025, Software::numbered(1));
    asker
        .head("POST /mcp HTTP/1.1")
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .header("MCP-Protocol-Version", Revision::V2025.name())
        .header("Mcp-Session-Id", session)
        .body(message.to_string())
}
