//! Opening a SQLite file that other processes may be opening at this very moment.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

/// Between two tries to turn a fresh file into one with a write-ahead log.
const PAUSE: Duration = Duration::from_millis(10);

/// Opens or creates a file in WAL mode with `synchronous = FULL`; what is deleted is overwritten.
///
/// # Errors
/// What SQLite says, such as that others held the file for longer than `busy`.
pub(crate) fn open(path: &Path, busy: Duration) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(busy)?;
    let begun = Instant::now();
    // Two that turn the same fresh file are told it is busy at once, whatever the timeout.
    while let Err(error) = connection.pragma_update(None, "journal_mode", "WAL") {
        let is_busy = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        if !is_busy || begun.elapsed() >= busy {
            return Err(error);
        }
        std::thread::sleep(PAUSE);
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn many_that_open_one_fresh_file_at_once_all_get_it() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let (path, start) = (folder.path().join("fresh.sqlite"), Barrier::new(12));
            std::thread::scope(|scope| {
                for _ in 0..12 {
                    scope.spawn(|| {
                        start.wait();
                        open(&path, Duration::from_secs(5)).unwrap();
                    });
                }
            });
        }
    }
}
