//! MCP sessions over HTTP: whose each one is, how many there are. The protocol library keeps a
//! session's state; it does not know principals, so this table stands in front of it. What several
//! instances know of a session together is in `session/shared.rs`.

mod shared;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use shared::{Handshakes, Missing, Replaying};

use crate::observe::Metrics;
use crate::store::shared::Shared;

/// Characters of an id as the protocol library makes them: a UUID, with 122 random bits.
const INNER: usize = 36;

/// An id with random bits of ours behind the 122 that it begins with, so that it has over 128.
#[must_use]
pub fn lengthened(id: &str) -> String {
    let more = uuid::Uuid::new_v4().simple().to_string();
    format!("{id}-{}", more.get(..16).unwrap_or(&more))
}

/// What the protocol library knows a session by.
#[must_use]
pub fn inner(id: &str) -> &str {
    id.get(..INNER).unwrap_or(id)
}

#[derive(Debug)]
struct Row {
    owner: String,
    used_at: Instant,
    /// Whether Redis has it too, whose word then counts.
    is_shared: bool,
    /// Whether the handshake was replayed here; `None` for a session that began here.
    replay: Option<Replay>,
}

/// Held by the request during which a handshake is replayed; true when it was.
type Replay = Arc<tokio::sync::Mutex<bool>>;

/// What this process knows of a caller's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Nothing, or that it is not the caller's.
    Nothing,
    /// It is of this process alone.
    Here,
    /// It is of all instances.
    Everywhere,
}

#[derive(Debug, Default)]
struct Table {
    rows: HashMap<String, Row>,
    beginning: usize,
}

/// All sessions of one process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sessions {
    table: Arc<Mutex<Table>>,
    most: usize,
    idle: Duration,
    metrics: Metrics,
    shared: Option<Shared>,
}

/// A place for a session that is about to begin; given back when dropped.
#[derive(Debug)]
pub struct Place {
    sessions: Sessions,
}

impl Sessions {
    /// At most `most`, each forgotten after `idle` without a request.
    #[must_use]
    pub fn new(most: usize, idle: Duration, metrics: Metrics) -> Self {
        Self {
            table: Arc::default(),
            most,
            idle,
            metrics,
            shared: None,
        }
    }

    /// What is known here of a principal's session. One that belongs to another is answered like
    /// one that never was.
    fn known(&self, id: &str, principal: &str, now: Instant) -> Known {
        let mut table = self.lock();
        let idle = self.idle;
        match table.rows.get_mut(id) {
            Some(row) if row.owner == principal && now.duration_since(row.used_at) < idle => {
                row.used_at = now;
                if row.is_shared {
                    Known::Everywhere
                } else {
                    Known::Here
                }
            }
            _ => Known::Nothing,
        }
    }

    /// A place for a new session, or `None` when all are taken.
    #[must_use]
    pub fn begin(&self, now: Instant) -> Option<Place> {
        let mut table = self.lock();
        if table.rows.len() + table.beginning >= self.most {
            let idle = self.idle;
            table
                .rows
                .retain(|_, row| now.duration_since(row.used_at) < idle);
            self.metrics.sessions(table.rows.len());
        }
        if table.rows.len() + table.beginning >= self.most {
            return None;
        }
        table.beginning += 1;
        Some(Place {
            sessions: self.clone(),
        })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().rows.len()
    }

    /// Forgets a session that has ended.
    pub fn forget(&self, id: &str) {
        let mut table = self.lock();
        table.rows.remove(id);
        self.metrics.sessions(table.rows.len());
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The session has begun under this id.
    pub fn take(self, id: &str, principal: &str, now: Instant) {
        let row = Row {
            owner: principal.to_owned(),
            used_at: now,
            is_shared: false,
            replay: None,
        };
        self.enter(id, row);
    }

    fn enter(self, id: &str, row: Row) {
        let mut table = self.sessions.lock();
        table.rows.insert(id.to_owned(), row);
        self.sessions.metrics.sessions(table.rows.len());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.sessions.lock();
        table.beginning = table.beginning.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_longer_for_clients_and_the_same_for_the_library() {
        let own = uuid::Uuid::new_v4().to_string();
        let (one, two) = (lengthened(&own), lengthened(&own));
        assert_ne!(one, two);
        assert_eq!((inner(&one), inner(&two)), (&*own, &*own));
        assert_eq!(one.len(), INNER + 17);
    }

    #[test]
    fn a_session_is_its_owners_and_ends_when_idle() {
        let sessions = Sessions::new(2, Duration::from_secs(60), Metrics::new());
        let now = Instant::now();
        sessions.begin(now).unwrap().take("s1", "alice", now);
        assert_eq!(sessions.known("s1", "alice", now), Known::Here);
        assert_eq!(sessions.known("s1", "bob", now), Known::Nothing);
        assert_eq!(sessions.known("s2", "alice", now), Known::Nothing);
        let later = now + Duration::from_secs(61);
        assert_eq!(sessions.known("s1", "alice", later), Known::Nothing);
    }

    #[test]
    fn one_more_than_the_cap_is_refused_until_one_ends_or_idles() {
        let sessions = Sessions::new(2, Duration::from_secs(60), Metrics::new());
        let now = Instant::now();
        sessions.begin(now).unwrap().take("s1", "a", now);
        let place = sessions.begin(now).unwrap();
        assert!(sessions.begin(now).is_none());
        drop(place);
        sessions.begin(now).unwrap().take("s2", "a", now);
        assert!(sessions.begin(now).is_none());
        sessions.forget("s2");
        assert!(sessions.begin(now).is_some());
        sessions.begin(now).unwrap().take("s3", "a", now);
        assert!(sessions.begin(now + Duration::from_secs(61)).is_some());
    }
}
