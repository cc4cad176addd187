//! WebSocket connections that flood, hang, stay away or do not read.

use std::time::Duration;

use exai_harness::client::http::loopback;
use exai_harness::raw::socket::{Heard, PING, RawSocket, TEXT, frame, upgrade};
use exai_harness::server::Settings;
use exai_harness::server::beside::Beside;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::super::asker::{Asker, either, pair, prompt, tool_message};
use super::super::sockets::DAEMON;
use super::super::stand_in::{Says, StandIn};
use super::{asking, start, unhurried};
use crate::stage::{Stage, Trouble};

const EDGE: &str = "websocket";
const PONG: u8 = 0x8a;
/// Frames of a flood.
const FLOOD: usize = 2_000;
/// Connections of one address, as shipped.
const CONNECTIONS: usize = 64;
/// Calls at once of a client that does not read.
const CALLS: usize = 24;
/// Bytes of each of their answers: together far more than sockets hold.
const ANSWER: usize = 500_000;
/// Memory that such a client may cost, bytes.
const BOUND: u64 = 384 * 1024 * 1024;
const LIFE: Duration = Duration::from_secs(40);
/// A clock that fired shows within this.
const SLACK: Duration = Duration::from_secs(5);

/// Tries W4 to W7 and W9.
///
/// # Errors
/// When the rig cannot start a server or a stand-in.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    tokio::try_join!(as_shipped(stage), silent(stage), unread(stage))?;
    Ok(())
}

/// W4 and W7, under the limits as shipped.
async fn as_shipped(stage: &Stage) -> Result<(), Trouble> {
    let beside = start(stage, "beside-frames", &Settings::default()).await?;
    let neighbour = Asker::user(stage, 880).before(&beside);
    let mut calm = open(&neighbour, LIFE).await?;
    let pieces = {
        let first = frame(0x01, b" ");
        let more = frame(0x00, b" ");
        let more = std::iter::repeat_n(more, FLOOD);
        std::iter::once(first).chain(more).flatten().collect()
    };
    let floods: [(&str, Vec<u8>, &[&str]); 3] = [
        ("W4.ping", frame(PING, b"a").repeat(FLOOD), &["1008"]),
        ("W4.pong", frame(PONG, b"a").repeat(FLOOD), &["1008"]),
        // One message that never ends is read up to its limit; the connection lives on.
        ("W4.pieces", pieces, &["borne", "1008", "1009"]),
    ];
    for (number, (id, bytes, wanted)) in floods.into_iter().enumerate() {
        let flooder = Asker::user(stage, 881 + number).before(&beside);
        let mut socket = open(&flooder, Duration::from_secs(3)).await?;
        socket.send(&bytes).await;
        let word = match socket.close_code().await.as_str() {
            "timeout" => "borne".to_owned(),
            code => code.to_owned(),
        };
        let good = ping(&mut calm).await;
        pair(stage, (id, EDGE), (&word, wanted), (&good, &["accepted"]));
    }
    one_too_many(stage, &beside, &neighbour).await
}

async fn open(asker: &Asker, wait: Duration) -> Result<RawSocket, Trouble> {
    let opened = asker.socket(wait).await;
    opened.map_err(|reply| Trouble::Server(format!("no upgrade: {}", reply.word())))
}

async fn ping(socket: &mut RawSocket) -> String {
    socket
        .say(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}))
        .await;
    match socket.hear().await {
        Heard::Message(said) if said["error"].is_null() => "accepted".to_owned(),
        other => format!("{other:?}"),
    }
}

/// W7: the connection after the last of one address is told so, and that is on record.
async fn one_too_many(stage: &Stage, beside: &Beside, other: &Asker) -> Result<(), Trouble> {
    let one = Asker::user(stage, 890).before(beside);
    let mut held = Vec::new();
    for number in 0..CONNECTIONS {
        // Principals of their own, so that none is at a limit of rates.
        let asker = Asker::user(stage, 7_000 + number)
            .before(beside)
            .from(one.source);
        held.push(open(&asker, LIFE).await?);
        sleep(Duration::from_millis(12)).await;
    }
    let word = match one.socket(Duration::from_secs(5)).await {
        Ok(mut socket) => socket.close_code().await,
        Err(reply) => reply.word(),
    };
    let until = Instant::now() + SLACK;
    let mut is_audited = false;
    while !is_audited && Instant::now() < until {
        is_audited = beside.audit().contains("\"connections_per_address\"");
        sleep(Duration::from_millis(50)).await;
    }
    let word = format!("{word}, {}", either(is_audited, "audited", "not audited"));
    let mut elsewhere = open(&other.clone().from(loopback(891)), LIFE).await?;
    let good = ping(&mut elsewhere).await;
    pair(
        stage,
        ("W7", EDGE),
        (&word, &["1008, audited"]),
        (&good, &["accepted"]),
    );
    Ok(())
}

/// W6: peers that say nothing more, or leave without a word. The clocks are set low: those shipped
/// are 40 s together.
async fn silent(stage: &Stage) -> Result<(), Trouble> {
    let settings = Settings::default()
        .with("limits.hello_timeout", "1s")
        .with("limits.ping_interval", "3s")
        .with("limits.ping_timeout", "3s");
    let beside = start(stage, "beside-silent", &settings).await?;
    let asker = Asker::user(stage, 895).before(&beside);
    let mut live = open(&asker, LIFE * 2).await?;
    ping(&mut live).await;
    let before = beside.descriptors().unwrap_or(0);
    // Neither reads nor answers; its socket stays open on this side.
    let hung = open(&asker.clone().from(loopback(896)), LIFE).await?;
    for number in 0..8 {
        let left = open(&asker.clone().from(loopback(897 + number)), LIFE).await?;
        drop(left);
        ping(&mut live).await;
    }
    let word = let_go((&beside, before), &mut live).await;
    drop(hung);
    let good = ping(&mut live).await;
    pair(
        stage,
        ("W6.silent", EDGE),
        (word, &["let go"]),
        (&good, &["accepted"]),
    );
    halves(stage, (&beside, &asker), &mut live).await?;
    unannounced(stage, &asker).await
}

