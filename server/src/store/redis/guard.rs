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
    /// Notes how it ended.
    pub(super) fn settle<T>(mut self, result: &Result<T, StoreError>) {
        self.verdict = verdict(result);
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

    /// Lets a command pass, or refuses it: `Some` when it is the one that tries the link.
    pub(super) fn admit(&self) -> Result<Option<Trial<'_>>, StoreError> {
        match self.step(Event::Ask) {
            Decision::Admit(ticket) if ticket.is_probe => Ok(Some(Trial {
                guard: self,
                ticket,
                verdict: Verdict::Abandoned,
            })),
            Decision::Admit(_) | Decision::Noted => Ok(None),
            Decision::Refuse(wait) => Err(StoreError::Unavailable(format!(
                "redis failed again and again; it is tried in {} ms",
                wait.as_millis()
            ))),
        }
    }

    /// Counts a command's result while calls pass; what comes later says nothing new.
    pub(super) fn note<T>(&self, result: &Result<T, StoreError>) {
        if self.lock().position() != Position::Closed {
            return;
        }
        if let Decision::Admit(ticket) = self.step(Event::Ask) {
            self.step(Event::Done(ticket, verdict(result)));
        }
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

fn verdict<T>(result: &Result<T, StoreError>) -> Verdict {
    match result {
        Ok(_) => Verdict::Success,
        Err(StoreError::Unavailable(_)) => Verdict::Failure,
        // It answered, if only to refuse.
        Err(_) => Verdict::Business,
    }
}
