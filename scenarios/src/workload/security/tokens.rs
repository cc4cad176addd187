//! Forged, stale, confused and malformed tokens, each with a good one that differs in one respect.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use exai_harness::token::battery::{NOT_MADE, TokenCase};
use exai_judge::Transport;

use super::{Attempt, CRITERION, Seen, WIRES, record};
use crate::stage::{Stage, Trouble};

/// A URL of ours that no request may reach; a token that names it must be refused unread.
const LISTENER: &str = "http://127.0.0.1:9/keys.json";
/// A supported algorithm that the server does not list.
const UNLISTED: &str = "J6.unlisted";

/// Which cases of the battery are tried.
#[derive(Debug, Clone, Copy)]
pub enum Depth<'a> {
    /// Those of these rows.
    Rows(&'a [String]),
    /// The first of each row.
    First,
    /// All.
    Whole,
}

/// Tries the battery on one wire.
///
/// # Errors
/// When someone pressed Ctrl-C.
pub async fn try_all(stage: &Stage, wire: Transport, depth: Depth<'_>) -> Result<(), Trouble> {
    let mut tried = BTreeSet::new();
    let mint = stage.ground.mint();
    for index in 0..mint.battery(now(), LISTENER).len() {
        stage.check_stop()?;
        // Made anew for each case: several stand at the edge of the leeway.
        let Some(case) = mint.battery(now(), LISTENER).into_iter().nth(index) else {
            break;
        };
        if depth.wants(&case.id, &mut tried) {
            one(stage, wire, &case).await;
        }
    }
    // A second issuer is there while `rotation` tries its rows.
    for (row, why) in NOT_MADE.iter().filter(|(row, _)| *row != "J24") {
        stage.not_tested(CRITERION, format!("{row}: {why}"));
    }
    Ok(())
}

impl Depth<'_> {
    /// Whether a case is tried, after those of the rows already `tried`.
    pub fn wants(self, id: &str, tried: &mut BTreeSet<String>) -> bool {
        let row = id.split('.').next().unwrap_or(id);
        let is_first = tried.insert(row.to_owned());
        let is_wanted = match self {
            Self::Rows(rows) => rows.iter().any(|wanted| wanted == row),
            Self::First => is_first,
            Self::Whole => true,
        };
        is_wanted && id != UNLISTED
    }
}

/// The row that needs a server which leaves a supported algorithm out of its list.
///
/// # Errors
/// When the server does not come back from its restart.
pub async fn try_unlisted(stage: &Stage) -> Result<(), Trouble> {
    stage.ground.accept_only_hs256().await?;
    for wire in WIRES {
        let cases = stage.ground.mint().battery(now(), LISTENER);
        for case in cases.iter().filter(|case| case.id == UNLISTED) {
            one(stage, wire, case).await;
        }
    }
    stage.ground.restart_server().await
}

/// The bad token and the good one that differs in one respect.
async fn one(stage: &Stage, wire: Transport, case: &TokenCase) {
    let seen = |good, allowed| Seen {
        id: &case.id,
        edge: wire.name(),
        good,
        allowed,
    };
    let reply = Attempt::new(wire, case.bad.as_deref()).send(stage).await;
    record(stage, &seen(false, case.refused_by), &reply);
    let reply = Attempt::new(wire, Some(&case.good)).send(stage).await;
    record(stage, &seen(true, &["accepted"]), &reply);
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
