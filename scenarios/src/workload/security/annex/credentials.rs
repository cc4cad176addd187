//! Tokens at servers beside the judged one: an algorithm that is not listed, and every forged token
//! once more by way of the bridge, which passes a daemon's refusals on.

use exai_harness::client::Revision;
use exai_harness::client::request::initialize;
use exai_harness::client::software::Software;
use exai_harness::server::Settings;
use exai_harness::server::beside::{Beside, Other};
use exai_harness::token::battery::TokenCase;
use futures::future::join_all;
use serde_json::Value;

use super::super::asker::pair;
use super::super::entrance::{self, Listeners, now};
use super::super::pipe::{Pipe, word};
use super::super::tokens;
use super::start;
use crate::stage::{Stage, Trouble};

const BRIDGE: &str = "bridge";
/// What daemon and bridge both know.
const KEY: &str = "9c1185a5c5e9fc54612808977ee8f548b2258d319c1185a5c5e9fc54612808ab";
/// The key's variable.
const VARIABLE: &str = "EXAI_DAEMON_KEY";
/// No request may reach it.
const NOWHERE: &str = "http://127.0.0.1:9/keys.json";
/// Bridges at once: each is a process.
const LANES: usize = 2;

/// Tries J6's unlisted algorithm, and J1 to J35 through the bridge.
///
/// # Errors
/// When the rig cannot start a process.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let listed = vec!["HS256".to_owned()];
    let settings = Settings::default().with("auth.jwt.algorithms", listed);
    let beside = start(stage, "beside-unlisted", &settings).await?;
    tokens::try_unlisted(stage, Listeners::beside(&beside), &entrance::ALL).await?;
    drop(beside);
    let settings = Settings::default();
    let other = Other {
        name: "beside-bridged",
        settings: &settings,
        variables: &[(VARIABLE, KEY)],
    };
    let daemon = stage.ground.beside(other).await?;
    bridged(stage, &daemon).await
}

/// A variant of each row, shown by a bridge of its own, and the good token of the pair by another.
async fn bridged(stage: &Stage, daemon: &Beside) -> Result<(), Trouble> {
    let mint = stage.ground.mint();
    let rows = mint.battery(now(), NOWHERE);
    let variants = stage.profile == "full";
    let mut tried = std::collections::BTreeSet::new();
    let chosen = (0..rows.len()).filter(|index| {
        let id = rows[*index].id.as_str();
        let row = id.split('.').next().unwrap_or(id);
        // What the daemon lists is as shipped here.
        (tried.insert(row.to_owned()) || variants) && id != "J6.unlisted"
    });
    let chosen: Vec<usize> = chosen.collect();
    for some in chosen.chunks(LANES) {
        stage.check_stop()?;
        // Made anew for each few: several stand at the edge of the leeway.
        let cases = mint.battery(now(), NOWHERE);
        let each = some
            .iter()
            .filter_map(|index| Some((*index, cases.get(*index)?)));
        let tried = join_all(each.map(|case| one(stage, daemon, case))).await;
        tried.into_iter().collect::<Result<(), Trouble>>()?;
    }
    Ok(())
}

async fn one(
    stage: &Stage,
    daemon: &Beside,
    (index, case): (usize, &TokenCase),
) -> Result<(), Trouble> {
    let bad = answered(
        stage,
        daemon,
        (&format!("bad-{index}"), case.bad.as_deref()),
    )
    .await?;
    let good = answered(stage, daemon, (&format!("good-{index}"), Some(&case.good))).await?;
    // A token that fits no head is refused by the daemon before it is read, and by the bridge when
    // it is no header's value.
    let allowed = ["unauthorized", "daemon_refused"];
    pair(
        stage,
        (&case.id, BRIDGE),
        (&word(&bad), &allowed),
        (&word(&good), &["accepted"]),
    );
    Ok(())
}

/// What a client of the bridge hears to its first message.
async fn answered(
    stage: &Stage,
    daemon: &Beside,
    (name, line): (&str, Option<&str>),
) -> Result<Value, Trouble> {
    let token = line.map(|line| line.strip_prefix("Bearer ").unwrap_or(line));
    let settings = Settings::default().with("bridge.url", format!("ws://{}/ws", daemon.public()));
    let settings = match token {
        Some(token) => {
            let file = stage.ground.file(&format!("bridge-token-{name}"), token)?;
            settings.with("bridge.token_file", file)
        }
        None => settings,
    };
    let name = format!("bridge-{name}");
    let own = (name.as_str(), &settings, &[(VARIABLE, KEY)][..]);
    let mut pipe = Pipe::start(stage, BRIDGE, own)?;
    let software = Software::numbered(1);
    let first = initialize(software).message(Some(1), Revision::V2025, software);
    pipe.say(&first).await;
    Ok(pipe.hear().await)
}
