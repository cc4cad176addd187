//! The breaker before a database. Closed lets every command through and counts the failures in a
//! row; Open refuses at once, while somebody looks out for the database; HalfOpen lets one command
//! through.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::router::breaker::{
    self, Breaker, BreakerSettings, Decision, Event, Position, Ticket, Verdict,
};

/// When the breaker opens, and who is told that it moved.
#[derive(Clone)]
pub struct Guarding {
    /// What it stands before, as logs and metrics name it.
    pub dependency: &'static str,
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

impl Guarding {
    /// Before this dependency, by the configuration's defaults for Redis; nobody is told.
    #[must_use]
    pub fn of(dependency: &'static str) -> Self {
        let settings = BreakerSettings {
            failures: 5,
            first_open: Duration::from_secs(1),
            max_open: Duration::from_secs(2),
        };
        Self {
            dependency,
            settings,
            moved: Arc::new(|_, _| {}),
        }
    }
}

/// The breaker's state.
pub(crate) struct Guard {
    guarding: Guarding,
    state: Mutex<Breaker>,
    /// Whether a lookout is out.
    is_watched: AtomicBool,
}

/// How a command passes.
pub(crate) enum Pass<'a> {
    /// As all do; its result is noted with the ticket.
    Free(Ticket),
    /// As the one that tries whether the database is there.
    Trial(Trial<'a>),
}

/// The one command that a half-open breaker lets through; given up when dropped.
pub(crate) struct Trial<'a> {
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
    pub(crate) fn settle(mut self, verdict: Verdict) -> Ticket {
        self.verdict = verdict;
        let mut next = self.ticket;
        next.is_probe = false;
        next
    }
}

impl Guard {
    pub(crate) fn new(guarding: Guarding) -> Self {
        Self {
            guarding,
            state: Mutex::default(),
            is_watched: AtomicBool::new(false),
        }
    }

    /// Lets a command pass, or refuses it, in words that name the time until one is let through.
    pub(crate) fn admit(&self) -> Result<Pass<'_>, String> {
        match self.step(Event::Ask) {
            Decision::Admit(ticket) if ticket.is_probe => Ok(Pass::Trial(Trial {
                guard: self,
                ticket,
                verdict: Verdict::Abandoned,
            })),
            Decision::Admit(ticket) => Ok(Pass::Free(ticket)),
            Decision::Refuse(wait) => Err(self.refusal(wait)),
            Decision::Noted => Err(self.refusal(Duration::ZERO)),
        }
    }

    /// Counts a command's result. What was let through before the breaker last opened says nothing
    /// of the database that has answered since.
    pub(crate) fn note(&self, ticket: Ticket, verdict: Verdict) {
        self.step(Event::Done(ticket, verdict));
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().position() == Position::Open
    }

    /// Whether the breaker is open and nobody looks out; who asks is taken to do so.
    pub(crate) fn wants_lookout(&self) -> bool {
        self.is_open() && !self.is_watched.swap(true, Ordering::AcqRel)
    }

    /// The lookout saw the database answer, or had nothing left to look out for.
    pub(crate) fn lookout_is_back(&self) {
        self.is_watched.store(false, Ordering::Release);
        self.answered();
    }

    /// The database answered outside of any command: the next command may try.
    pub(crate) fn answered(&self) {
        self.step(Event::Alive);
    }

    fn refusal(&self, wait: Duration) -> String {
        let (name, wait) = (self.guarding.dependency, wait.as_millis());
        format!("{name} failed again and again; it is tried in {wait} ms")
    }

    fn step(&self, event: Event) -> Decision {
        let mut state = self.lock();
        let taken = breaker::step(*state, event, Instant::now(), &self.guarding.settings);
        *state = taken.state;
        drop(state);
        if let Some((from, to)) = taken.transition {
            tracing::warn!(
                dependency = self.guarding.dependency,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(guard: &Guard) -> Ticket {
        match guard.admit() {
            Ok(Pass::Free(ticket)) => ticket,
            Ok(Pass::Trial(_)) => panic!("a trial, where all should pass"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_was_sent_before_the_breaker_opened_does_not_open_it_again_once_the_database_is_back() {
        let guard = Guard::new(Guarding::of("redis"));
        let bound = Guarding::of("redis").settings.failures;
        let late: Vec<Ticket> = (0..bound).map(|_| pass(&guard)).collect();
        (0..bound).for_each(|_| guard.note(pass(&guard), Verdict::Failure));
        assert!(guard.is_open());
        guard.lookout_is_back();
        let Ok(Pass::Trial(trial)) = guard.admit() else {
            panic!("it is there, and nobody may try it");
        };
        let next = trial.settle(Verdict::Success);
        late.iter()
            .for_each(|ticket| guard.note(*ticket, Verdict::Failure));
        assert!(!guard.is_open(), "opened by commands of the outage before");
        // What comes after the trial counts again.
        (0..bound).for_each(|_| guard.note(next, Verdict::Failure));
        assert!(guard.is_open());
    }
}