/// Whether no more descriptors are open than before, within some time.
async fn let_go((beside, before): (&Beside, usize), live: &mut RawSocket) -> &'static str {
    let until = Instant::now() + SLACK * 3;
    let mut now = usize::MAX;
    while now > before && Instant::now() < until {
        // The live one answers the pings meanwhile.
        ping(live).await;
        sleep(Duration::from_millis(200)).await;
        now = beside.descriptors().unwrap_or(usize::MAX);
    }
    either(now <= before, "let go", "kept")
}

/// W6: connections whose one half has ended, in the middle of a frame and between two.
async fn halves(
    stage: &Stage,
    (beside, asker): (&Beside, &Asker),
    live: &mut RawSocket,
) -> Result<(), Trouble> {
    let before = beside.descriptors().unwrap_or(0);
    let mut held = Vec::new();
    for number in 0..4 {
        held.push(open(&asker.clone().from(loopback(912 + number)), LIFE).await?);
    }
    let is_counted = beside.descriptors().is_some_and(|now| now > before);
    for (sent, half) in held.iter_mut().enumerate() {
        let text = frame(TEXT, b"{}");
        half.send(text.get(..sent).unwrap_or(&text)).await;
        half.end_half().await;
    }
    let word = let_go((beside, before), live).await;
    drop(held);
    let good = ping(live).await;
    let good = either(is_counted, &good, "the halves were never open").to_owned();
    pair(
        stage,
        ("W6.half", EDGE),
        (word, &["let go"]),
        (&good, &["accepted"]),
    );
    Ok(())
}

/// W5: a connection of the daemon's frames that says no hello in time, and one that says it when
/// the other end has closed.
async fn unannounced(stage: &Stage, asker: &Asker) -> Result<(), Trouble> {
    let hello = json!({"op": "hello"});
    let mut quiet = daemon(asker).await?;
    let mut prompt = daemon(asker).await?;
    prompt.say(&hello).await;
    let good = match prompt.hear().await {
        Heard::Message(said) if said["ok"] == true => "accepted".to_owned(),
        other => format!("{other:?}"),
    };
    let word = quiet.close_code().await;
    pair(
        stage,
        ("W5.no hello", DAEMON),
        (&word, &["4002"]),
        (&good, &["accepted"]),
    );
    quiet.say(&hello).await;
    let word = match quiet.hear().await {
        Heard::Trouble(trouble) if trouble != "timeout" => "nothing".to_owned(),
        other => format!("{other:?}"),
    };
    pair(
        stage,
        ("W5.hello after the close", DAEMON),
        (&word, &["nothing"]),
        (&good, &["accepted"]),
    );
    Ok(())
}

async fn daemon(asker: &Asker) -> Result<RawSocket, Trouble> {
    let request = upgrade("/ws", &asker.at.to_string(), Some("exai.v1"))
        .header("Authorization", &asker.authorization);
    let opened = RawSocket::open(asker.at, asker.source, &request, LIFE).await;
    opened.map_err(|reply| Trouble::Server(format!("no upgrade: {}", reply.word())))
}

/// W9: a client that stops reading while its answers come.
async fn unread(stage: &Stage) -> Result<(), Trouble> {
    let provider = StandIn::start(Says::Text("x".repeat(ANSWER)), true).await?;
    let settings = unhurried()
        .with("limits.write_timeout", "3s")
        .with("limits.result_chars", 4_000_000)
        .with("limits.result_tokens", 1_000_000);
    let beside = asking(stage, ("beside-unread", &provider), &settings).await?;
    let stopped = Asker::user(stage, 910).before(&beside);
    let neighbour = Asker::user(stage, 911).before(&beside);
    let mut socket = open(&stopped, LIFE).await?;
    for id in 0..CALLS {
        let mut message: Value = tool_message("chat", &prompt(&format!("question {id}")));
        message["id"] = json!(id);
        socket.say(&message).await;
    }
    let until = Instant::now() + Duration::from_secs(25);
    let (mut is_let_go, mut peak, mut good) = (false, 0, "accepted".to_owned());
    while !is_let_go && Instant::now() < until && good == "accepted" {
        good = neighbour.call("version", json!({})).await.word();
        peak = peak.max(beside.resident_bytes().unwrap_or(u64::MAX));
        sleep(Duration::from_millis(300)).await;
        let is_answered = provider.asked() == CALLS && provider.waiting() == 0;
        // Connections to the provider are kept for a while, this client's is not.
        is_let_go = is_answered && is_closed(&mut socket).await;
    }
    let word = match (is_let_go, peak <= BOUND) {
        (true, true) => "closed, memory bounded".to_owned(),
        (closed, _) => format!(
            "closed: {closed}, {} MiB at most, {} asked, {} waiting",
            peak / 1024 / 1024,
            provider.asked(),
            provider.waiting()
        ),
    };
    pair(
        stage,
        ("W9", EDGE),
        (&word, &["closed, memory bounded"]),
        (&good, &["accepted"]),
    );
    Ok(())
}

/// Whether what is written to a connection is answered by a reset: its other end has been closed.
async fn is_closed(socket: &mut RawSocket) -> bool {
    !socket.may_write(&frame(PONG, b"")).await
}
