//! The breaker before Redis. Closed lets every command through and counts the failures in a row;
//! Open refuses at once, while a lookout waits for Redis; HalfOpen lets one command through, which
//! tries the link before it uses it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::router::breaker::{
    self, Breaker, BreakerSettings, Decision, Event, Position, Ticket, Verdict,
};
use crate::store::StoreError;

/// When the breaker opens, and who is told that it moved.
#[derive(Clone)]
pub struct Guarding {
    /// Failures and intervals.
    pub settings: BreakerSettings,
    /// Told of each move: from and to.
    pub moved: Moved,
}

/// Told of a breaker's moves.
pub type Moved = Arc<dyn Fn(Position, Position) + Send + Sync>;

impl fmt::Debug for Guarding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Guarding")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Default for Guarding {
    fn default() -> Self {
        let settings = BreakerSettings {
            failures: 5,
            first_open: Duration::from_secs(1),
            max_open: Duration::from_secs(2),
        };
        Self {
            settings,
            moved: Arc::new(|_, _| {}),
        }
    }
}

/// The breaker's state.
pub(super) struct Guard {
    guarding: Guarding,
    state: Mutex<Breaker>,
    /// Whether a lookout is out.
    is_watched: AtomicBool,
}

/// How a command passes.
pub(super) enum Pass<'a> {
    /// As all do; its result is noted with the ticket.
    Free(Ticket),
    /// As the one that tries the link.
    Trial(Trial<'a>),
}

/// The one command that a half-open breaker lets through; given up when dropped.
pub(super) struct Trial<'a> {
    guard: &'a Guard,
    ticket: Ticket,
    verdict: Verdict,
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        self.guard.step(Event::Done(self.ticket, self.verdict));
    }
}

impl Trial<'_> {
    /// Notes how it ended, and gives the ticket of the commands that it made way for.
    pub(super) fn settle<T>(mut self, result: &Result<T, StoreError>) -> Ticket {
        self.verdict = verdict(result);
        let mut next = self.ticket;
        next.is_probe = false;
        next
    }
}

impl Guard {
    pub(super) fn new(guarding: Guarding) -> Self {
        Self {
            guarding,
            state: Mutex::default(),
            is_watched: AtomicBool::new(false),
        }
    }

    /// Lets a command pass, or refuses it.
    pub(super) fn admit(&self) -> Result<Pass<'_>, StoreError> {
        match self.step(Event::Ask) {
            Decision::Admit(ticket) if ticket.is_probe => Ok(Pass::Trial(Trial {
                guard: self,
                ticket,
                verdict: Verdict::Abandoned,
            })),
            Decision::Admit(ticket) => Ok(Pass::Free(ticket)),
            Decision::Refuse(wait) => Err(refused(wait)),
            Decision::Noted => Err(refused(Duration::ZERO)),
        }
    }

    /// Counts a command's result. What was let through before the breaker last opened says nothing
    /// of the Redis that has answered since.
    pub(super) fn note<T>(&self, ticket: Ticket, result: &Result<T, StoreError>) {
        self.step(Event::Done(ticket, verdict(result)));
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().position() == Position::Open
    }

    /// Whether the breaker is open and nobody looks out; who asks is taken to do so.
    pub(super) fn wants_lookout(&self) -> bool {
        self.is_open() && !self.is_watched.swap(true, Ordering::AcqRel)
    }

    /// Redis answered, or there was nothing left to look out for: the next command may try.
    pub(super) fn lookout_is_back(&self) {
        self.is_watched.store(false, Ordering::Release);
        self.step(Event::Alive);
    }

    fn step(&self, event: Event) -> Decision {
        let mut state = self.lock();
        let taken = breaker::step(*state, event, Instant::now(), &self.guarding.settings);
        *state = taken.state;
        drop(state);
        if let Some((from, to)) = taken.transition {
            tracing::warn!(
                dependency = "redis",
                from = from.name(),
                to = to.name(),
                "breaker moved"
            );
            (self.guarding.moved)(from, to);
        }
        taken.decision
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(wait: Duration) -> StoreError {
    StoreError::Unavailable(format!(
        "redis failed again and again; it is tried in {} ms",
        wait.as_millis()
    ))
}

fn verdict<T>(result: &Result<T, StoreError>) -> Verdict {
    match result {
        Ok(_) => Verdict::Success,
        Err(StoreError::Unavailable(_)) => Verdict::Failure,
        // It answered, if only to refuse.
        Err(_) => Verdict::Business,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Result<(), StoreError> {
        Err(StoreError::Unavailable("timed out".into()))
    }

    fn pass(guard: &Guard) -> Ticket {
        match guard.admit() {
            Ok(Pass::Free(ticket)) => ticket,
            Ok(Pass::Trial(_)) => panic!("a trial, where all should pass"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_was_sent_before_the_breaker_opened_does_not_open_it_again_once_redis_is_back() {
        let guard = Guard::new(Guarding::default());
        let bound = Guarding::default().settings.failures;
        let late: Vec<Ticket> = (0..bound).map(|_| pass(&guard)).collect();
        (0..bound).for_each(|_| guard.note(pass(&guard), &lost()));
        assert!(guard.is_open());
        guard.lookout_is_back();
        let Ok(Pass::Trial(trial)) = guard.admit() else {
            panic!("redis is there, and nobody may try it");
        };
        let next = trial.settle(&Ok(()));
        late.iter().for_each(|ticket| guard.note(*ticket, &lost()));
        assert!(!guard.is_open(), "opened by commands of the outage before");
        // What comes after the trial counts again.
        (0..bound).for_each(|_| guard.note(next, &lost()));
        assert!(guard.is_open());
    }
}
