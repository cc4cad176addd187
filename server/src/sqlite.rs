//! Opening a SQLite file that other processes may be opening at this very moment.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

/// Between two tries to turn a fresh file into one with a write-ahead log.
const PAUSE: Duration = Duration::from_millis(10);

/// Pages of the file that a connection keeps in memory at most, KiB. The operating system keeps
/// them as well, so four times as much, SQLite's own choice, would be held twice.
const CACHE_KIB: i32 = 512;

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
    // Negative for KiB, positive for pages.
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Opens a fresh file while another writes it until the opener is done, or for `longest` at
    /// most.
    fn open_while_written(longest: Duration, busy: Duration) -> rusqlite::Result<Connection> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fresh.sqlite");
        let other = Connection::open(&path).unwrap();
        let writing = "CREATE TABLE one (x); BEGIN IMMEDIATE;";
        other.execute_batch(writing).unwrap();
        let (done, opened) = mpsc::channel();
        std::thread::scope(|scope| {
            let opener = scope.spawn(|| {
                let result = open(&path, busy);
                done.send(()).unwrap();
                result
            });
            let _ = opened.recv_timeout(longest);
            other.execute_batch("COMMIT").unwrap();
            opener.join().unwrap()
        })
    }

    #[test]
    fn a_connection_keeps_no_more_pages_in_memory_than_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let busy = Duration::from_secs(1);
        let connection = open(&folder.path().join("one.sqlite"), busy).unwrap();
        let read = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        assert_eq!(read("cache_size").unwrap(), -i64::from(CACHE_KIB));
    }

    #[test]
    fn a_fresh_file_that_another_writes_is_waited_for() {
        open_while_written(Duration::from_millis(200), Duration::from_secs(30)).unwrap();
    }

    #[test]
    fn a_file_that_is_written_for_longer_is_busy() {
        let refused = open_while_written(Duration::from_secs(30), Duration::from_millis(50));
        let error = refused.expect_err("busy");
        assert_eq!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy),
            "{error}"
        );
    }
}
