//! What a user does, over and over: a conversation of a few turns, a question, a look around.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use exai_harness::client::{Client, Http, HttpTarget, Identity, Revision};
use exai_harness::history::Now;
use goose::prelude::{GooseUser, TransactionResult};
use serde_json::{Value, json};

use crate::desk::Desk;

/// Set once, before the first user begins.
pub static DESK: OnceLock<Desk> = OnceLock::new();

/// How long a call may take: goose never aborts one itself.
const PATIENCE: Duration = Duration::from_secs(45);
/// Between two looks whether the rest is over.
const RESTING: Duration = Duration::from_millis(250);
/// Turns of one conversation.
const TURNS: u64 = 4;

/// Who a goose user is between two transactions.
#[derive(Clone)]
struct Session {
    index: usize,
    generation: u64,
    client: Arc<Client>,
    turns: u64,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "user {} of generation {}", self.index, self.generation)
    }
}

/// A conversation: each turn goes on from the one before.
///
/// # Errors
/// Goose's own, when its metrics cannot be written.
pub async fn converse(user: &mut GooseUser) -> TransactionResult {
    let mut handle: Option<String> = None;
    for turn in 0..TURNS {
        let prompt = format!("Turn {turn}: what follows from what we said so far?");
        let mut arguments = json!({"prompt": prompt});
        if let Some(handle) = &handle {
            arguments["continuation_id"] = json!(handle);
        }
        let result = call(user, "chat", arguments).await?;
        let meta = result
            .as_ref()
            .and_then(|result| result["_meta"].as_object());
        let named = meta.into_iter().flatten();
        let found = named.filter(|(name, _)| name.ends_with("continuation_id"));
        handle = found
            .filter_map(|(_, value)| value.as_str())
            .next()
            .map(str::to_owned);
    }
    Ok(())
}

/// One question.
///
/// # Errors
/// As [`converse`].
pub async fn ask(user: &mut GooseUser) -> TransactionResult {
    let asked = json!({"prompt": "Name one thing that could go wrong with a cache."});
    call(user, "chat", asked).await.map(drop)
}

/// A look around.
///
/// # Errors
/// As [`converse`].
pub async fn look(user: &mut GooseUser) -> TransactionResult {
    call(user, "version", json!({})).await?;
    call(user, "listmodels", json!({})).await.map(drop)
}

/// Calls a tool and counts; the result where it is one.
async fn call(
    user: &mut GooseUser,
    tool: &str,
    arguments: Value,
) -> Result<Option<Value>, Box<goose::goose::TransactionError>> {
    let Some(desk) = DESK.get() else {
        return Ok(None);
    };
    while desk.is_quiet() {
        tokio::time::sleep(RESTING).await;
    }
    let began = Instant::now();
    let result = match session(user, desk).await {
        Some(session) => {
            // The words differ each time: equal questions would be answered from memory.
            let mut arguments = arguments;
            if let Some(Value::String(prompt)) = arguments.get_mut("prompt") {
                prompt.push_str(&format!(" (user {}, {})", session.index, session.turns));
            }
            let call = json!({"name": tool, "arguments": arguments});
            let exchange = session.client.request("tools/call", call, PATIENCE);
            let exchange = tokio::time::timeout(2 * PATIENCE, exchange).await.ok();
            let result = exchange.and_then(|exchange| exchange.result().cloned());
            result.filter(|result| result["isError"] != json!(true))
        }
        None => None,
    };
    let is_right = result.is_some();
    desk.count(is_right);
    // Goose keeps errors by their text: it must not hold ids.
    let error = (!is_right).then_some("no right result");
    user.record_custom_request_duration("CALL", tool, began.elapsed(), is_right, None, error)
        .await?;
    Ok(result)
}

/// Ends the session of a client that will not be used any more, where it has one.
async fn leave(client: &Client) {
    if let Client::Http(http) = client
        && http.target().revision == Revision::V2025
    {
        let wait = u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX);
        let _left = http.leave(client.now().saturating_add(wait)).await;
    }
}

/// The user's session: greeted at first, and again with each new token.
async fn session(user: &mut GooseUser, desk: &Desk) -> Option<Session> {
    let known = user.get_session_data::<Session>().cloned();
    let index = known
        .as_ref()
        .map_or_else(|| desk.hire(), |known| known.index);
    let (generation, address, person) = desk.who(index)?;
    let turns = known.as_ref().map_or(0, |known| known.turns + 1);
    let client = match known {
        Some(known) if known.generation == generation => known.client,
        known => {
            if let Some(known) = known {
                leave(&known.client).await;
            }
            let identity = Identity::numbered(person.name, person.number);
            let identity = match person.bearer {
                Some(bearer) => identity.with_bearer(bearer),
                None => identity,
            };
            let target = HttpTarget {
                address,
                host: address.to_string(),
                path: "/mcp".to_owned(),
                revision: if index % 2 == 0 {
                    Revision::V2025
                } else {
                    Revision::V2026
                },
                connections: 2,
                redial: true,
            };
            let began = Instant::now();
            let now: Now =
                Arc::new(move || u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
            let client = Client::Http(Http::new(target, identity, now));
            client.greet(PATIENCE).await.ok()?;
            Arc::new(client)
        }
    };
    let session = Session {
        index,
        generation,
        client,
        turns,
    };
    user.set_session_data(session.clone());
    Some(session)
}
