//! The process that holds the write lock of an SQLite file in a pattern: the store faults of the
//! embedded store come from outside the server, as another process would cause them.

use std::time::{Duration, Instant};

use exai_harness::nemesis::embedded;
use exai_judge::verdict::Exit;

use crate::cli::Ending;
use crate::cli::arguments::HoldLockArguments;

/// Holds and lets go until the time is over; says so at each hold, so that whoever started it has
/// proof.
///
/// # Errors
/// [`Ending::Harness`] when the file is not there or cannot be locked.
pub fn hold(arguments: &HoldLockArguments) -> Result<Exit, Ending> {
    let hold = Duration::from_millis(arguments.hold_ms);
    let rest = Duration::from_millis(arguments.rest_ms);
    let until = Instant::now() + Duration::from_millis(arguments.for_ms);
    let held = embedded::hold(&arguments.file, hold, rest, until);
    held.map(|_| Exit::Pass)
        .map_err(|error| Ending::Harness(error.to_string()))
}
