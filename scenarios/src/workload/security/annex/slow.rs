//! Clients that dawdle, under the clocks as shipped: each is let go in time, and an ordinary one is
//! answered meanwhile.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use exai_harness::server::Settings;
use exai_harness::server::beside::Beside;
use exai_judge::hex;
use futures::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use super::super::asker::{Asker, either, pair};
use super::{most_descriptors, start};
use crate::stage::{Stage, Trouble};
use exai_harness::client::http::loopback;

const EDGE: &str = "slow clients";
/// Clocks as shipped: a head, a body, a reply that is not read.
const HEAD: Duration = Duration::from_secs(10);
const BODY: Duration = Duration::from_secs(15);
const WRITE: Duration = Duration::from_secs(30);
/// The last of them where a run has no time for it.
const BRIEF_WRITE: Duration = Duration::from_secs(12);
/// A clock that fired shows within this.
const SLACK: Duration = Duration::from_secs(4);
/// Between two bytes.
const DRIP: Duration = Duration::from_secs(2);
/// Connections of each kind: below the limit of one address.
const CLIENTS: usize = 40;
/// More than two sockets hold of a reply that nobody reads.
const LARGE: usize = 24 * 1024 * 1024;
/// What a client's socket holds when it is asked to hold little.
const SMALL: u32 = 4096;
/// Connections that are left together, and as many descriptors of them as must have been seen.
const AT_ONCE: usize = 200;
const SEEN: usize = AT_ONCE / 2;
/// Connections show among the descriptors within this.
const TAKEN: Duration = Duration::from_secs(1);

/// Tries D1 to D4.
///
/// # Errors
/// When the rig cannot start a server.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let (write, settings) = match stage.profile {
        "full" => (WRITE, Settings::default()),
        _ => {
            let brief = Settings::default().with("limits.write_timeout", "12s");
            (BRIEF_WRITE, brief)
        }
    };
    let beside = start(stage, "beside-slow", &settings).await?;
    let asker = Asker::user(stage, 800).before(&beside);
    let good = async {
        // In the middle of the storm.
        sleep(HEAD / 2).await;
        asker.call("version", json!({})).await.word()
    };
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n",
        beside.public()
    );
    let body = format!(
        "{head}Authorization: {}\r\nContent-Length: 4000\r\n\r\n{{",
        asker.authorization
    );
    let (heads, bodies, unread, good) = tokio::join!(
        all_let_go(beside.public(), (801, &head), HEAD),
        all_let_go(beside.public(), (802, &body), BODY),
        let_go_of_reader(stage, &beside, write),
        good,
    );
    for (id, word) in [("D1", heads), ("D2", bodies), ("D3", unread)] {
        pair(
            stage,
            (id, EDGE),
            (&word, &["let go in time"]),
            (&good, &["accepted"]),
        );
    }
    abandoned(stage, &beside, &asker).await
}

/// What became of clients that begin like this and go on a byte at a time.
async fn all_let_go(at: SocketAddr, (from, begun): (usize, &str), clock: Duration) -> String {
    let dawdling = (0..CLIENTS).map(|_| dawdle(at, loopback(from), begun));
    let times = join_all(dawdling.map(|one| timeout(clock + SLACK, one))).await;
    let late = times.iter().filter(|time| time.is_err()).count();
    let early = times.iter().flatten().filter(|time| **time < clock / 2);
    match (late, early.count()) {
        (0, 0) => "let go in time".to_owned(),
        (late, early) => format!("{late} of {CLIENTS} kept, {early} let go at once"),
    }
}

/// How long a client is borne with.
async fn dawdle(at: SocketAddr, source: Ipv4Addr, begun: &str) -> Duration {
    let started = Instant::now();
    let Ok(mut stream) = dial(at, source, None).await else {
        return Duration::ZERO;
    };
    if stream.write_all(begun.as_bytes()).await.is_err() {
        return started.elapsed();
    }
    let mut buffer = [0; 4096];
    loop {
        match timeout(DRIP, stream.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return started.elapsed(),
            // An answer that says so; the end comes after it.
            Ok(Ok(_)) => {}
            Err(_silent) => {
                if stream.write_all(b"x").await.is_err() {
                    return started.elapsed();
                }
            }
        }
    }
}

async fn dial(at: SocketAddr, source: Ipv4Addr, buffer: Option<u32>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(SocketAddr::from((source, 0)))?;
    socket.connect(at).await
}

