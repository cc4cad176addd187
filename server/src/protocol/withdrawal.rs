//! Requests that their client took back.
//!
//! The library cancels a request's token when its client says so and, over HTTP in 2026-07-28, when
//! the connection is lost as well. The two differ: an answer that was paid for is wanted after a
//! lost connection and not after a wish to stop. Only a notification is a wish, so those are
//! matched with the requests that are open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::RequestId;
use tokio_util::sync::CancellationToken;

/// How long after a token the notification that cancelled it is waited for; the library hands it
/// on in the next moment.
const MATCHING: Duration = Duration::from_millis(500);

type Open = HashMap<RequestId, CancellationToken>;

/// The open requests of one client; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Withdrawals(Arc<Mutex<Open>>);

/// An open request, until dropped.
#[derive(Debug)]
pub struct Revocable {
    all: Withdrawals,
    id: RequestId,
    withdrawn: CancellationToken,
}

impl Withdrawals {
    /// A request that may be taken back.
    #[must_use]
    pub fn open(&self, id: RequestId) -> Revocable {
        let withdrawn = CancellationToken::new();
        self.lock().insert(id.clone(), withdrawn.clone());
        Revocable {
            all: self.clone(),
            id,
            withdrawn,
        }
    }

    /// Takes a request back, if it is open.
    pub fn withdraw(&self, id: &RequestId) {
        if let Some(withdrawn) = self.lock().get(id) {
            withdrawn.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Revocable {
    /// Cancelled when the request was taken back.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.withdrawn.clone()
    }

    /// Waits until nobody waits for the answer any more. When that is the client's wish, the
    /// request's own token has been cancelled before.
    pub async fn gone(&self, cancelled: &CancellationToken) {
        cancelled.cancelled().await;
        let _ = tokio::time::timeout(MATCHING, self.withdrawn.cancelled()).await;
    }
}

impl Drop for Revocable {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_notification_withdraws_its_own_request_and_a_lost_connection_none() {
        let all = Withdrawals::default();
        let first = all.open(RequestId::Number(1));
        let second = all.open(RequestId::Number(2));
        all.withdraw(&RequestId::Number(1));
        assert!(first.token().is_cancelled());
        let lost = CancellationToken::new();
        lost.cancel();
        second.gone(&lost).await;
        assert!(!second.token().is_cancelled());
        drop((first, second));
        assert!(all.lock().is_empty());
    }
}
