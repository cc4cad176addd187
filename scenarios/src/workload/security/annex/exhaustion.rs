//! More calls, cancels and descriptors than there is room for: refused as documented, and given
//! back afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use exai_harness::client::http::loopback;
use exai_harness::raw::RawReply;
use exai_harness::raw::socket::{Heard, RawSocket};
use exai_harness::server::Settings;
use exai_harness::server::beside::Beside;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use super::super::asker::{Asker, code, either, pair, prompt, tool_message, volley};
use super::super::stand_in::{Says, StandIn};
use super::{asking, most_descriptors, unhurried};
use crate::stage::{Stage, Trouble};

const EDGE: &str = "websocket";
const HTTP: &str = "http-2026-07-28";
/// Calls at once in one session, as shipped.
const SESSION: usize = 32;
/// Calls at once in all, and at one provider, of the server that is asked for those.
const ALL: usize = 12;
const AT_PROVIDER: usize = 6;
/// Calls that are begun and cancelled.
const STORM: usize = 100;
/// Descriptors that are left, and connections that want one.
const ROOM: usize = 8;
const HELD: usize = 40;
/// Permits come back within this.
const BACK: Duration = Duration::from_secs(10);
const LIFE: Duration = Duration::from_secs(60);

/// Tries D9 to D12.
///
/// # Errors
/// When the rig cannot start a server or a stand-in.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    tokio::try_join!(sessions(stage), in_all(stage), descriptors(stage))?;
    Ok(())
}

/// D9 in one session, D10 and D12, under the limits as shipped.
async fn sessions(stage: &Stage) -> Result<(), Trouble> {
    let provider = StandIn::start(Says::Text("an answer".to_owned()), false).await?;
    let settings = unhurried().with("tools.profile", "full");
    let beside = asking(stage, ("beside-session", &provider), &settings).await?;
    let asker = Asker::user(stage, 840).before(&beside);
    let mut socket = open(&asker).await?;
    for id in 0..=SESSION {
        ask(&mut socket, id, &format!("question {id}")).await;
    }
    let refused = heard(&mut socket).await;
    let word = refused.1;
    provider.open();
    let answered = outcomes(&mut socket, SESSION).await;
    let good = answered.values().filter(|word| *word == "accepted").count();
    let free = is_free(stage, &beside).await;
    let good = format!("{good} of {SESSION} answered, permits {free}");
    let wanted = format!("{SESSION} of {SESSION} answered, permits given back");
    pair(
        stage,
        ("D9.session", EDGE),
        (&word, &["session_over_capacity"]),
        (&good, &[&wanted]),
    );
    stage.check_stop()?;
    storm(stage, &asker, &provider, &beside).await?;
    patterns(stage, &beside).await;
    Ok(())
}

async fn open(asker: &Asker) -> Result<RawSocket, Trouble> {
    let opened = asker.socket(LIFE).await;
    opened.map_err(|reply| Trouble::Server(format!("no upgrade: {}", reply.word())))
}

async fn ask(socket: &mut RawSocket, id: usize, words: &str) {
    let mut message = tool_message("chat", &prompt(words));
    message["id"] = json!(id);
    socket.say(&message).await;
}

/// The next outcome: whose, and `accepted` or the code of its failure.
async fn heard(socket: &mut RawSocket) -> (Value, String) {
    loop {
        match socket.hear().await {
            // Progress and other notices are no outcome.
            Heard::Message(said) if said["id"].is_null() => {}
            Heard::Message(said) => {
                let tool = said["result"]["structuredContent"]["error"]["code"].as_str();
                let wire = said["error"]["data"]["code"].as_str();
                let word = tool.or(wire).unwrap_or("accepted").to_owned();
                return (said["id"].clone(), word);
            }
            other => return (Value::Null, format!("{other:?}")),
        }
    }
}

async fn outcomes(socket: &mut RawSocket, most: usize) -> BTreeMap<String, String> {
    let mut outcomes = BTreeMap::new();
    while outcomes.len() < most {
        let (id, word) = heard(socket).await;
        let is_over = id.is_null();
        outcomes.insert(id.to_string(), word);
        if is_over {
            break;
        }
    }
    outcomes
}

/// `given back` once nothing is in flight.
async fn is_free(stage: &Stage, beside: &Beside) -> String {
    let until = Instant::now() + BACK;
    let mut last = String::new();
    while Instant::now() < until {
        let scrape = Asker {
            at: beside.admin(),
            authorization: format!("Bearer {}", stage.ground.scrape_token()),
            ..Asker::user(stage, 841)
        };
        let page = scrape.get("/metrics").await;
        let text = String::from_utf8_lossy(&page.body).into_owned();
        let line = text
            .lines()
            .find(|line| line.starts_with("exai_in_flight "));
        last = line.unwrap_or_default().to_owned();
        if last == "exai_in_flight 0" {
            return "given back".to_owned();
        }
        sleep(Duration::from_millis(100)).await;
    }
    format!("kept: {last}")
}

