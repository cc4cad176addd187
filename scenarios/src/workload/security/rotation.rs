//! What changes while the server runs: keys, revocations, the grace, and time itself.

use std::time::Duration;

use exai_harness::raw;
use exai_harness::raw::socket::{Heard, RawSocket, upgrade};
use exai_harness::server::Settings;
use exai_harness::token::{Mint, Signature};
use exai_judge::Transport;
use serde_json::json;

use super::entrance::{self, Entrance, Listeners, now};
use super::sockets::{self, DAEMON, MCP, daemon, hello_of};
use super::{Attempt, Came, Seen, WAIT, note, open_as, record};
use crate::stage::{Stage, Trouble};

const OTHER_ISSUER: &str = "https://b.example";
const REVOKED: &str = "battery-revoked";
/// A file that changed is read anew within this.
const RELOAD: Duration = Duration::from_secs(10);

/// A mint whose key is in a set of its own.
fn mint_with(stage: &Stage, key: u8, id: &str, issuer: Option<&str>) -> Mint {
    let mut mint = stage.ground.mint();
    mint.signature = Signature::EdDsa;
    mint.key_id = id.to_owned();
    mint.change_private([key; 32]);
    if let Some(issuer) = issuer {
        mint.issuer = issuer.to_owned();
    }
    mint
}

fn good(mint: &Mint) -> String {
    format!("Bearer {}", mint.sign(&mint.draft(now())))
}

/// The lines of a mint that signs for whoever may enter where it is shown.
fn signed_by(mint: &Mint) -> impl Fn(Entrance) -> Option<String> {
    |entrance| Some(good(&entrance.mint(mint)))
}

/// Tries J24, J36, J37, J41 and J45.
///
/// # Errors
/// When the server does not come back from a restart.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let retiring = mint_with(stage, 61, "retiring", None);
    let coming = mint_with(stage, 62, "coming", None);
    let theirs = mint_with(stage, 63, "theirs", Some(OTHER_ISSUER));
    let own_set = stage.ground.file("own-keys.json", &set(&[&retiring]))?;
    let their_set = stage.ground.file("their-keys.json", &set(&[&theirs]))?;
    let revoked = stage.ground.file("revoked", &format!("{REVOKED}\n"))?;
    let settings = |grace: &str| {
        Settings::default()
            .with("auth.jwt.jwks", own_set.clone())
            .with(
                "auth.jwt.issuers",
                vec![format!("{OTHER_ISSUER}={their_set}")],
            )
            .with("auth.jwt.revoked_file", revoked.clone())
            .with("auth.watch", "100ms")
            .with("auth.grace_until", grace)
    };
    // Whoever has no token is nobody who may see the pages of operators, in the grace or after it.
    let for_callers = &entrance::ALL[..4];
    stage
        .ground
        .restart_with(&settings("2999-01-01T00:00:00Z"))
        .await?;
    everywhere(stage, ("J41", for_callers), (&|_| None, true)).await;
    stage
        .ground
        .restart_with(&settings("2001-01-01T00:00:00Z"))
        .await?;
    everywhere(stage, ("J41", for_callers), (&|_| None, false)).await;
    let changes = async {
        mixed_up(stage, &theirs).await;
        revocation(stage).await;
        new_keys(stage, &retiring, &coming).await
    };
    // Mostly a wait, which nothing else here disturbs.
    let (changed, ()) = tokio::join!(changes, expiry(stage));
    changed?;
    stage.ground.restart_server().await
}

/// The set of keys changes under the server: the key that left it opens nothing, the run's own
/// does.
async fn new_keys(stage: &Stage, retiring: &Mint, coming: &Mint) -> Result<(), Trouble> {
    let all = &entrance::ALL[..];
    everywhere(stage, ("J37", all), (&signed_by(retiring), true)).await;
    stage.ground.file("own-keys.json", &set(&[coming]))?;
    await_key(stage, &good(coming)).await;
    everywhere(stage, ("J37", all), (&signed_by(retiring), false)).await;
    let current = stage.ground.mint();
    everywhere(stage, ("J37", all), (&signed_by(&current), true)).await;
    Ok(())
}

fn set(mints: &[&Mint]) -> String {
    let keys: Vec<_> = mints.iter().map(|mint| mint.public_jwk()).collect();
    json!({"keys": keys}).to_string()
}

/// The credential of each entrance, at all of these.
async fn everywhere(
    stage: &Stage,
    (id, entrances): (&str, &[Entrance]),
    (line, good): (&dyn Fn(Entrance) -> Option<String>, bool),
) {
    let at = Listeners::judged(stage);
    for entrance in entrances {
        let seen = Seen {
            id,
            edge: entrance.name(),
            good,
            allowed: if good {
                &["accepted"]
            } else {
                entrance.refusal()
            },
        };
        let line = line(*entrance);
        let came = entrance.show(stage, at, line.as_deref()).await;
        note(stage, &seen, came);
    }
}