/// D3: a large file that is asked for and not read.
async fn let_go_of_reader(stage: &Stage, beside: &Beside, clock: Duration) -> String {
    let asker = Asker::user(stage, 803).before(beside);
    let text = "a line of a large file\n".repeat(LARGE / 23);
    let path = format!("/files/{}", hex::sha256(text.as_bytes()));
    let put = asker.head(&format!("PUT {path} HTTP/1.1")).body(text);
    let put = asker.send(&put).await;
    if put.status != Some(201) {
        return format!("the file was not taken: {}", put.word());
    }
    let Ok(mut stream) = dial(beside.public(), asker.source.address, Some(SMALL)).await else {
        return "no connection".to_owned();
    };
    let get = asker.head(&format!("GET {path} HTTP/1.1")).bytes();
    let open = beside.descriptors();
    if stream.write_all(&get).await.is_err() {
        return "no connection".to_owned();
    }
    let started = Instant::now();
    // The server has closed it when what is written is answered by a reset.
    while started.elapsed() < clock + SLACK + SLACK {
        sleep(Duration::from_millis(500)).await;
        let is_gone = stream.write_all(b"\r\n").await.is_err();
        if is_gone || matches!(stream.take_error(), Ok(Some(_))) {
            let is_early = started.elapsed() < clock / 2;
            return either(!is_early, "let go in time", "let go at once").to_owned();
        }
    }
    format!(
        "kept; {open:?} descriptors then, {:?} now",
        beside.descriptors()
    )
}

/// D4: connections that are opened and left; the descriptors come back.
async fn abandoned(stage: &Stage, beside: &Beside, asker: &Asker) -> Result<(), Trouble> {
    let most = match stage.profile {
        "full" => 10_000,
        _ => 1_000,
    };
    let Some(before) = beside.descriptors() else {
        stage.not_tested("V.6", "D4: the open descriptors could not be counted");
        return Ok(());
    };
    let (opened, peak) = open_and_leave(beside, most, before).await;
    stage.check_stop()?;
    let until = Instant::now() + HEAD + SLACK;
    let mut now = beside.descriptors();
    while now.is_some_and(|now| now > before + 3) && Instant::now() < until {
        sleep(Duration::from_millis(100)).await;
        now = beside.descriptors();
    }
    let good = asker.call("version", json!({})).await.word();
    let word = match (now, beside.is_gone(), lack((opened, most), (before, peak))) {
        // One that ended under it was reached by it.
        (_, true, _) => "ended",
        (_, false, Some(why)) => {
            stage.not_tested("V.6", format!("D4: {why}"));
            return Ok(());
        }
        (None, false, None) => {
            stage.not_tested("V.6", "D4: the descriptors could not be counted afterwards");
            return Ok(());
        }
        (Some(now), false, None) => either(
            now <= before + 3,
            "back to where they were",
            "descriptors stay",
        ),
    };
    pair(
        stage,
        ("D4", EDGE),
        (word, &["back to where they were"]),
        (&good, &["accepted"]),
    );
    Ok(())
}

/// Opens connections and leaves them in batches: how many there were, and how many descriptors the
/// server held at most.
async fn open_and_leave(beside: &Beside, most: usize, before: usize) -> (usize, usize) {
    let (mut opened, mut peak) = (0, 0);
    let mut held = Vec::new();
    for number in 0..most {
        // Spread over addresses, as many clients would be.
        if let Ok(stream) = dial(beside.public(), loopback(900 + number % 97), None).await {
            held.push(stream);
            opened += 1;
        }
        if held.len() == AT_ONCE {
            if peak < before + SEEN {
                peak = peak.max(most_descriptors(beside, before + SEEN, TAKEN).await);
            }
            held.clear();
        }
    }
    (opened, peak)
}

/// Why nothing was there to be given back; None when nine connections in ten were opened and the
/// server was seen to hold many of them.
fn lack((opened, most): (usize, usize), (before, peak): (usize, usize)) -> Option<String> {
    let is_there = opened * 10 >= most * 9 && peak >= before + SEEN;
    (!is_there).then(|| {
        format!("{opened} of {most} connections, {before} descriptors before and {peak} at most")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_were_abandoned_only_when_the_server_was_seen_to_hold_them() {
        for (opened, seen, is_there) in [
            ((1_000, 1_000), (30, 130), true),
            ((900, 1_000), (30, 230), true),
            ((899, 1_000), (30, 230), false),
            ((1_000, 1_000), (30, 129), false),
            // Nothing could be counted.
            ((1_000, 1_000), (30, 0), false),
            ((0, 1_000), (30, 30), false),
        ] {
            assert_eq!(
                lack(opened, seen).is_none(),
                is_there,
                "{opened:?} {seen:?}"
            );
        }
    }
}
