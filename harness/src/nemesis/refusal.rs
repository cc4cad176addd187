//! A Redis that answers and refuses writes: full, or a replica of nobody.

use std::time::Duration;

use exai_judge::fault::FaultKind;
use tokio::time::{Instant, sleep_until};

use super::{Landed, Nemesis, NemesisError, Probe, writes};
use crate::redis::{RedisError, RedisStore, WireError};
use crate::supervisor::Role;

/// What makes it refuse, what undoes that, and the error it then counts.
struct Manner {
    break_it: &'static [&'static str],
    heal_it: &'static [&'static str],
    counter: &'static str,
}

const FULL: Manner = Manner {
    break_it: &["CONFIG", "SET", "maxmemory", "1"],
    heal_it: &["CONFIG", "SET", "maxmemory", "0"],
    counter: "errorstat_OOM",
};

/// Port 1 of loopback answers nobody, so that no data is ever taken over from there.
const READ_ONLY: Manner = Manner {
    break_it: &["REPLICAOF", "127.0.0.1", "1"],
    heal_it: &["REPLICAOF", "NO", "ONE"],
    counter: "errorstat_READONLY",
};

impl Nemesis {
    /// Makes the store refuse writes for `window`, for lack of memory.
    ///
    /// # Errors
    /// When it did not take the order, or did not heal in time.
    pub async fn fill(&self, store: &RedisStore, window: Duration) -> Result<Landed, NemesisError> {
        self.refuse_writes(FaultKind::Full, &FULL, store, window)
            .await
    }

    /// Makes the store refuse writes for `window`, as a replica.
    ///
    /// # Errors
    /// When it did not take the order, or did not heal in time.
    pub async fn make_read_only(
        &self,
        store: &RedisStore,
        window: Duration,
    ) -> Result<Landed, NemesisError> {
        self.refuse_writes(FaultKind::ReadOnly, &READ_ONLY, store, window)
            .await
    }

    async fn refuse_writes(
        &self,
        kind: FaultKind,
        manner: &Manner,
        store: &RedisStore,
        window: Duration,
    ) -> Result<Landed, NemesisError> {
        let deed = self.deed("store", kind);
        let probe: Probe = writes(store.address(), store.password());
        deed.injected();
        let until = Instant::now() + window;
        store.command(manner.break_it).await?;
        let before = refusals(store, manner).await?;
        let own = store.command(&["SET", "p:full", "1", "PX", "1000"]).await;
        let is_refused = match own {
            Err(RedisError::Command(WireError::Refused { said, .. })) => {
                deed.cause(format!("the store refused a write of ours: {said}"));
                true
            }
            Ok(_) => {
                deed.not_landed("the store accepted a write of ours");
                false
            }
            Err(error) => {
                deed.not_landed(error.to_string());
                false
            }
        };
        sleep_until(until).await;
        // One refusal was ours; the others were felt by those who use the store.
        let theirs = refusals(store, manner).await?.saturating_sub(before + 1);
        match theirs {
            0 => deed.not_landed(format!("{} rose by our own write alone", manner.counter)),
            _ => deed.effect(format!("{} rose by {theirs}", manner.counter)),
        }
        store.command(manner.heal_it).await?;
        deed.heal(&probe, Role::Rig).await?;
        Ok(Landed::when(is_refused && theirs > 0))
    }
}

/// How often the store has refused in this manner: `errorstat_OOM:count=3`.
async fn refusals(store: &RedisStore, manner: &Manner) -> Result<u64, RedisError> {
    let info = store.info().await?;
    let count = info
        .get(manner.counter)
        .and_then(|text| text.strip_prefix("count="));
    Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
}
