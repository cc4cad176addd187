//! Nothing left on the disk: a turn that cannot be kept is refused and the server not ready; both
//! are over when there is room again.

use exai_harness::server::beside::Other;
use serde_json::json;

use super::super::asker::{Asker, code, pair, prompt};
use super::super::stand_in::{Says, StandIn, VARIABLE};
use super::{KEY, readiness, unhurried};
use crate::stage::{Stage, Trouble};

const HTTP: &str = "http-2026-07-28";
/// Bytes: room for empty stores and their logs.
const DISK: u64 = 64 << 20;
/// Bytes of a prompt, of which the room that a store's log has already holds few.
const LONG: usize = 50_000;
/// Turns of which the last can have no room.
const TURNS: usize = 8;

/// Tries D11's full disk.
///
/// # Errors
/// When the rig cannot start a stand-in.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let provider = StandIn::start(Says::Text("an answer".to_owned()), true).await?;
    let settings = provider.settings().merged(&unhurried());
    let settings = settings.with("store.kind", "sqlite");
    let other = Other {
        name: "beside-disk",
        settings: &settings,
        variables: &[(VARIABLE, KEY)],
    };
    let started = stage.ground.beside_on_disk(other, DISK).await;
    let filled = match started {
        Ok(beside) => beside.fill_disk().await.map(|()| beside).map_err(rig),
        Err(error) => Err(error),
    };
    let beside = match filled {
        Ok(beside) => beside,
        Err(error) => {
            stage.not_tested("V.6", format!("D11: no disk to fill: {error}"));
            return Ok(());
        }
    };
    let asker = Asker::user(stage, 950).before(&beside);
    let mut refused = String::new();
    for turn in 0..TURNS {
        let words = format!("{turn} {}", "long ".repeat(LONG / 5));
        refused = code(&asker.call("chat", prompt(&words)).await);
    }
    let info = asker.call("version", json!({})).await.word();
    let unready = readiness(stage, &beside, 503).await;
    beside.free_disk().await.map_err(rig)?;
    let ready = readiness(stage, &beside, 200).await;
    let kept = code(&asker.call("chat", prompt("there is room again")).await);
    pair(
        stage,
        ("D11.disk", HTTP),
        (
            &format!("{refused}, version {info}, readiness {unready}"),
            &["store_full, version accepted, readiness 503"],
        ),
        (
            &format!("{kept}, readiness {ready}"),
            &["accepted, readiness 200"],
        ),
    );
    Ok(())
}

fn rig(error: std::io::Error) -> Trouble {
    Trouble::Rig(error.to_string())
}
