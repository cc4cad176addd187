//! The lookout before an open breaker. A connection of its own tries Redis until it answers, and
//! then ends the breaker's interval, so that the next command may try. Callers are refused at once
//! meanwhile, and the store is used again as soon as it is there, not when an interval ends.

use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, RedisResult};

use super::Clocks;
use crate::guard::Guard;

/// Between two tries. One dial costs next to nothing, and every thread waits for its end.
const EVERY: Duration = Duration::from_millis(100);

/// Sends one out where a breaker stands open and none is out. It comes back when Redis answers,
/// the breaker is no longer open, or the store is gone.
pub(super) fn send(guard: &Arc<Guard>, client: &Client, clocks: Clocks) {
    if !guard.wants_lookout() {
        return;
    }
    let (guard, client) = (Arc::downgrade(guard), client.clone());
    tokio::spawn(async move {
        while stands_open(&guard) {
            tokio::time::sleep(EVERY).await;
            if answers(&client, clocks).await.is_ok() {
                break;
            }
        }
        if let Some(guard) = guard.upgrade() {
            guard.lookout_is_back();
        }
    });
}

fn stands_open(guard: &Weak<Guard>) -> bool {
    guard.upgrade().is_some_and(|guard| guard.is_open())
}

/// Over a connection of its own: what is wrong with the one in use says nothing about Redis.
async fn answers(client: &Client, clocks: Clocks) -> RedisResult<String> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(clocks.connect))
        .set_response_timeout(Some(clocks.command));
    let dial = client.get_multiplexed_async_connection_with_config(&config);
    let mut connection = dial.await?;
    redis::cmd("PING").query_async(&mut connection).await
}