/// D10: calls that are begun and cancelled; the provider is left and the permits come back.
async fn storm(
    stage: &Stage,
    asker: &Asker,
    open_provider: &StandIn,
    open_beside: &Beside,
) -> Result<(), Trouble> {
    let provider = StandIn::start(Says::Text("late".to_owned()), false).await?;
    let beside = asking(stage, ("beside-storm", &provider), &unhurried()).await?;
    let mut socket = open(&asker.clone().before(&beside)).await?;
    let rounds = STORM / SESSION;
    for round in 0..rounds {
        let ids: Vec<usize> = (0..SESSION - 2).map(|n| round * SESSION + n).collect();
        for id in &ids {
            ask(&mut socket, *id, &format!("cancelled {id}")).await;
        }
        let until = Instant::now() + BACK;
        while provider.waiting() < ids.len() && Instant::now() < until {
            sleep(Duration::from_millis(10)).await;
        }
        for id in &ids {
            let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
                "params": {"requestId": id, "reason": "changed my mind"}});
            socket.say(&cancel).await;
        }
        let until = Instant::now() + BACK;
        while provider.waiting() > 0 && Instant::now() < until {
            sleep(Duration::from_millis(10)).await;
        }
    }
    let (asked, left) = (provider.asked(), provider.left());
    let free = is_free(stage, &beside).await;
    let is_stopped = asked >= rounds * (SESSION - 2) && left == asked && provider.waiting() == 0;
    let word = match is_stopped {
        true => format!("the provider is left, permits {free}"),
        false => format!(
            "{left} of {asked} questions left, {} wait, permits {free}",
            provider.waiting()
        ),
    };
    let asked = open_provider.asked();
    let good = asker.call("chat", prompt("not cancelled")).await.word();
    let is_answered = open_provider.asked() == asked + 1 && !open_beside.is_gone();
    pair(
        stage,
        ("D10", EDGE),
        (&word, &["the provider is left, permits given back"]),
        (either(is_answered, &good, "not asked"), &["accepted"]),
    );
    Ok(())
}

/// D12: filters of pathological cost over the log of calls.
async fn patterns(stage: &Stage, beside: &Beside) {
    let asker = Asker::user(stage, 842).before(beside);
    let repeated = format!("{}!", "a".repeat(5_000));
    for (id, filter) in [
        ("D12.nested", "(a+)+$".to_owned()),
        ("D12.alternatives", "(a|aa)*b".to_owned()),
        ("D12.long", repeated),
    ] {
        let ask = asker.call("activity", json!({"filter": filter}));
        let reply = timeout(Duration::from_secs(3), ask).await;
        let word = match reply.map(|reply| code(&reply)) {
            Ok(word) if word == "accepted" || word.starts_with("invalid") => "in time".to_owned(),
            Ok(word) if word.ends_with("argument") || word.contains("filter") => {
                "in time".to_owned()
            }
            Ok(word) => word,
            Err(_late) => "still searching".to_owned(),
        };
        let good = asker.call("activity", json!({"filter": "version"})).await;
        pair(
            stage,
            (id, HTTP),
            (&word, &["in time"]),
            (&good.word(), &["accepted"]),
        );
    }
}

fn limits(all: usize, at_provider: usize) -> Settings {
    let rows = [
        ("in_flight", all),
        ("in_flight_per_session", all.min(SESSION)),
        ("in_flight_per_provider", at_provider),
    ];
    rows.iter().fold(unhurried(), |settings, (key, most)| {
        let most = i64::try_from(*most).unwrap_or(1);
        settings.with(&format!("limits.{key}"), most)
    })
}

