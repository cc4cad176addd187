//! This very command once more, behind a wall clock that it can step.

use std::process::Command;

use exai_harness::wall_clock::{self, PACKAGE};
use exai_judge::verdict::Exit;

use super::Damage;
use super::mishap::Mishap;
use crate::cli::Ending;

/// Whether this run needs such a clock and has none yet.
#[must_use]
pub fn is_missing(damage: Damage) -> bool {
    damage.mishap() == Some(Mishap::ClockSteps) && wall_clock::own_file().is_none()
}

/// Runs it and ends as it does.
///
/// # Errors
/// [`Ending::Usage`] with the package to install, [`Ending::Harness`] when it cannot be started.
pub fn behind_one() -> Result<Exit, Ending> {
    let library = wall_clock::library().ok_or_else(|| {
        Ending::Usage(format!(
            "--spoil clock-steps@harness: {PACKAGE} is not installed. Install it (apt-get install \
             {PACKAGE})."
        ))
    })?;
    let status = (|| {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("clock");
        wall_clock::step(&file, 0)?;
        let mut again = Command::new(std::env::current_exe()?);
        again.args(std::env::args_os().skip(1));
        again.envs(wall_clock::variables(&library, &file)).status()
    })();
    let status = status.map_err(|error: std::io::Error| Ending::Harness(error.to_string()))?;
    Ok(told(status.code()))
}

/// What another run of ours ended with; one that a signal ended has no code.
fn told(code: Option<i32>) -> Exit {
    code.and_then(Exit::from_code).unwrap_or(Exit::Bug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_behind_another_clock_ends_as_the_run_itself_did() {
        for exit in Exit::ALL {
            assert_eq!(told(Some(exit as i32)), exit);
        }
        assert_eq!(told(Some(99)), Exit::Bug);
        assert_eq!(told(None), Exit::Bug);
    }
}
