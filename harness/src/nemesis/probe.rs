//! The judge's own probes of a component, through the edge that is broken.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::probe::Ask;
use crate::redis::{Wire, WireError};

/// How long a probe waits; shorter than any window, so that a pause shows as a timeout.
const PATIENCE: Duration = Duration::from_millis(500);

/// Looks once: Ok when the component answered rightly, else the symptom in words.
pub type Probe = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Right when an HTTP answer of any status comes from `address` for `path`; for `expected` only of
/// that status.
#[must_use]
pub fn answers_http(address: SocketAddr, path: &str, expected: Option<u16>) -> Probe {
    let path = path.to_owned();
    Arc::new(move || {
        let ask = Ask::get(address, &path);
        async move {
            let answer = ask
                .send(PATIENCE)
                .await
                .map_err(|error| error.to_string())?;
            match expected {
                Some(status) if status != answer.status => Err(format!("status {}", answer.status)),
                _ => Ok(()),
            }
        }
        .boxed()
    })
}

/// Right when a fresh connection through `edge` gets PONG.
#[must_use]
pub fn pong(edge: SocketAddr, password: &str) -> Probe {
    at_store(edge, password, |mut wire| async move {
        wire.ask(&["PING"]).await.map(|_pong| ())
    })
}

/// Right when a write through `edge` is accepted; it leaves nothing behind.
#[must_use]
pub fn writes(edge: SocketAddr, password: &str) -> Probe {
    at_store(edge, password, |mut wire| async move {
        // A key that expires at once; an unset one is as good as none.
        let key = format!("p:{}", crate::clock::monotonic());
        wire.ask(&["SET", &key, "1", "PX", "1000"]).await?;
        wire.ask(&["DEL", &key]).await.map(|_deleted| ())
    })
}

fn at_store<F>(edge: SocketAddr, password: &str, ask: fn(Wire) -> F) -> Probe
where
    F: Future<Output = Result<(), WireError>> + Send + 'static,
{
    let password = password.to_owned();
    Arc::new(move || {
        let password = password.clone();
        async move {
            let wire = Wire::open(edge, &password, PATIENCE).await;
            let asked = match wire {
                Ok(wire) => ask(wire).await,
                Err(error) => Err(error),
            };
            asked.map_err(|error| error.to_string())
        }
        .boxed()
    })
}
