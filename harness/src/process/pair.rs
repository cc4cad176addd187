//! Process ids that mean one process for ever.

use procfs::process::ProcState;

/// A process told apart from any other that ever had its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot.
    pub start_ticks: u64,
}

impl Pair {
    /// The process that has this id now; None when none has.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        look_up(pid).map(|(start_ticks, _)| Self { pid, start_ticks })
    }

    /// Whether that very process still exists and is not a zombie.
    #[must_use]
    pub fn is_alive(self) -> bool {
        let found = look_up(self.pid);
        found.is_some_and(|(ticks, state)| ticks == self.start_ticks && state != ProcState::Zombie)
    }

    /// Whether it is stopped (state T) at the moment.
    #[must_use]
    pub fn is_stopped(self) -> bool {
        look_up(self.pid)
            .is_some_and(|(ticks, state)| ticks == self.start_ticks && state == ProcState::Stopped)
    }
}

/// Start time and state of the process that has this id now.
pub(super) fn look_up(pid: u32) -> Option<(u64, ProcState)> {
    let pid = i32::try_from(pid).ok()?;
    let stat = procfs::process::Process::new(pid).ok()?.stat().ok()?;
    let state = stat.state().ok()?;
    Some((stat.starttime, state))
}
