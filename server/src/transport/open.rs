//! The requests that wait for their answers, by id: of one connection, or of all HTTP sessions.

pub mod rpc;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::refusal::Refusal;

/// What is held for each open request; cheap to clone.
pub struct Open<T>(Arc<Inner<T>>);

struct Inner<T> {
    table: Mutex<Table<T>>,
    emptied: Notify,
    most: usize,
}

struct Table<T> {
    rows: HashMap<String, T>,
    /// Ended, with an answer that is not on its way yet.
    ending: usize,
}

/// Why a request is not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unopened {
    /// Another open request has this id.
    Taken,
    /// As many are open as may be.
    Full,
}

impl<T> Clone for Open<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Open<T> {
    /// At most `most` at once.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Inner {
            table: Mutex::new(Table {
                rows: HashMap::new(),
                ending: 0,
            }),
            emptied: Notify::new(),
            most,
        }))
    }

    /// Holds something for a request until it is ended.
    ///
    /// # Errors
    /// When the id is taken or the table is full.
    pub fn begin(&self, id: &str, held: T) -> Result<(), Unopened> {
        let mut table = self.lock();
        if table.rows.contains_key(id) {
            return Err(Unopened::Taken);
        }
        if table.rows.len() + table.ending >= self.0.most {
            return Err(Unopened::Full);
        }
        table.rows.insert(id.to_owned(), held);
        Ok(())
    }

    /// As [`Open::begin`], until the result is dropped.
    ///
    /// # Errors
    /// When the id is taken or the table is full.
    pub fn hold(&self, id: String, held: T) -> Result<Opened<T>, Unopened> {
        self.begin(&id, held)?;
        Ok(Opened {
            open: self.clone(),
            id,
        })
    }

    /// Looks at what is held for an open request; `None` when it is not open.
    pub fn look<R>(&self, id: &str, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.lock().rows.get(id).map(look)
    }

    /// Frees the id. The request counts as open until the result is dropped, which its answer
    /// should come before.
    pub fn end(&self, id: &str) -> Option<Ended<T>> {
        let mut table = self.lock();
        let held = table.rows.remove(id)?;
        table.ending += 1;
        drop(table);
        Some(Ended {
            open: self.clone(),
            _held: held,
        })
    }

    /// Waits until no request is open.
    pub async fn is_empty(&self) {
        let emptied = self.0.emptied.notified();
        let mut emptied = std::pin::pin!(emptied);
        // Registered before looking, so that an end in between is not missed.
        emptied.as_mut().enable();
        if !self.lock().is_empty() {
            emptied.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table<T>> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Table<T> {
    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.ending == 0
    }
}

/// A request that is open until this is dropped.
pub struct Opened<T> {
    open: Open<T>,
    id: String,
}

impl<T> Drop for Opened<T> {
    fn drop(&mut self) {
        drop(self.open.end(&self.id));
    }
}

/// A request whose answer is being sent.
pub struct Ended<T> {
    open: Open<T>,
    _held: T,
}

impl<T> Drop for Ended<T> {
    fn drop(&mut self) {
        let mut table = self.open.lock();
        table.ending -= 1;
        if table.is_empty() {
            self.open.0.emptied.notify_waiters();
        }
    }
}

impl Unopened {
    /// What the caller is told.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Taken => {
                let message = "This id belongs to a request that is still open; use another one.";
                Refusal::invalid("id_in_use", message)
            }
            Self::Full => {
                let message =
                    "Too many open requests on this connection; let one end and try again.";
                Refusal::over_count("too_many_open_requests", message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn an_id_is_taken_until_its_request_ends_and_the_table_is_bounded() {
        let open = Open::new(2);
        assert_eq!(open.begin("1", ()), Ok(()));
        assert_eq!(open.begin("1", ()), Err(Unopened::Taken));
        assert_eq!(open.begin("2", ()), Ok(()));
        assert_eq!(open.begin("3", ()), Err(Unopened::Full));
        let mut emptied = Box::pin(open.is_empty());
        assert!(emptied.as_mut().now_or_never().is_none());
        let ended = open.end("1").unwrap();
        assert_eq!(open.begin("1", ()), Err(Unopened::Full));
        drop(ended);
        assert!(emptied.as_mut().now_or_never().is_none());
        let ended = open.end("2").unwrap();
        assert!(emptied.as_mut().now_or_never().is_none());
        drop(ended);
        assert!(emptied.as_mut().now_or_never().is_some());
        assert!(open.end("2").is_none());
        let held = open.hold("2".into(), ()).ok().unwrap();
        assert_eq!(open.hold("2".into(), ()).err(), Some(Unopened::Taken));
        drop(held);
        assert!(open.hold("2".into(), ()).is_ok());
        assert_eq!(open.begin("1", ()), Ok(()));
    }
}
