//! What changes while the server runs: keys, revocations, the grace, and time itself.

use std::time::Duration;

use exai_harness::client::http::loopback;
use exai_harness::raw::socket::{Heard, RawSocket, upgrade};
use exai_harness::server::Settings;
use exai_harness::token::{Mint, Signature};
use exai_judge::Transport;
use serde_json::json;

use super::sockets::{DAEMON, MCP, hello, hello_of, now, upgraded};
use super::{Attempt, Came, Seen, WAIT, WIRES, note, record};
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
    stage
        .ground
        .restart_with(&settings("2999-01-01T00:00:00Z"))
        .await?;
    everywhere(stage, "J41", (None, true)).await;
    stage
        .ground
        .restart_with(&settings("2001-01-01T00:00:00Z"))
        .await?;
    everywhere(stage, "J41", (None, false)).await;
    mixed_up(stage, &theirs).await;
    revocation(stage).await;
    everywhere(stage, "J37", (Some(&good(&retiring)), true)).await;
    stage.ground.file("own-keys.json", &set(&[&coming]))?;
    await_key(stage, &good(&coming)).await;
    everywhere(stage, "J37", (Some(&good(&retiring)), false)).await;
    everywhere(stage, "J37", (Some(&good(&stage.ground.mint())), true)).await;
    expiry(stage).await;
    stage.ground.restart_server().await
}

fn set(mints: &[&Mint]) -> String {
    let keys: Vec<_> = mints.iter().map(|mint| mint.public_jwk()).collect();
    json!({"keys": keys}).to_string()
}

/// The same credential on every wire.
async fn everywhere(stage: &Stage, id: &str, (line, good): (Option<&str>, bool)) {
    let allowed: (&[&str], &[&str]) = if good {
        (&["accepted"], &["accepted"])
    } else {
        (&["401"], &["4003"])
    };
    let seen = |edge, allowed| Seen {
        id,
        edge,
        good,
        allowed,
    };
    for wire in WIRES {
        let reply = Attempt::new(wire, line).send(stage).await;
        record(stage, &seen(wire.name(), allowed.0), &reply);
    }
    record(stage, &seen(MCP, allowed.0), &upgraded(stage, line).await);
    note(
        stage,
        &seen(DAEMON, allowed.1),
        hello(stage, &hello_of(line)).await,
    );
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
    for bad in [&feigned, &reverse] {
        everywhere(stage, "J24", (Some(&good(bad)), false)).await;
    }
    everywhere(stage, "J24", (Some(&good(theirs)), true)).await;
    everywhere(stage, "J24", (Some(&good(&ours)), true)).await;
}

async fn revocation(stage: &Stage) {
    let mint = stage.ground.mint();
    let revoked = mint.sign(&mint.draft(now()).claim("jti", REVOKED));
    let other = mint.sign(&mint.draft(now()).claim("jti", "battery-other"));
    everywhere(stage, "J36", (Some(&format!("Bearer {revoked}")), false)).await;
    everywhere(stage, "J36", (Some(&format!("Bearer {other}")), true)).await;
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
    let draft = mint.draft(now()).claim("iat", ends.saturating_sub(300));
    let line = format!("Bearer {}", mint.sign(&draft.claim("exp", ends)));
    let host = stage.ground.public().to_string();
    let request = upgrade("/ws", &host, Some("mcp")).header("Authorization", &line);
    let seen = |good, allowed| Seen {
        id: "J45",
        edge: MCP,
        good,
        allowed,
    };
    let opened = RawSocket::open(stage.ground.public(), loopback(560), &request, WAIT * 2).await;
    let mut socket = match opened {
        Ok(socket) => socket,
        Err(reply) => return record(stage, &seen(true, &["accepted"]), &reply),
    };
    let came = ping(&mut socket).await;
    note(stage, &seen(true, &["accepted"]), came);
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    let came = ping(&mut socket).await;
    note(stage, &seen(false, &["auth_error"]), came);
}

async fn ping(socket: &mut RawSocket) -> Came {
    socket
        .say(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}))
        .await;
    let said = match socket.hear().await {
        Heard::Message(said) => said,
        other => return Came::word(format!("{other:?}")),
    };
    let error = &said["error"]["data"];
    match error["category"].as_str() {
        None if said["error"].is_null() => Came::word("accepted"),
        category => Came {
            word: category.unwrap_or("an error without a category").to_owned(),
            correlation_id: error["correlation_id"].as_str().map(str::to_owned),
            is_denied: true,
        },
    }
}
