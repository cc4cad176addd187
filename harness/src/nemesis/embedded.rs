//! Faults of the embedded store from outside: a second process holds its write lock.
//!
//! [`hold`] runs in that second process; [`Nemesis::lock`] starts it and reads its proof.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use exai_judge::fault::{FaultKind, Step};
use futures::FutureExt;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use super::{Landed, Nemesis, NemesisError, Probe, UNFELT};
use crate::clock::{RunClock, monotonic};
use crate::process::{Process, Spec, Stdout};
use crate::supervisor::Role;

/// How long the holder competes for the lock.
const BUSY: Duration = Duration::from_secs(5);
/// How long past its time the holder may take to end.
const GRACE: Duration = Duration::from_secs(10);
/// How long a healthy server may keep the lock; a held one keeps it longer.
const USUAL: Duration = Duration::from_millis(100);
/// What the holder prints at each hold.
const HELD: &str = "held";

/// The lock could not be held.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// The file cannot be opened or locked.
    #[error("could not lock {file}: {cause}")]
    Sqlite {
        /// The store's file.
        file: PathBuf,
        /// What SQLite said.
        cause: rusqlite::Error,
    },
    /// Nobody reads the proof.
    #[error("could not report a hold: {0}")]
    Report(std::io::Error),
}

/// Holds the write lock of `file` for `hold`, lets go for `rest`, and so on until `until`. Prints
/// `held <CLOCK_MONOTONIC ns>` at each hold and returns their number.
///
/// # Errors
/// When the file cannot be locked, or nobody reads the output any more.
pub fn hold(file: &Path, hold: Duration, rest: Duration, until: Instant) -> Result<u64, HoldError> {
    let failed = |cause| HoldError::Sqlite {
        file: file.to_path_buf(),
        cause,
    };
    let store = open(file).map_err(failed)?;
    store.busy_timeout(BUSY).map_err(failed)?;
    let mut holds = 0;
    while Instant::now() < until {
        store.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        holds += 1;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{HELD} {}", monotonic())
            .and_then(|()| out.flush())
            .map_err(HoldError::Report)?;
        std::thread::sleep(hold.min(until.saturating_duration_since(Instant::now())));
        store.execute_batch("ROLLBACK").map_err(failed)?;
        std::thread::sleep(rest);
    }
    Ok(holds)
}

/// Opens the file as it is; a store that is not there is an error, never created.
fn open(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(file, flags)
}

/// Right when the write lock of `file` is to be had as fast as between the server's own writes.
#[must_use]
pub fn is_free(file: &Path) -> Probe {
    let file = file.to_path_buf();
    Arc::new(move || {
        let file = file.clone();
        let look = tokio::task::spawn_blocking(move || {
            let store = open(&file)?;
            store.busy_timeout(USUAL)?;
            store.execute_batch("BEGIN IMMEDIATE; ROLLBACK")
        });
        async move {
            match look.await {
                Ok(looked) => looked.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            }
        }
        .boxed()
    })
}

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    /// Which fault it is.
    pub kind: FaultKind,
    /// Held at a time.
    pub hold: Duration,
    /// Let go in between.
    pub rest: Duration,
    /// In all.
    pub all: Duration,
}

impl Pattern {
    /// Held for two seconds.
    pub const PAUSE: Self = Self {
        kind: FaultKind::Pause,
        hold: Duration::from_secs(2),
        rest: Duration::ZERO,
        all: Duration::from_secs(2),
    };
    /// Held for 150 of every 300 ms, for two seconds.
    pub const SLOW: Self = Self {
        kind: FaultKind::Slow,
        hold: Duration::from_millis(150),
        rest: Duration::from_millis(150),
        all: Duration::from_secs(2),
    };

    /// Held for longer than a write waits, so that writes are refused.
    #[must_use]
    pub fn refuse(write_waits: Duration) -> Self {
        let all = write_waits + Duration::from_millis(600);
        Self {
            kind: FaultKind::Refuse,
            hold: all,
            rest: Duration::ZERO,
            all,
        }
    }
}

/// Who holds the lock: an executable that takes `hold-lock FILE --hold-ms N --rest-ms N --for-ms N`
/// and calls [`hold`].
#[derive(Debug, Clone)]
pub struct Holder {
    /// The executable.
    pub program: PathBuf,
    /// The store's file.
    pub file: PathBuf,
    /// Places the holder's own stamps on the run's line.
    pub clock: RunClock,
}

impl Nemesis {
    /// Has a second process hold the embedded store's write lock in a pattern.
    ///
    /// # Errors
    /// When the process does not start or end, or the lock is not free in time afterwards.
    pub async fn lock(&self, holder: &Holder, pattern: Pattern) -> Result<Landed, NemesisError> {
        let deed = self.deed("store", pattern.kind);
        let probe = is_free(&holder.file);
        let (held, mut seen) = watch::channel(Vec::new());
        deed.injected();
        let process = Process::spawn(holder.spec(pattern, held))?;
        let feel = async {
            // Before the first hold a busy lock would be the server's own doing.
            seen.wait_for(|held| !held.is_empty()).await.is_ok()
                && deed
                    .feel(&probe, tokio::time::Instant::now() + pattern.hold)
                    .await
        };
        let gone = tokio::time::timeout(pattern.all + GRACE, process.wait());
        let (is_felt, ended) = tokio::join!(tokio::time::timeout(pattern.all, feel), gone);
        let is_felt = is_felt.unwrap_or_else(|_elapsed| {
            deed.not_landed(UNFELT);
            false
        });
        let held = seen.borrow().clone();
        let is_good = ended.is_ok_and(|ended| ended.status.is_some_and(|status| status.success()));
        let is_held = match held.first() {
            Some(first) if is_good => {
                let proof = format!(
                    "process {} held the lock {} times",
                    process.pair().pid,
                    held.len()
                );
                deed.step_at(*first, Step::Cause { proof });
                true
            }
            _ => {
                deed.not_landed(format!("the lock was not held: {}", process.tail()));
                false
            }
        };
        drop(process);
        deed.heal(&probe, Role::Rig).await?;
        Ok(Landed::when(is_held && is_felt))
    }
}

impl Holder {
    fn spec(&self, pattern: Pattern, held: watch::Sender<Vec<u64>>) -> Spec {
        let mut spec = Spec::new("lock holder", &self.program, Path::new("/"));
        spec.args = vec!["hold-lock".into(), self.file.clone().into()];
        let times = [
            ("--hold-ms", pattern.hold),
            ("--rest-ms", pattern.rest),
            ("--for-ms", pattern.all),
        ];
        for (name, time) in times {
            spec.args.push(name.into());
            spec.args.push(time.as_millis().to_string().into());
        }
        let clock = self.clock;
        spec.stdout = Stdout::Lines(Some(Arc::new(move |line: &str| {
            let at = line
                .strip_prefix(HELD)
                .and_then(|at| at.trim().parse().ok());
            if let Some(at) = at {
                held.send_modify(|held| held.push(clock.place(at)));
            }
        })));
        spec
    }
}
