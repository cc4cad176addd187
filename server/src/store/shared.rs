//! What instances on one Redis hold together beside threads. A home of one machine has nothing of
//! the kind, so this is reached through [`Store::shared`] alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Kind, Store, StoreError, redis};

/// The sessions and rates of several instances; cheap to clone.
#[derive(Clone)]
pub struct Shared {
    home: Arc<redis::Redis>,
    store: Store,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Store {
    /// What several instances hold together; `None` where the home is a file of this machine.
    #[must_use]
    pub fn shared(&self) -> Option<Shared> {
        match &self.home {
            Kind::Embedded(_) => None,
            Kind::Redis(home) => Some(Shared {
                home: Arc::clone(home),
                store: self.clone(),
            }),
        }
    }
}

impl Shared {
    /// Keeps what a session of `owner` began with, for `idle` and up to an eighth of it more.
    ///
    /// # Errors
    /// An outage, after which it may or may not be kept.
    pub async fn keep_session(
        &self,
        owner: &str,
        id: &str,
        handshake: &str,
        idle: Duration,
    ) -> Result<(), StoreError> {
        let started = Instant::now();
        let result = self.home.keep_session(owner, id, handshake, idle).await;
        self.store.report("session_keep", started, result)
    }

    /// Whether `owner` has this session; one that is there lives for `idle` from now, at least.
    ///
    /// # Errors
    /// An outage.
    pub async fn has_session(
        &self,
        owner: &str,
        id: &str,
        idle: Duration,
    ) -> Result<bool, StoreError> {
        let started = Instant::now();
        let result = self.home.has_session(owner, id, idle).await;
        self.store.report("session_look", started, result)
    }

    /// What a session of `owner` began with; `None` when there is no such session.
    ///
    /// # Errors
    /// An outage.
    pub async fn handshake(&self, owner: &str, id: &str) -> Result<Option<String>, StoreError> {
        let started = Instant::now();
        let result = self.home.handshake(owner, id).await;
        self.store.report("session_read", started, result)
    }

    /// Ends a session of `owner` for every instance.
    ///
    /// # Errors
    /// An outage, after which it may or may not have ended.
    pub async fn end_session(&self, owner: &str, id: &str) -> Result<(), StoreError> {
        let started = Instant::now();
        let result = self.home.end_session(owner, id).await;
        self.store.report("session_end", started, result)
    }

    /// Adds what this instance took to each bucket, in microseconds of its rate, and tells for each
    /// how many microseconds from now it is full again.
    ///
    /// # Errors
    /// An outage, after which it may or may not have counted.
    pub async fn take_rates(&self, taken: &[(String, u64)]) -> Result<Vec<u64>, StoreError> {
        let started = Instant::now();
        let result = self.home.take_rates(taken).await;
        self.store.report("rates", started, result)
    }
}
