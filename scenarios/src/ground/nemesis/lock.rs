//! Store faults of the embedded store, from outside: another process holds its write lock.

use std::path::Path;
use std::time::Duration;

use exai_judge::fault::{FaultKind, Step};
use tokio::process::Command;

use super::{Deed, feel};
use crate::stage::Trouble;

/// How a lock is held: how long at a time, how long let go, how long in all, ms.
#[derive(Debug, Clone, Copy)]
struct Pattern {
    hold: u64,
    rest: u64,
    all: u64,
}

const fn pattern(kind: FaultKind) -> Option<Pattern> {
    match kind {
        FaultKind::Pause => Some(Pattern {
            hold: 2_000,
            rest: 0,
            all: 2_000,
        }),
        FaultKind::Slow => Some(Pattern {
            hold: 150,
            rest: 150,
            all: 2_000,
        }),
        // Past the server's busy timeout of 3 s.
        FaultKind::Refuse => Some(Pattern {
            hold: 3_600,
            rest: 0,
            all: 3_600,
        }),
        _ => None,
    }
}

/// Tries to write until the lock is felt, or the time is over.
async fn feel_it(file: &Path, limit: Duration) -> Option<String> {
    let until = tokio::time::Instant::now() + limit.min(Duration::from_secs(2));
    while tokio::time::Instant::now() < until {
        let felt = feel::busy(file).await;
        if felt.is_some() {
            return felt;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

/// Starts the process that holds the lock, and waits until it has gone.
pub(super) async fn hold(deed: &Deed<'_>, file: &Path) -> Result<(), Trouble> {
    let kind = deed.fault.kind;
    let Some(Pattern { hold, rest, all }) = pattern(kind) else {
        deed.not_landed(format!("{} needs a small file system", kind.name()));
        return Ok(());
    };
    let rig = |error: &dyn std::fmt::Display| Trouble::Rig(error.to_string());
    let own = std::env::current_exe().map_err(|error| rig(&error))?;
    deed.step(Step::Injected);
    let mut command = Command::new(own);
    command.arg("hold-lock").arg(file);
    for (name, value) in [("--hold-ms", hold), ("--rest-ms", rest), ("--for-ms", all)] {
        command.arg(name).arg(value.to_string());
    }
    let limit = Duration::from_millis(all) + Duration::from_secs(10);
    let held = async {
        let output = tokio::time::timeout(limit, command.kill_on_drop(true).output()).await;
        let late = |_| Trouble::Rig(format!("the lock holder did not end within {limit:?}"));
        output.map_err(late)?.map_err(|error| rig(&error))
    };
    let (output, felt) = tokio::join!(held, feel_it(file, limit));
    let output = output?;
    let said = String::from_utf8_lossy(&output.stdout);
    let holds = said.lines().filter(|line| line.starts_with("held")).count();
    if output.status.success() && holds > 0 {
        deed.cause(format!(
            "another process held the write lock {holds} times, {hold} ms each"
        ));
        deed.effect(felt);
    } else {
        let why = String::from_utf8_lossy(&output.stderr);
        deed.not_landed(format!("the lock was never held: {}", why.trim()));
    }
    deed.step(Step::Healed);
    Ok(())
}
