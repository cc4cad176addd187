//! The run's clock: nanoseconds of `CLOCK_MONOTONIC` since the run began.
//!
//! Simulators stamp with the same kernel clock in other processes, so their absolute readings can
//! be placed on the run's line. Wall time is read once, for people.

use std::sync::Arc;

use nix::time::{ClockId, clock_gettime};

use crate::history::Now;

/// Absolute `CLOCK_MONOTONIC`, ns. 0 only if the kernel has no such clock, which Linux does.
#[must_use]
pub fn monotonic() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
        seconds * 1_000_000_000 + nanos
    })
}

/// When the run began, and how far it has come.
#[derive(Debug, Clone, Copy)]
pub struct RunClock {
    zero: u64,
    began: jiff::Timestamp,
}

impl RunClock {
    /// Starts a run now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            zero: monotonic(),
            began: jiff::Timestamp::now(),
        }
    }

    /// Ns since the run began.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.place(monotonic())
    }

    /// Places an absolute monotonic reading on the run's line; readings before the run are 0.
    #[must_use]
    pub const fn place(&self, absolute: u64) -> u64 {
        absolute.saturating_sub(self.zero)
    }

    /// Wall time at the run's zero.
    #[must_use]
    pub const fn began(&self) -> jiff::Timestamp {
        self.began
    }

    /// How far wall time and the monotonic clock have drifted apart since the run began, ns;
    /// positive when the wall clock ran ahead or was stepped forward.
    #[must_use]
    pub fn wall_drift(&self) -> i64 {
        let wall = jiff::Timestamp::now().duration_since(self.began).as_nanos();
        i64::try_from(wall - i128::from(self.now())).unwrap_or(i64::MAX)
    }

    /// The clock as the recorder takes it.
    #[must_use]
    pub fn as_now(&self) -> Now {
        let clock = *self;
        Arc::new(move || clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_begins_at_zero_and_never_goes_back() {
        let clock = RunClock::start();
        let first = clock.now();
        assert!(first < 5_000_000_000, "{first}");
        assert!(clock.now() >= first);
        assert_eq!(clock.place(0), 0);
        assert!(clock.place(monotonic()) <= clock.now());
    }
}
