//! A process that holds the write lock of an SQLite file in a pattern: the store faults of the
//! embedded store come from outside the server, as another process would cause them.

use std::time::{Duration, Instant};

use exai_judge::verdict::Exit;
use rusqlite::{Connection, OpenFlags};

use crate::cli::arguments::HoldLockArguments;
use crate::cli::{Ending, print};

/// How long to wait for the lock itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// Holds and lets go until the time is over; prints `held` at each hold, so that whoever started it
/// has proof.
///
/// # Errors
/// [`Ending::Harness`] when the file is not there or cannot be locked.
pub fn hold(arguments: &HoldLockArguments) -> Result<Exit, Ending> {
    hold_pattern(arguments).map_err(|error| Ending::Harness(error.to_string()))
}

fn hold_pattern(arguments: &HoldLockArguments) -> Result<Exit, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let connection = Connection::open_with_flags(&arguments.file, flags)?;
    connection.busy_timeout(PATIENCE)?;
    let until = Instant::now() + Duration::from_millis(arguments.for_ms);
    loop {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        print("held");
        std::thread::sleep(Duration::from_millis(arguments.hold_ms));
        connection.execute_batch("ROLLBACK")?;
        if arguments.rest_ms == 0 || Instant::now() >= until {
            return Ok(Exit::Pass);
        }
        std::thread::sleep(Duration::from_millis(arguments.rest_ms));
    }
}