/// D9 in all and at one provider, on a server with lower limits of each.
async fn in_all(stage: &Stage) -> Result<(), Trouble> {
    let rows = [
        ("D9.global", "beside-all", limits(ALL, 128), ALL),
        (
            "D9.provider",
            "beside-provider",
            limits(512, AT_PROVIDER),
            AT_PROVIDER,
        ),
    ];
    for (id, name, settings, most) in rows {
        let provider = StandIn::start(Says::Text("an answer".to_owned()), false).await?;
        let beside = asking(stage, (name, &provider), &settings).await?;
        let calls = (0..=most).map(|n| {
            let asker = Asker::user(stage, 850 + n).before(&beside);
            let request = asker.request("chat", &prompt(&format!("question {n}")));
            (asker, request)
        });
        let replies = volley(most + 1, calls.collect());
        let opening = async {
            let until = Instant::now() + BACK;
            while provider.waiting() < most && Instant::now() < until {
                sleep(Duration::from_millis(20)).await;
            }
            // The one too many has been refused by now, or waits.
            sleep(Duration::from_secs(1)).await;
            let at_once = provider.waiting();
            provider.open();
            at_once
        };
        let (replies, at_once) = tokio::join!(replies, opening);
        let free = is_free(stage, &beside).await;
        let (refused, answered) = split(&replies);
        let word = match (at_once <= most, refused.as_slice()) {
            (false, _) => format!("{at_once} at once"),
            // At a provider the one too many may wait for a place, or be asked of none.
            (true, []) => "kept to the limit".to_owned(),
            (true, [one]) if one.contains("capacity") || one.contains("permits") => {
                "kept to the limit".to_owned()
            }
            (true, all) => all.join(", "),
        };
        let good = format!("{} answered, permits {free}", answered >= most);
        pair(
            stage,
            (id, HTTP),
            (&word, &["kept to the limit"]),
            (&good, &["true answered, permits given back"]),
        );
    }
    Ok(())
}

/// The codes of the refusals, and how many were answered.
fn split(replies: &[RawReply]) -> (Vec<String>, usize) {
    let codes: Vec<String> = replies.iter().map(code).collect();
    let refused: Vec<String> = codes
        .iter()
        .filter(|code| *code != "accepted")
        .cloned()
        .collect();
    let answered = codes.len() - refused.len();
    (refused, answered)
}

/// D11: no descriptors left; those who are served are served on, and all are when some go.
async fn descriptors(stage: &Stage) -> Result<(), Trouble> {
    let beside = super::start(stage, "beside-files", &Settings::default()).await?;
    let asker = Asker::user(stage, 870).before(&beside);
    let warm = asker.call("version", json!({})).await.word();
    let Some(now) = beside.descriptors() else {
        stage.not_tested("V.6", "D11: the open descriptors could not be counted");
        return Ok(());
    };
    let most = now + ROOM;
    if let Err(error) = beside.limit_descriptors(most as u64).await {
        stage.not_tested("V.6", format!("D11: {error}"));
        return Ok(());
    }
    let held = hold(&beside).await;
    let open = most_descriptors(&beside, most, BACK).await;
    sleep(Duration::from_millis(500)).await;
    let is_up = !beside.is_gone();
    let connections = held.len();
    drop(held);
    // One that ended under it was reached by it.
    if is_up && let Some(why) = room_left((connections, ROOM), (open, most)) {
        stage.not_tested("V.6", format!("D11: {why}"));
        return Ok(());
    }
    let until = Instant::now() + BACK;
    let mut after = String::new();
    while after != "accepted" && Instant::now() < until {
        after = asker.call("version", json!({})).await.word();
        sleep(Duration::from_millis(100)).await;
    }
    let word = match (is_up && !beside.is_gone(), after.as_str()) {
        (true, "accepted") => "serves again".to_owned(),
        (true, other) => format!("afterwards: {other}"),
        (false, _) => "ended".to_owned(),
    };
    pair(
        stage,
        ("D11.descriptors", HTTP),
        (&word, &["serves again"]),
        (&warm, &["accepted"]),
    );
    Ok(())
}

/// Connections that say nothing, each from an address of its own.
async fn hold(beside: &Beside) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for number in 0..HELD {
        let source = loopback(871 + number);
        let socket =
            TcpSocket::new_v4().and_then(|socket| socket.bind((source, 0).into()).map(|()| socket));
        if let Ok(socket) = socket
            && let Ok(stream) = socket.connect(beside.public()).await
        {
            held.push(stream);
        }
    }
    held
}

/// Why descriptors were left; None when more connections than there was room for took them all.
fn room_left((held, room): (usize, usize), (open, most): (usize, usize)) -> Option<String> {
    let is_full = held > room && open >= most;
    (!is_full).then(|| format!("{held} connections held, {open} of {most} descriptors open"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_gone_only_when_all_were_seen_open_under_enough_connections() {
        for (held, open, is_full) in [
            ((40, 8), (28, 28), true),
            ((40, 8), (29, 28), true),
            ((40, 8), (27, 28), false),
            ((8, 8), (28, 28), false),
            // Nothing could be counted.
            ((40, 8), (0, 28), false),
        ] {
            assert_eq!(
                room_left(held, open).is_none(),
                is_full,
                "{held:?} {open:?}"
            );
        }
    }
}