/// Two trusted issuers: the key of one signs nothing for the other.
async fn mixed_up(stage: &Stage, theirs: &Mint) {
    let ours = stage.ground.mint();
    let feigned = Mint {
        issuer: ours.issuer.clone(),
        ..theirs.clone()
    };
    let reverse = Mint {
        issuer: OTHER_ISSUER.to_owned(),
        ..ours.clone()
    };
    let row = ("J24", &entrance::ALL[..]);
    for bad in [&feigned, &reverse] {
        everywhere(stage, row, (&signed_by(bad), false)).await;
    }
    everywhere(stage, row, (&signed_by(theirs), true)).await;
    everywhere(stage, row, (&signed_by(&ours), true)).await;
}

async fn revocation(stage: &Stage) {
    let mint = stage.ground.mint();
    let called = |id: &'static str| {
        let mint = mint.clone();
        move |entrance: Entrance| {
            let mint = entrance.mint(&mint);
            let token = mint.sign(&mint.draft(now()).claim("jti", id));
            Some(format!("Bearer {token}"))
        }
    };
    let row = ("J36", &entrance::ALL[..]);
    everywhere(stage, row, (&called(REVOKED), false)).await;
    everywhere(stage, row, (&called("battery-other"), true)).await;
}

/// Until the set that was written last is the one in force.
async fn await_key(stage: &Stage, line: &str) {
    let until = tokio::time::Instant::now() + RELOAD;
    while tokio::time::Instant::now() < until {
        let reply = Attempt::new(Transport::Http2026, Some(line))
            .send(stage)
            .await;
        // Refusals here are known to the judge like any other.
        let seen = Seen {
            id: "J37.wait",
            edge: "reload",
            good: true,
            allowed: &["accepted"],
        };
        record(stage, &seen, &reply);
        if reply.word() == "accepted" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A token that ends while its connection is open: the next message is refused, not the one before.
async fn expiry(stage: &Stage) {
    let mint = stage.ground.mint();
    // Expired already, and still within the leeway for two seconds.
    let ends = now().saturating_sub(mint.leeway) + 2;
    let line_of = |entrance: Entrance| {
        let mint = entrance.mint(&mint);
        let draft = mint.draft(now()).claim("iat", ends.saturating_sub(300));
        format!("Bearer {}", mint.sign(&draft.claim("exp", ends)))
    };
    let single = [entrance::ALL[0], entrance::ALL[1], Entrance::Page];
    let row = ("J45", &single[..]);
    let of_single = |entrance: Entrance| Some(line_of(entrance));
    let mut held = open_until(stage, &line_of).await;
    for (edge, socket) in &mut held {
        let came = ping(socket, edge).await;
        note(stage, &expiring(edge, (true, &["accepted"])), came);
    }
    everywhere(stage, row, (&of_single, true)).await;
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    for (edge, socket) in &mut held {
        let came = ping(socket, edge).await;
        note(stage, &expiring(edge, (false, &["auth_error"])), came);
    }
    everywhere(stage, row, (&of_single, false)).await;
}

const fn expiring<'a>(edge: &'a str, (good, allowed): (bool, &'a [&'a str])) -> Seen<'a> {
    Seen {
        id: "J45",
        edge,
        good,
        allowed,
    }
}

/// A connection of each dialect, begun with a token that ends.
async fn open_until(
    stage: &Stage,
    line_of: &impl Fn(Entrance) -> String,
) -> Vec<(&'static str, RawSocket)> {
    let mut held = Vec::new();
    let line = line_of(Entrance::Upgrade);
    let host = stage.ground.public().to_string();
    let request = upgrade("/ws", &host, Some("mcp")).header("Authorization", &line);
    match open_as(stage, 560, &request, WAIT * 2).await {
        Ok(socket) => held.push((MCP, socket)),
        Err(reply) => record(stage, &expiring(MCP, (true, &["accepted"])), &reply),
    }
    let hello = hello_of(Some(&line_of(Entrance::Hello)));
    match daemon(stage, None).await {
        Ok(mut socket) => {
            let came = sockets::greet(stage, &mut socket, &hello).await;
            note(stage, &expiring(DAEMON, (true, &["accepted"])), came);
            held.push((DAEMON, socket));
        }
        Err(came) => note(stage, &expiring(DAEMON, (true, &["accepted"])), came),
    }
    held
}

async fn ping(socket: &mut RawSocket, edge: &str) -> Came {
    let said = if edge == DAEMON {
        json!({"op": "ping", "request_id": "p"})
    } else {
        json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    };
    socket.say(&said).await;
    let said = match socket.hear().await {
        Heard::Message(said) => said,
        other => return Came::word(format!("{other:?}")),
    };
    // Where each dialect keeps the one error object.
    let place = if edge == DAEMON { "details" } else { "data" };
    let error = &said["error"][place];
    match error["category"].as_str() {
        None if said["error"].is_null() => Came::word("accepted"),
        category => Came {
            word: category.unwrap_or("an error without a category").to_owned(),
            correlation_id: error["correlation_id"].as_str().map(str::to_owned),
            is_denied: true,
            code: raw::code(&said),
            // Whose connection it is was said as it was opened.
            claimed: None,
        },
    }
}
