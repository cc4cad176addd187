//! The configured store, opened, and what the metrics show of it.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::Notify;

use super::thread_limits;
use crate::config::{BreakerSpan, Config, StoreKind};
use crate::guard::{Guarding, Moved};
use crate::observe::Metrics;
use crate::router::breaker::{BreakerSettings, Position};
use crate::store::{Home, Operation, Store, StoreError, Watch};

/// The dependencies' names in the metrics.
pub(super) const REDIS: &str = "redis";
pub(super) const ARCHIVE: &str = "archive";

/// Opens the configured store, whose operations `watch` is told of.
///
/// # Errors
/// What kept it from opening. A Redis that does not answer is none.
pub(crate) async fn open_store(
    config: &Config,
    (watch, moved): (Watch, Moved),
) -> Result<Store, StoreError> {
    let row = &config.store;
    let guarding = guarding(config, REDIS, config.breaker.redis, moved);
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

/// The breaker before a database, as configured.
pub(super) fn guarding(
    config: &Config,
    dependency: &'static str,
    span: BreakerSpan,
    moved: Moved,
) -> Guarding {
    Guarding {
        dependency,
        settings: BreakerSettings {
            failures: config.breaker.failures,
            first_open: span.first_open,
            max_open: span.max_open,
        },
        moved,
    }
}

/// Nobody looks at what the store does.
pub(crate) fn unwatched() -> (Watch, Moved) {
    (Arc::new(|_| {}), Arc::new(|_, _| {}))
}

/// The metrics are told of operations and of the breaker before Redis, and whoever copies what
/// changed is woken.
pub(super) fn told(kind: StoreKind, metrics: Metrics, changed: Arc<Notify>) -> (Watch, Moved) {
    let moved = match kind {
        StoreKind::Redis => shown(metrics.clone(), REDIS),
        StoreKind::Sqlite => unwatched().1,
    };
    (watch(metrics, changed), moved)
}

/// Shows the breaker before a database: closed at first.
pub(super) fn shown(metrics: Metrics, dependency: &'static str) -> Moved {
    metrics.breaker_state(dependency, Position::Closed.gauge());
    Arc::new(move |from, to| {
        metrics.breaker_transition(dependency, from.name(), to.name());
        metrics.breaker_state(dependency, to.gauge());
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
