//! The rates of several instances on one Redis, held together.
//!
//! No request waits for Redis. Each instance decides by its own buckets and tells what it took from
//! them ten times a second, and sooner once that is an eighth of a burst. Redis adds up, by its own
//! clock, and answers when each bucket is full again, which is what the instance goes by then. So
//! what anybody takes counts for all, and what several took at once beyond the burst is waited for:
//! over N instances every window of T seconds holds at most `rate * T`, N bursts and what is taken
//! in the time of two reports. Without Redis each instance keeps the rates by itself.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{Bucket, Nanos, Pace, Rates, SECOND, Tables};
use crate::store::shared::Shared;

/// How often the others are told at least, where there is anything to tell.
const PERIOD: Duration = Duration::from_millis(100);

/// The same, on the rates' clock.
const RECENT: Nanos = SECOND / 10;

/// How long after one report the next may follow: each is a write that waits for Redis' disk.
const GAP: Duration = Duration::from_millis(20);

/// How long a report may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long after a report that failed the next follows.
const AWAY: Duration = Duration::from_secs(1);

/// What part of a burst may be taken before the others are told at once.
const CREDIT: Nanos = 8;

/// Bursts that a bucket can be overdrawn by, whatever Redis' clock says.
const OVERDRAWN: Nanos = 16;

/// Buckets of one report.
const AT_ONCE: usize = 256;

/// Which bucket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    All,
    Address(IpAddr),
    Principal(String),
}

impl Key {
    fn name(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Address(address) => format!("address {address}"),
            Self::Principal(principal) => format!("principal {principal}"),
        }
    }
}

/// The buckets from which something was taken since the others were told.
#[derive(Debug, Default)]
pub(super) struct Account(Vec<Key>);

/// What was taken from one bucket, as time of its rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) key: Key,
    pub(super) span: Nanos,
}

impl Tables {
    /// Notes what was just taken; true when the others should be told at once.
    pub(super) fn note(&mut self, key: Key, bucket: Bucket, pace: Pace) -> bool {
        let Some(Account(keys)) = &mut self.account else {
            return false;
        };
        if bucket.untold <= pace.interval {
            keys.push(key);
        }
        bucket.untold >= pace.burst / CREDIT
    }

    fn bucket(&mut self, key: &Key) -> Option<(&mut Bucket, Pace)> {
        match key {
            Key::All => Some((&mut self.global, self.pace)),
            Key::Address(address) => {
                let bucket = self.addresses.buckets.get_mut(address)?;
                Some((bucket, self.addresses.pace))
            }
            Key::Principal(principal) => {
                let bucket = self.principals.buckets.get_mut(principal)?;
                Some((bucket, self.principals.pace))
            }
        }
    }
}

impl Rates {
    /// Accounts from now on for what is taken.
    pub fn account(&self) {
        self.lock().account.get_or_insert_default();
    }

    /// What was taken since the last report. Whole, though the bucket here may be full again: what
    /// each of several instances takes at the rate drains in each, and once altogether. What is
    /// older than a report's time, since others failed, is left out where it drained.
    pub(super) fn report(&self, now: Nanos) -> Vec<Taken> {
        let mut tables = self.lock();
        let keys = tables.account.as_mut().map(|account| &mut account.0);
        let keys = keys.map(std::mem::take).unwrap_or_default();
        let mut taken = Vec::with_capacity(keys.len());
        for key in keys {
            let Some((bucket, _)) = tables.bucket(&key) else {
                continue;
            };
            let untold = std::mem::take(&mut bucket.untold);
            let span = untold.min(bucket.full_at.saturating_sub(now) + RECENT);
            if span > 0 {
                taken.push(Taken { key, span });
            }
        }
        taken
    }

    /// All instances together have taken from a bucket so that it is full in `left`, said at some
    /// time in `span`. Where that leaves room for it, the instance's own view stays: a caller that
    /// was told how long to wait is not told otherwise when a report took longer than the last.
    pub(super) fn settle(&self, key: &Key, left: Nanos, span: Range<Nanos>) {
        let mut tables = self.lock();
        if let Some((bucket, pace)) = tables.bucket(key) {
            let left = left.min(pace.burst.saturating_mul(OVERDRAWN));
            let told = bucket.full_at.saturating_sub(bucket.untold);
            let told = told.clamp(span.start + left, span.end.max(span.start) + left);
            bucket.full_at = told.saturating_add(bucket.untold);
        }
    }

    /// A report that may not have come to anything is told again.
    fn put_back(&self, taken: &[Taken]) {
        let mut tables = self.lock();
        for Taken { key, span } in taken {
            let Some((bucket, _)) = tables.bucket(key) else {
                continue;
            };
            let is_new = bucket.untold == 0;
            bucket.untold = bucket.untold.saturating_add(*span);
            if let Some(account) = tables.account.as_mut().filter(|_| is_new) {
                account.0.push(key.clone());
            }
        }
    }
}

/// Tells and is told until cancelled; `epoch` is the zero of the rates' clock.
pub async fn keep(rates: Arc<Rates>, shared: Shared, epoch: Instant, ending: CancellationToken) {
    let keeping = async {
        loop {
            let is_told = tell(&rates, &shared, epoch).await;
            tokio::time::sleep(if is_told { GAP } else { AWAY }).await;
            // Either will do: somebody took much, or it is time.
            let _ = tokio::time::timeout(PERIOD - GAP, rates.due.notified()).await;
        }
    };
    tokio::select! {
        () = keeping => {}
        () = ending.cancelled() => {}
    }
}

async fn tell(rates: &Rates, shared: &Shared, epoch: Instant) -> bool {
    let now = || u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let taken = rates.report(now());
    let mut rest = &taken[..];
    while !rest.is_empty() {
        let (some, others) = rest.split_at(rest.len().min(AT_ONCE));
        let told = some
            .iter()
            .map(|one| (one.key.name(), one.span.div_ceil(MICRO)));
        let told: Vec<_> = told.collect();
        let asked_at = now();
        let Ok(Ok(left)) = tokio::time::timeout(PATIENCE, shared.take_rates(&told)).await else {
            rates.put_back(rest);
            return false;
        };
        for (one, left) in some.iter().zip(left) {
            rates.settle(&one.key, left.saturating_mul(MICRO), asked_at..now());
        }
        rest = others;
    }
    true
}

/// Nanoseconds in a microsecond, which is what Redis counts in.
const MICRO: Nanos = SECOND / 1_000_000;

#[cfg(test)]
#[path = "together/tests.rs"]
mod tests;
