//! Forged, stale, confused and malformed tokens at every entrance, each with a good one that
//! differs in one respect.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use exai_harness::token::battery::TokenCase;
use futures::future::join_all;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::entrance::{Entrance, Listeners, now};
use super::sockets::{DAEMON, hello, hello_of};
use super::{Came, Seen, note};
use crate::stage::{Stage, Trouble};

/// A supported algorithm that the server does not list.
const UNLISTED: &str = "J6.unlisted";
/// Tokens are made anew after this long.
const FRESH: Duration = Duration::from_secs(1);
/// The row of keys that a token says are elsewhere.
const ELSEWHERE: &str = "J29";

/// A listener of ours that no request may reach: tokens name it as the place of their keys.
struct Lure {
    url: String,
    met: Arc<AtomicUsize>,
    _listening: JoinSet<()>,
}

impl Lure {
    async fn lay() -> Result<Self, Trouble> {
        let failed = |error: std::io::Error| Trouble::Rig(format!("a listener: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let url = format!(
            "http://{}/keys.json",
            listener.local_addr().map_err(failed)?
        );
        let met = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&met);
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self {
            url,
            met,
            _listening: listening,
        })
    }

    /// A refusal does not count when the keys were asked for all the same.
    fn judge(&self, case: &TokenCase, came: Came) -> Came {
        let is_met = case.id.starts_with(ELSEWHERE) && self.met.load(Ordering::Relaxed) > 0;
        if is_met {
            Came {
                word: format!("{} after asking for the keys", came.word),
                ..came
            }
        } else {
            came
        }
    }
}

/// Tries the battery at these entrances at once; `rows` alone, or all there is.
///
/// # Errors
/// When someone pressed Ctrl-C.
pub async fn try_all(
    stage: &Stage,
    entrances: &[Entrance],
    rows: Option<&[String]>,
) -> Result<(), Trouble> {
    let lure = Lure::lay().await?;
    let at = Listeners::judged(stage);
    let each = entrances
        .iter()
        .map(|entrance| enter(stage, at, (*entrance, rows, &lure)));
    let tried: Result<(), Trouble> = join_all(each).await.into_iter().collect();
    tried?;
    if rows.is_none() {
        broken_line(stage).await;
    }
    Ok(())
}

async fn enter(
    stage: &Stage,
    at: Listeners,
    (entrance, rows, lure): (Entrance, Option<&[String]>, &Lure),
) -> Result<(), Trouble> {
    let mint = entrance.mint(&stage.ground.mint());
    let mut cases = mint.battery(now(), &lure.url);
    let mut made = Instant::now();
    for index in 0..cases.len() {
        stage.check_stop()?;
        // Several stand within seconds of the edge of the leeway.
        if made.elapsed() > FRESH {
            cases = mint.battery(now(), &lure.url);
            made = Instant::now();
        }
        let Some(case) = cases.get(index) else { break };
        let row = case.id.split('.').next().unwrap_or(&case.id);
        let is_asked = rows.is_none_or(|rows| rows.iter().any(|asked| asked == row));
        if is_asked && case.id != UNLISTED {
            one(stage, at, (entrance, case), lure).await;
        }
    }
    Ok(())
}

/// The bad token and the good one that differs in one respect.
async fn one(stage: &Stage, at: Listeners, (entrance, case): (Entrance, &TokenCase), lure: &Lure) {
    let seen = |good, allowed| Seen {
        id: &case.id,
        edge: entrance.name(),
        good,
        allowed,
    };
    let came = entrance.show(stage, at, case.bad.as_deref()).await;
    let came = lure.judge(case, came);
    note(stage, &seen(false, entrance.refused_by(case)), came);
    let came = entrance.show(stage, at, Some(&case.good)).await;
    note(stage, &seen(true, &["accepted"]), came);
}

/// The row that needs a server which leaves a supported algorithm out of its list.
///
/// # Errors
/// When there is no listener to be had.
pub async fn try_unlisted(
    stage: &Stage,
    at: Listeners,
    entrances: &[Entrance],
) -> Result<(), Trouble> {
    let lure = Lure::lay().await?;
    for entrance in entrances {
        let mint = entrance.mint(&stage.ground.mint());
        let cases = mint.battery(now(), &lure.url);
        for case in cases.iter().filter(|case| case.id == UNLISTED) {
            one(stage, at, (*entrance, case), &lure).await;
        }
    }
    Ok(())
}

/// J34: a line break within a token. A header ends there before any token is read, so that a hello
/// alone can carry one.
async fn broken_line(stage: &Stage) {
    let mint = Entrance::Hello.mint(&stage.ground.mint());
    let token = mint.sign(&mint.draft(now()));
    let (head, tail) = token.split_at(token.len() / 2);
    let seen = |good, allowed| Seen {
        id: "J34.newline",
        edge: DAEMON,
        good,
        allowed,
    };
    let bad = json!({"op": "hello", "jwt": format!("{head}\n{tail}")});
    note(stage, &seen(false, &["4003"]), hello(stage, &bad).await);
    let good = hello(stage, &hello_of(Some(&token))).await;
    note(stage, &seen(true, &["accepted"]), good);
}
