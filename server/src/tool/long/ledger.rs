//! The kept calls in the store: found, waited for, worked on, ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{LongCall, Outcome, Standing, now_ms};
use crate::failure::Failure;
use crate::store::{CallChange, CallId, CallStep, Store, StoreError};
use crate::tool::call::Reply;

/// How often whoever works on a kept call looks whether it should stop.
const LOOK: Duration = Duration::from_millis(500);

/// Every so many looks are a sign of life, which is written.
const LOOKS_A_BEAT: u32 = 6;

/// How often an end is looked for on behalf of whoever waits for it.
const POLL: Duration = Duration::from_millis(250);

/// Tries to keep an end, with waits from [`POLL`] on that double: half a minute together.
const TRIES: u32 = 7;

/// The kept calls of all principals; cheap to clone.
#[derive(Debug, Clone)]
pub struct LongCalls {
    store: Store,
}

impl LongCalls {
    /// Calls kept in `store`.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Finds a call of `owner`.
    ///
    /// # Errors
    /// `call_not_found`, or an outage of the store.
    pub async fn find(&self, owner: &Arc<str>, handle: &str) -> Result<LongCall, Failure> {
        let id: CallId = handle.parse().map_err(|_| not_found())?;
        let read = self.store.read_call(owner, id, now_ms()).await;
        let call = read.and_then(|stored| LongCall::read(id, owner, stored));
        call.map_err(|error| match error {
            StoreError::NotFound => not_found(),
            outage => outage.into(),
        })
    }

    /// Waits for the end of a call, for `patience` at most; then it is told as it stands.
    ///
    /// # Errors
    /// See [`LongCalls::find`].
    pub async fn wait(&self, call: LongCall, patience: Duration) -> Result<LongCall, Failure> {
        let due = Instant::now() + patience;
        let (owner, handle) = (Arc::clone(&call.owner), call.id.to_string());
        let mut call = call;
        while call.standing == Standing::Working && Instant::now() + POLL < due {
            tokio::time::sleep(POLL).await;
            call = self.find(&owner, &handle).await?;
        }
        Ok(call)
    }

    /// Asks whoever works on a call to stop.
    ///
    /// # Errors
    /// See [`LongCalls::find`].
    pub async fn cancel(&self, owner: &Arc<str>, handle: &str) -> Result<(), Failure> {
        let call = self.find(owner, handle).await?;
        if call.standing == Standing::Working {
            self.change(&call, CallStep::AskCancel).await?;
        }
        Ok(())
    }

    /// Keeps a call from now on.
    pub(in crate::tool) async fn begin(&self, call: &LongCall) -> Result<(), StoreError> {
        let facts = serde_json::to_string(&call.facts)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        self.change(call, CallStep::Begin { facts }).await
    }

    /// Keeps how a call ended. The answer is paid for, so an outage is waited out for a while.
    pub(in crate::tool) async fn settle(&self, call: &LongCall, ended: &Result<Reply, Failure>) {
        let outcome = Outcome::from(ended);
        let Ok(outcome) = serde_json::to_string(&outcome) else {
            return;
        };
        let mut wait = POLL;
        for _ in 0..TRIES {
            let step = CallStep::Settle {
                outcome: outcome.clone(),
            };
            match self.change(call, step).await {
                Err(error) if error.is_outage() => tokio::time::sleep(wait).await,
                _ => return,
            }
            wait *= 2;
        }
        tracing::error!(call = %call.id, "the end of a call could not be kept");
    }

    /// Gives signs of life of a call that is worked on, and stops it when that was asked for.
    pub(in crate::tool) async fn attend(&self, call: &LongCall, stop: &CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for look in 0_u32.. {
            ticks.tick().await;
            // An outage shorter than the store's patience with us does no harm.
            if look.is_multiple_of(LOOKS_A_BEAT) {
                drop(self.change(call, CallStep::Beat).await);
            }
            let read = self.store.read_call(&call.owner, call.id, now_ms()).await;
            if read.is_ok_and(|stored| stored.is_cancel_asked) {
                stop.cancel();
                return;
            }
        }
    }

    async fn change(&self, call: &LongCall, step: CallStep) -> Result<(), StoreError> {
        let change = CallChange {
            owner: call.owner.to_string(),
            id: call.id,
            now_ms: now_ms(),
            step,
        };
        self.store.change_call(&change).await
    }
}

fn not_found() -> Failure {
    Failure::validation(
        "/continuation_id",
        "There is no such call: it never existed, or it ended long ago. \
         Call again without continuation_id.",
    )
    .with_code("call_not_found")
}
