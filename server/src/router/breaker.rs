//! The circuit breaker as a pure step function: Closed lets calls through, Open refuses, HalfOpen
//! tries one. Time is passed in; the router holds the state and acts on what a step returns.

use std::time::{Duration, Instant};

/// When a breaker opens and how long it stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Consecutive failures that open it.
    pub failures: u32,
    /// The first open interval; it doubles with each failed probe.
    pub first_open: Duration,
    /// The longest open interval.
    pub max_open: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 5,
            first_open: Duration::from_secs(5),
            max_open: Duration::from_secs(20),
        }
    }
}

/// Where a breaker stands, in the words of metrics and health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Position {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// One call at a time is tried.
    HalfOpen,
}

impl Position {
    /// The spelling in metrics and health: `closed`, `open`, `half_open`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }

    /// The value of `exai_breaker_state`: closed 0, open 1, half-open 2.
    #[must_use]
    pub const fn gauge(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::Open => 1,
            Self::HalfOpen => 2,
        }
    }
}

/// A breaker's whole state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// Counting consecutive failures.
    Closed {
        /// Failures since the last success.
        failures: u32,
        /// Counts the openings, so that results of calls admitted before one are told apart.
        epoch: u64,
    },
    /// Refusing until a time.
    Open {
        /// When a probe may be tried.
        until: Instant,
        /// The interval that ends then.
        interval: Duration,
        /// As above.
        epoch: u64,
    },
    /// Trying one call.
    HalfOpen {
        /// Whether the one call is under way.
        probing: bool,
        /// The interval that led here, doubled when the probe fails.
        interval: Duration,
        /// As above.
        epoch: u64,
    },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed {
            failures: 0,
            epoch: 0,
        }
    }
}

/// Proof of admission, handed back with the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    epoch: u64,
    /// Whether this call is the one probe of a half-open breaker.
    pub is_probe: bool,
}

/// How an admitted call ended, as far as the breaker cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was answered.
    Success,
    /// It failed in a way that speaks against the dependency.
    Failure,
    /// The dependency refused it for a reason of its own: proof of life, and no success.
    Business,
    /// It was given up by the caller and says nothing.
    Abandoned,
}

/// What a breaker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A call asks to pass.
    Ask,
    /// An admitted call has ended.
    Done(Ticket, Verdict),
    /// The dependency was found alive outside of any call: an open interval ends now.
    Alive,
}

/// What a step decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The call may pass.
    Admit(Ticket),
    /// The call may not pass; a probe becomes possible after the wait (zero while one is running).
    Refuse(Duration),
    /// The result was noted.
    Noted,
}

/// The outcome of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The state from here on.
    pub state: Breaker,
    /// What was decided.
    pub decision: Decision,
    /// Set when the position changed: from and to.
    pub transition: Option<(Position, Position)>,
}

impl Breaker {
    /// Where the breaker stands.
    #[must_use]
    pub const fn position(&self) -> Position {
        match self {
            Self::Closed { .. } => Position::Closed,
            Self::Open { .. } => Position::Open,
            Self::HalfOpen { .. } => Position::HalfOpen,
        }
    }

    /// How long until a probe is possible; `None` when calls pass.
    #[must_use]
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        match self {
            Self::Closed { .. } => None,
            Self::Open { until, .. } => Some(until.saturating_duration_since(now)),
            Self::HalfOpen { .. } => Some(Duration::ZERO),
        }
    }
}

/// Decides one event; the only place where a breaker changes.
#[must_use]
pub fn step(state: Breaker, event: Event, now: Instant, settings: &BreakerSettings) -> Step {
    let (next, decision) = match event {
        Event::Ask => ask(state, now),
        Event::Done(ticket, verdict) => {
            (done(state, ticket, verdict, now, settings), Decision::Noted)
        }
        Event::Alive => (alive(state, now), Decision::Noted),
    };
    let (from, to) = (state.position(), next.position());
    Step {
        state: next,
        decision,
        transition: (from != to).then_some((from, to)),
    }
}

fn ask(state: Breaker, now: Instant) -> (Breaker, Decision) {
    match state {
        Breaker::Closed { epoch, .. } => (
            state,
            Decision::Admit(Ticket {
                epoch,
                is_probe: false,
            }),
        ),
        Breaker::Open { until, .. } if now < until => (state, Decision::Refuse(until - now)),
        Breaker::HalfOpen { probing: true, .. } => (state, Decision::Refuse(Duration::ZERO)),
        Breaker::Open {
            interval, epoch, ..
        }
        | Breaker::HalfOpen {
            interval, epoch, ..
        } => {
            let probe = Breaker::HalfOpen {
                probing: true,
                interval,
                epoch,
            };
            (
                probe,
                Decision::Admit(Ticket {
                    epoch,
                    is_probe: true,
                }),
            )
        }
    }
}

fn done(
    state: Breaker,
    ticket: Ticket,
    verdict: Verdict,
    now: Instant,
    settings: &BreakerSettings,
) -> Breaker {
    match (state, ticket.is_probe) {
        (Breaker::Closed { failures, epoch }, false) if epoch == ticket.epoch => match verdict {
            Verdict::Success => Breaker::Closed { failures: 0, epoch },
            Verdict::Business | Verdict::Abandoned => state,
            Verdict::Failure if failures + 1 < settings.failures => Breaker::Closed {
                failures: failures + 1,
                epoch,
            },
            Verdict::Failure => open(settings.first_open.min(settings.max_open), epoch + 1, now),
        },
        (
            Breaker::HalfOpen {
                interval, epoch, ..
            },
            true,
        ) if epoch == ticket.epoch => match verdict {
            Verdict::Success | Verdict::Business => Breaker::Closed { failures: 0, epoch },
            Verdict::Abandoned => Breaker::HalfOpen {
                probing: false,
                interval,
                epoch,
            },
            Verdict::Failure => open(
                interval.saturating_mul(2).min(settings.max_open),
                epoch + 1,
                now,
            ),
        },
        // The result of a call that was admitted before the breaker last opened says nothing new.
        _ => state,
    }
}

/// It takes a call to close a breaker; a sign of life only lets one try sooner.
fn alive(state: Breaker, now: Instant) -> Breaker {
    match state {
        Breaker::Open {
            until,
            interval,
            epoch,
        } => Breaker::Open {
            until: until.min(now),
            interval,
            epoch,
        },
        other => other,
    }
}

fn open(interval: Duration, epoch: u64, now: Instant) -> Breaker {
    Breaker::Open {
        until: now + interval,
        interval,
        epoch,
    }
}

#[cfg(test)]
mod tests;
