//! B12 at every boundary: what lies just beyond a bound of an argument is refused with the
//! argument's name, on each transport, and no provider hears of it.

use exai_harness::server::Settings;
use serde_json::{Value, json};

use super::super::asker::{Asker, either, prompt, tell};
use super::super::boundary::{self, Beyond};
use super::super::cells;
use super::super::pipe::Pipe;
use super::super::sockets::DAEMON;
use super::super::stand_in::{Says, StandIn, VARIABLE};
use super::super::way::{PIPE, Way, error_of, word_of};
use super::{KEY, arguments, asking, bodies, downgrades, letters, paths, refusals, unhurried};
use crate::stage::{Stage, Trouble};

/// A text that is answered at once: longer ones belong into files.
const RESEND_CHARS: usize = 60_000;
/// What a fault of the arguments is called.
const CODES: [&str; 4] = [
    "invalid_argument",
    "missing_argument",
    "unknown_argument",
    "prompt_too_long",
];

/// Tries B12, and what else arguments hold.
///
/// # Errors
/// When the rig cannot start a server.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    tokio::try_join!(over_the_network(stage), on_a_pipe(stage))?;
    Ok(())
}

async fn over_the_network(stage: &Stage) -> Result<(), Trouble> {
    let provider = StandIn::start(Says::Text("an answer".to_owned()), true).await?;
    let settings = full().merged(&vendors(&provider));
    let beside = asking(stage, ("beside-bounds", &provider), &settings).await?;
    // Somebody else each time: whoever asks the same again is not asked for it twice.
    for (number, edge) in (960..).zip(cells::EDGES) {
        stage.check_stop()?;
        let asker = Asker::with(stage, number, &["admin"]).before(&beside);
        let mut way = Way::open(&asker, edge).await?;
        one_edge(stage, (edge, &provider), &mut way).await;
        arguments::one_edge(stage, (edge, &provider), &mut way).await;
        refusals::one_edge(stage, edge, &mut way).await;
        letters::ids(stage, (edge, &provider), &mut way).await;
        match edge {
            DAEMON => letters::frames(stage, &asker, &mut way).await?,
            _ if edge == cells::EDGES[1] => {}
            _ => letters::one_edge(stage, (edge, &asker), &mut way).await?,
        }
        arguments::told(stage, edge, &(beside.tail() + &beside.audit()));
    }
    let asker = Asker::with(stage, 966, &["admin"]).before(&beside);
    downgrades::try_all(stage, &asker).await?;
    bodies::try_all(stage, &asker).await;
    Ok(())
}

async fn on_a_pipe(stage: &Stage) -> Result<(), Trouble> {
    let provider = StandIn::start(Says::Text("an answer".to_owned()), true).await?;
    let settings = provider
        .settings()
        .merged(&full())
        .merged(&vendors(&provider));
    let own = ("pipe-bounds", &settings, &[(VARIABLE, KEY)][..]);
    let mut pipe = Pipe::start(stage, PIPE, own)?;
    pipe.greet().await;
    let mut way = Way::Pipe(&mut pipe);
    one_edge(stage, (PIPE, &provider), &mut way).await;
    arguments::one_edge(stage, (PIPE, &provider), &mut way).await;
    letters::ids(stage, (PIPE, &provider), &mut way).await;
    letters::on_pipe(stage, &mut way).await;
    paths::try_all(stage, &mut pipe, &provider).await;
    arguments::told(stage, PIPE, &pipe.tail());
    Ok(())
}

/// Every tool, and rates out of the way.
fn full() -> Settings {
    unhurried().with("tools.profile", "full")
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

/// The fault that a reply finds with the arguments, if it does.
fn fault_of(said: &Value) -> Option<&Value> {
    let error = error_of(said);
    let is_fault = error["code"]
        .as_str()
        .is_some_and(|code| CODES.contains(&code));
    is_fault.then_some(error)
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
