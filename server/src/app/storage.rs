//! The configured store, opened, and what the metrics show of it.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::Notify;

use super::thread_limits;
use crate::config::{Config, StoreKind};
use crate::observe::Metrics;
use crate::router::breaker::{BreakerSettings, Position};
use crate::store::{Guarding, Home, Moved, Operation, Store, StoreError, Watch};

/// The dependency's name in the metrics.
const REDIS: &str = "redis";

/// Opens the configured store, whose operations `watch` is told of.
///
/// # Errors
/// What kept it from opening. A Redis that does not answer is none.
pub(crate) async fn open_store(
    config: &Config,
    (watch, moved): (Watch, Moved),
) -> Result<Store, StoreError> {
    let row = &config.store;
    let guarding = Guarding {
        settings: BreakerSettings {
            failures: config.breaker.failures,
            first_open: config.breaker.redis.first_open,
            max_open: config.breaker.redis.max_open,
        },
        moved,
    };
    let home = match row.kind {
        StoreKind::Sqlite => {
            let path = match row.path.as_str() {
                "" => config.server.state_dir().join("exai.sqlite"),
                path => PathBuf::from(path),
            };
            Home::Embedded {
                path,
                busy_timeout: row.busy_timeout,
            }
        }
        StoreKind::Redis => Home::Redis {
            url: SecretString::from(row.url.as_str()),
            connect_timeout: row.connect_timeout,
            command_timeout: row.command_timeout,
            guarding,
        },
    };
    Store::open(home, thread_limits(config), watch).await
}

/// Nobody looks at what the store does.
pub(crate) fn unwatched() -> (Watch, Moved) {
    (Arc::new(|_| {}), Arc::new(|_, _| {}))
}

/// The metrics are told of operations and of the breaker, and whoever copies what changed is woken.
pub(super) fn told(kind: StoreKind, metrics: Metrics, changed: Arc<Notify>) -> (Watch, Moved) {
    (watch(metrics.clone(), changed), breaker(metrics, kind))
}

/// Shows the breaker before Redis, where there is one.
fn breaker(metrics: Metrics, kind: StoreKind) -> Moved {
    if kind == StoreKind::Redis {
        metrics.breaker_state(REDIS, Position::Closed.gauge());
    }
    Arc::new(move |from, to| {
        metrics.breaker_transition(REDIS, from.name(), to.name());
        metrics.breaker_state(REDIS, to.gauge());
    })
}

/// Counts the store's operations, and wakes whoever copies what they changed.
fn watch(metrics: Metrics, changed: Arc<Notify>) -> Watch {
    Arc::new(move |operation: Operation| {
        metrics.store_operation(operation.name, operation.elapsed);
        if operation.is_outage {
            metrics.store_error();
        } else if matches!(operation.name, "append" | "delete") {
            changed.notify_one();
        }
    })
}
