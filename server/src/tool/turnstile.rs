//! One call at a time per key, so that the second of two equal calls finds the first one's answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Door, OwnedMutexGuard};

type Doors = Arc<Mutex<HashMap<String, Arc<Door<()>>>>>;

/// A set of doors, as many as keys in use.
#[derive(Debug, Clone, Default)]
pub struct Turnstile {
    doors: Doors,
}

/// The right to be the only one with a key, until dropped.
#[derive(Debug)]
pub struct Pass {
    doors: Doors,
    key: String,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turnstile {
    /// Waits for the key. The caller's deadline bounds the wait.
    pub async fn enter(&self, key: String) -> Pass {
        let door = {
            let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
            doors.entry(key.clone()).or_default().clone()
        };
        // Made before waiting, so that a wait that is given up tidies up as well.
        let mut pass = Pass {
            doors: self.doors.clone(),
            key,
            held: None,
        };
        pass.held = Some(door.lock_owned().await);
        pass
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.doors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        self.held = None;
        // Nobody else holds or awaits the door when only the table knows it.
        if doors
            .get(&self.key)
            .is_some_and(|door| Arc::strong_count(door) == 1)
        {
            doors.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn a_second_call_waits_and_an_unused_key_is_forgotten() {
        let turnstile = Turnstile::default();
        let first = turnstile.enter("k".into()).await;
        assert!(turnstile.enter("other".into()).now_or_never().is_some());
        let second = turnstile.enter("k".into());
        tokio::pin!(second);
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        let second = second.await;
        assert_eq!(turnstile.len(), 1);
        drop(second);
        assert_eq!(turnstile.len(), 0);
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_leaves_nothing_behind() {
        let turnstile = Turnstile::default();
        let first = turnstile.enter("k".into()).await;
        assert!(turnstile.enter("k".into()).now_or_never().is_none());
        drop(first);
        assert!(turnstile.enter("k".into()).now_or_never().is_some());
        assert_eq!(turnstile.len(), 0);
    }
}
