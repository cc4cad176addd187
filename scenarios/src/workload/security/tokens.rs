//! Forged, stale, confused and malformed tokens, each with a good one that differs in one respect.

use std::time::{SystemTime, UNIX_EPOCH};

use exai_harness::token::battery::NOT_MADE;
use exai_judge::Transport;

use super::{Attempt, CRITERION, Seen, record};
use crate::stage::{Stage, Trouble};

/// A URL of ours that no request may reach; a token that names it must be refused unread.
const LISTENER: &str = "http://127.0.0.1:9/keys.json";

/// Tries every case of the battery on one wire, or only the rows named.
///
/// # Errors
/// When someone pressed Ctrl-C.
pub async fn try_all(
    stage: &Stage,
    wire: Transport,
    rows: Option<&[String]>,
) -> Result<(), Trouble> {
    let is_wanted = |id: &str| {
        let row = id.split('.').next().unwrap_or(id);
        rows.is_none_or(|rows| rows.iter().any(|wanted| wanted == row))
    };
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    };
    let mint = stage.ground.mint();
    for index in 0..mint.battery(now(), LISTENER).len() {
        stage.check_stop()?;
        // Made anew for each case: several stand at the edge of the leeway.
        let Some(case) = mint.battery(now(), LISTENER).into_iter().nth(index) else {
            break;
        };
        if !is_wanted(&case.id) {
            continue;
        }
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
    for (row, why) in NOT_MADE {
        stage.not_tested(CRITERION, format!("{row}: {why}"));
    }
    Ok(())
}
