//! Sustained rates as token buckets, pure: time comes in, nothing is measured here.
//!
//! A bucket is one number, the time at which it will be full again; a request is accepted when
//! that time is at most the burst away. So in every window of T seconds at most `rate * T + burst`
//! requests are accepted, and under pressure `rate * T` are. Three scopes are taken together or not
//! at all: a refusal by one costs the others nothing. How several instances hold their rates
//! together is in `rate/together.rs`.

pub mod together;

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use together::{Account, Key};
use tokio::sync::Notify;

use crate::config::Rate;

/// Nanoseconds since any fixed moment; only differences count.
pub type Nanos = u64;

const SECOND: Nanos = 1_000_000_000;

/// How often unused buckets are looked for.
const SWEEP: Nanos = 60 * SECOND;

/// A rate and its burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    interval: Nanos,
    burst: Nanos,
}

/// When a bucket will be full again. A bucket never used is full: zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Nanos,
    /// What this instance took and has not told the others, as time of the rate.
    untold: Nanos,
}

impl Pace {
    /// `rate` a second, of which `burst` worth may come at once (one request at least).
    #[must_use]
    pub fn new(rate: u32, burst: Duration) -> Self {
        let interval = SECOND / Nanos::from(rate.max(1));
        let burst = Nanos::try_from(burst.as_nanos()).unwrap_or(Nanos::MAX / 4);
        Self {
            interval,
            burst: burst.max(interval),
        }
    }

    /// How long until the bucket takes a request; zero means now.
    #[must_use]
    pub fn wait(self, bucket: Bucket, now: Nanos) -> Nanos {
        let after = bucket.full_at.max(now) + self.interval;
        after.saturating_sub(now.saturating_add(self.burst))
    }

    /// The bucket after a request.
    #[must_use]
    pub fn take(self, bucket: Bucket, now: Nanos) -> Bucket {
        Bucket {
            full_at: bucket.full_at.max(now) + self.interval,
            untold: bucket.untold.saturating_add(self.interval),
        }
    }
}

/// Which rate refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All callers together.
    Global,
    /// One client address.
    Address,
    /// One verified principal.
    Principal,
}

impl Scope {
    /// The reason's code.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Global => "rate_global",
            Self::Address => "rate_address",
            Self::Principal => "rate_principal",
        }
    }
}

/// A refusal by a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverRate {
    /// The rate that refused.
    pub scope: Scope,
    /// When a request will be accepted, if nobody else comes first.
    pub wait: Duration,
}

/// Buckets by key, bounded.
#[derive(Debug)]
struct Table<K> {
    buckets: HashMap<K, Bucket>,
    pace: Pace,
    capacity: usize,
    swept_at: Nanos,
}

impl<K: Hash + Eq> Table<K> {
    fn new(pace: Pace, capacity: usize) -> Self {
        Self {
            buckets: HashMap::new(),
            pace,
            capacity,
            swept_at: 0,
        }
    }

    fn wait(&mut self, key: &K, now: Nanos) -> Nanos {
        if let Some(bucket) = self.buckets.get(key) {
            return self.pace.wait(*bucket, now);
        }
        if self.buckets.len() >= self.capacity {
            // A full bucket equals one that was never used: dropping it loses nothing.
            self.drop_idle(now, 0);
        }
        let is_crowded = self.buckets.len() >= self.capacity;
        if is_crowded { SECOND } else { 0 }
    }

    fn take(&mut self, key: K, now: Nanos) -> Bucket {
        let bucket = self.buckets.entry(key).or_default();
        *bucket = self.pace.take(*bucket, now);
        *bucket
    }

    fn drop_idle(&mut self, now: Nanos, idle: Nanos) {
        self.buckets
            .retain(|_, bucket| bucket.full_at.saturating_add(idle) > now);
        self.swept_at = now;
    }

    fn sweep(&mut self, now: Nanos, idle: Nanos) {
        if now.saturating_sub(self.swept_at) > SWEEP {
            self.drop_idle(now, idle);
        }
    }
}

#[derive(Debug)]
struct Tables {
    global: Bucket,
    pace: Pace,
    addresses: Table<IpAddr>,
    principals: Table<String>,
    /// `None` where this is the only instance.
    account: Option<Account>,
}

/// The three scopes of one listener.
#[derive(Debug)]
pub struct Rates {
    idle: Nanos,
    tables: Mutex<Tables>,
    /// Much was taken since the others were told.
    due: Notify,
}

impl Rates {
    /// Full buckets.
    #[must_use]
    pub fn new(rate: &Rate) -> Self {
        let address = Pace::new(rate.address, rate.burst);
        let principal = Pace::new(rate.principal, rate.burst);
        let tables = Tables {
            global: Bucket::default(),
            pace: Pace::new(rate.global, rate.burst),
            addresses: Table::new(address, rate.table),
            principals: Table::new(principal, rate.table),
            account: None,
        };
        Self {
            idle: Nanos::try_from(rate.idle.as_nanos()).unwrap_or(Nanos::MAX),
            tables: Mutex::new(tables),
            due: Notify::new(),
        }
    }

    /// Other rates from now on; what was taken from the buckets stays taken.
    pub fn set(&self, rate: &Rate) {
        let mut tables = self.lock();
        tables.pace = Pace::new(rate.global, rate.burst);
        tables.addresses.pace = Pace::new(rate.address, rate.burst);
        tables.principals.pace = Pace::new(rate.principal, rate.burst);
    }

    /// Accepts a request, or says which rate refused it and for how long. A request without a
    /// verified principal counts for its address and for all.
    ///
    /// # Errors
    /// The narrowest scope that refuses; nothing was taken from any.
    pub fn take(
        &self,
        now: Nanos,
        address: IpAddr,
        principal: Option<&str>,
    ) -> Result<(), OverRate> {
        let address = network(address);
        let mut guard = self.lock();
        let tables = &mut *guard;
        tables.addresses.sweep(now, self.idle);
        tables.principals.sweep(now, self.idle);
        let owner = principal.map(str::to_owned);
        let waits = [
            (
                Scope::Principal,
                owner.as_ref().map_or(0, |p| tables.principals.wait(p, now)),
            ),
            (Scope::Address, tables.addresses.wait(&address, now)),
            (Scope::Global, tables.pace.wait(tables.global, now)),
        ];
        if let Some((scope, _)) = waits.iter().find(|(_, wait)| *wait > 0) {
            let longest = waits.iter().map(|(_, wait)| *wait).max().unwrap_or(SECOND);
            return Err(OverRate {
                scope: *scope,
                wait: Duration::from_nanos(longest),
            });
        }
        let mut is_due = false;
        if let Some(owner) = owner {
            let (bucket, pace) = (
                tables.principals.take(owner.clone(), now),
                tables.principals.pace,
            );
            is_due |= tables.note(Key::Principal(owner), bucket, pace);
        }
        let (bucket, pace) = (tables.addresses.take(address, now), tables.addresses.pace);
        is_due |= tables.note(Key::Address(address), bucket, pace);
        tables.global = tables.pace.take(tables.global, now);
        is_due |= tables.note(Key::All, tables.global, tables.pace);
        if is_due {
            self.due.notify_one();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one address: an IPv4 address, or an IPv6 network of 64 bits.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
#[path = "rate/tests.rs"]
mod tests;
