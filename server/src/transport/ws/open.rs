//! The requests of one connection that wait for their answers, by id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What is held for each open request; cheap to clone.
pub struct Open<T>(Arc<Inner<T>>);

struct Inner<T> {
    table: Mutex<HashMap<String, T>>,
    emptied: Notify,
    most: usize,
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
            table: Mutex::new(HashMap::new()),
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
        if table.contains_key(id) {
            return Err(Unopened::Taken);
        }
        if table.len() >= self.0.most {
            return Err(Unopened::Full);
        }
        table.insert(id.to_owned(), held);
        Ok(())
    }

    /// The request was answered or given up.
    pub fn end(&self, id: &str) -> Option<T> {
        let mut table = self.lock();
        let held = table.remove(id);
        if table.is_empty() {
            self.0.emptied.notify_waiters();
        }
        held
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

    fn lock(&self) -> MutexGuard<'_, HashMap<String, T>> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert_eq!(open.end("1"), Some(()));
        assert!(emptied.as_mut().now_or_never().is_none());
        assert_eq!(open.end("2"), Some(()));
        assert!(emptied.as_mut().now_or_never().is_some());
        assert_eq!(open.end("2"), None);
        assert_eq!(open.begin("1", ()), Ok(()));
    }
}
