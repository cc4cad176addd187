//! Calls in flight: so many in all, so many a session. Over the limit is a typed refusal, never a
//! queue.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::failure::{Category, Failure};
use crate::observe::Metrics;

/// When to try again; calls of seconds end all the time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    sessions: HashMap<String, usize>,
    /// When each permit that is out was taken, by its number.
    taken: BTreeMap<u64, Instant>,
    next: u64,
}

/// The permits of one process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Permits {
    counts: Arc<Mutex<Counts>>,
    limit: usize,
    session_limit: usize,
    metrics: Metrics,
}

/// One call in flight, until dropped.
#[derive(Debug)]
pub struct Permit {
    permits: Permits,
    number: u64,
    session: Option<String>,
}

impl Permits {
    /// `limit` calls in all, `session_limit` in one session.
    #[must_use]
    pub fn new(limit: usize, session_limit: usize, metrics: Metrics) -> Self {
        Self {
            counts: Arc::default(),
            limit,
            session_limit,
            metrics,
        }
    }

    /// Takes a permit.
    ///
    /// # Errors
    /// `over_capacity` or `session_over_capacity`, a `rate_limit_error` with a time to wait.
    pub fn take(&self, session: Option<&str>) -> Result<Permit, Failure> {
        let mut counts = self.lock();
        if counts.all >= self.limit {
            return Err(over(
                "over_capacity",
                "This server has as many calls in flight as it may",
            ));
        }
        if let Some(session) = session {
            let held = counts.sessions.entry(session.to_owned()).or_default();
            if *held >= self.session_limit {
                let message = "This session has as many calls in flight as it may";
                return Err(over("session_over_capacity", message));
            }
            *held += 1;
        }
        counts.all += 1;
        self.metrics.in_flight(counts.all);
        counts.next += 1;
        let number = counts.next;
        counts.taken.insert(number, Instant::now());
        Ok(Permit {
            permits: self.clone(),
            number,
            session: session.map(str::to_owned),
        })
    }

    /// Calls in flight right now.
    #[must_use]
    pub fn current(&self) -> usize {
        self.lock().all
    }

    /// Permits that are out for longer than any call may take, at `now`: whoever took them is gone
    /// and did not give them back. One that is merely busy is none of them.
    #[must_use]
    pub fn overdue(&self, longest: Duration, now: Instant) -> usize {
        let counts = self.lock();
        let taken = counts.taken.values();
        // They are in the order of their taking.
        taken
            .take_while(|taken| now.saturating_duration_since(**taken) > longest)
            .count()
    }

    /// Calls in flight allowed.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn over(code: &'static str, message: &str) -> Failure {
    Failure::new(
        Category::RateLimitError,
        code,
        format!("{message}. Try again in a second."),
    )
    .with_retry_after(RETRY_AFTER)
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.permits.lock();
        counts.all = counts.all.saturating_sub(1);
        counts.taken.remove(&self.number);
        self.permits.metrics.in_flight(counts.all);
        if let Some(session) = self.session.take()
            && let Some(held) = counts.sessions.get_mut(&session)
        {
            *held = held.saturating_sub(1);
            if *held == 0 {
                counts.sessions.remove(&session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_that_was_forgotten_is_overdue_and_busy_ones_are_not() {
        let permits = Permits::new(8, 8, Metrics::new());
        let busy: Vec<Permit> = (0..7).map(|_| permits.take(None).unwrap()).collect();
        let longest = Duration::from_secs(60);
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(61));
        assert_eq!(
            permits.overdue(longest, now),
            0,
            "busy permits are taken for a leak"
        );
        drop(busy);
        assert_eq!(permits.overdue(longest, later), 0);
        // A task that never ends and is never dropped.
        std::mem::forget(permits.take(None).unwrap());
        assert_eq!(permits.overdue(longest, now), 0);
        assert_eq!(permits.overdue(longest, later), 1);
    }

    #[test]
    fn each_limit_refuses_one_more_and_a_dropped_permit_is_free_again() {
        let permits = Permits::new(3, 2, Metrics::new());
        let first = permits.take(Some("a")).unwrap();
        let _second = permits.take(Some("a")).unwrap();
        assert_eq!(
            permits.take(Some("a")).unwrap_err().code,
            "session_over_capacity"
        );
        let _third = permits.take(Some("b")).unwrap();
        let refused = permits.take(None).unwrap_err();
        assert_eq!(
            (refused.code, refused.category),
            ("over_capacity", Category::RateLimitError)
        );
        assert!(refused.retry_after.is_some());
        drop(first);
        assert_eq!(permits.current(), 2);
        assert!(permits.take(Some("a")).is_ok());
        assert_eq!(permits.lock().sessions.len(), 2);
    }
}
