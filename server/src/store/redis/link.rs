//! The link to Redis: a connection manager that fails fast and is rebuilt when it wedges.
//!
//! `ConnectionManager` re-dials after I/O errors only. When a reconnect fails for another reason
//! (a truncated handshake reply, a server still loading), it keeps that failure and every later
//! command fails at once, after the server is well again. The link then throws it away and builds
//! another. It also checks the schema version once per manager, before the first command.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult};

use super::Clocks;
use super::lookout;
use super::reply::{leaves_link_usable, redis_error};
use crate::guard::{Guard, Guarding, Pass};
use crate::router::breaker::{Ticket, Verdict};
use crate::store::StoreError;

/// The version of the key layout this program writes.
const SCHEMA: u32 = 1;
/// Where the version stands.
const SCHEMA_KEY: &str = "exai:schema_version";

/// The link.
pub(super) struct Link {
    client: Client,
    clocks: Clocks,
    guard: Arc<Guard>,
    current: Mutex<Option<Current>>,
    generation: AtomicU64,
}

#[derive(Clone)]
struct Current {
    manager: ConnectionManager,
    is_checked: bool,
}

impl Link {
    /// Prepares a link without connecting.
    pub(super) fn open(url: &str, clocks: Clocks, guarding: Guarding) -> Result<Self, StoreError> {
        // The URL may hold a password, so the error does not quote it.
        let client = Client::open(url)
            .map_err(|error| StoreError::Unavailable(format!("redis url: {}", error.category())))?;
        Ok(Self {
            client,
            clocks,
            guard: Arc::new(Guard::new(guarding)),
            current: Mutex::new(None),
            generation: AtomicU64::new(0),
        })
    }

    /// The manager in use, its schema checked, and the ticket that its commands are settled with;
    /// refused while the breaker is open. The one call that a half-open breaker lets through asks
    /// for a sign of life first, over a new connection: the old one may hold the failure of its
    /// last dial.
    pub(super) async fn manager(&self) -> Result<(ConnectionManager, Ticket), StoreError> {
        let ticket = match self.guard.admit().map_err(StoreError::Unavailable)? {
            Pass::Free(ticket) => ticket,
            Pass::Trial(trial) => {
                self.rebuild();
                let answer = self.ping().await;
                let ticket = trial.settle(verdict(&answer));
                lookout::send(&self.guard, &self.client, self.clocks);
                answer?;
                ticket
            }
        };
        Ok((self.checked(ticket).await?, ticket))
    }

    fn rebuild(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        *self.lock() = None;
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let mut manager = self.current()?.manager;
        let asked: RedisResult<String> = redis::cmd("PING").query_async(&mut manager).await;
        self.understand(asked).map(drop)
    }

    async fn checked(&self, ticket: Ticket) -> Result<ConnectionManager, StoreError> {
        let Current {
            mut manager,
            is_checked,
        } = self.current()?;
        if is_checked {
            return Ok(manager);
        }
        let generation = self.generation.load(Ordering::Acquire);
        let mut read = redis::cmd("GET");
        read.arg(SCHEMA_KEY);
        let mut found: Option<u32> = self.settle(ticket, read.query_async(&mut manager).await)?;
        if found.is_none() {
            let mut claim = redis::cmd("SET");
            claim.arg(SCHEMA_KEY).arg(SCHEMA).arg("NX");
            // Nil means that another instance was first; what it wrote is read back.
            let _: redis::Value = self.settle(ticket, claim.query_async(&mut manager).await)?;
            found = self.settle(ticket, read.query_async(&mut manager).await)?;
        }
        let found = found.unwrap_or(SCHEMA);
        if found > SCHEMA {
            return Err(StoreError::NewerSchema {
                found,
                known: SCHEMA,
            });
        }
        if self.generation.load(Ordering::Acquire) == generation
            && let Some(current) = self.lock().as_mut()
        {
            current.is_checked = true;
        }
        Ok(manager)
    }

    /// Understands a command's result, and counts it for the ticket it was sent with.
    pub(super) fn settle<T>(
        &self,
        ticket: Ticket,
        result: RedisResult<T>,
    ) -> Result<T, StoreError> {
        let result = self.understand(result);
        self.guard.note(ticket, verdict(&result));
        lookout::send(&self.guard, &self.client, self.clocks);
        result
    }

    /// Turns a command's result into the store's words, and drops a wedged manager.
    fn understand<T>(&self, result: RedisResult<T>) -> Result<T, StoreError> {
        result.map_err(|error| {
            if !leaves_link_usable(&error) {
                tracing::warn!(cause = %error, "rebuilding the link to redis");
                self.rebuild();
            }
            redis_error(&error)
        })
    }

    fn current(&self) -> Result<Current, StoreError> {
        let mut slot = self.lock();
        if let Some(current) = slot.as_ref() {
            return Ok(current.clone());
        }
        // No retries inside: a command fails as soon as one attempt has, and the next one dials.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_min_delay(Duration::from_millis(20))
            .set_max_delay(Duration::from_millis(200))
            .set_connection_timeout(Some(self.clocks.connect))
            .set_response_timeout(Some(self.clocks.command));
        let manager = ConnectionManager::new_lazy_with_config(self.client.clone(), config)
            .map_err(|error| redis_error(&error))?;
        let current = Current {
            manager,
            is_checked: false,
        };
        *slot = Some(current.clone());
        Ok(current)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Current>> {
        // The slot holds no invariant that a panic could break.
        self.current
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What a command's result says of Redis.
fn verdict<T>(result: &Result<T, StoreError>) -> Verdict {
    match result {
        Ok(_) => Verdict::Success,
        Err(StoreError::Unavailable(_)) => Verdict::Failure,
        // It answered, if only to refuse.
        Err(_) => Verdict::Business,
    }
}
