//! Opening a SQLite file that other processes may be opening at this very moment.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

/// Between two tries to turn a fresh file into one with a write-ahead log.
const PAUSE: Duration = Duration::from_millis(10);

/// Pages of the file that a connection keeps in memory at most, KiB. The operating system keeps
/// them as well, so four times as much, SQLite's own choice, would be held twice.
const CACHE_KIB: i32 = 512;

/// Bytes of the write-ahead log from which it is not enough that SQLite copies, at each fourth
/// mebibyte, what no reader holds back. The log begins anew only when nobody reads it, so it would
/// grow for as long as readers, each of them short, overlap.
const LONG: u64 = 8 << 20;

/// How long readers are waited for, while nobody writes, before the next commit tries again. A try
/// may wait in vain for a reader that a later one would pass, so that it is short.
const PATIENCE: Duration = Duration::from_millis(250);

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

/// To be called after a commit: empties a write-ahead log that became long.
pub(crate) fn shorten_log(connection: &Connection) {
    let file = connection.path().unwrap_or_default();
    let bytes = std::fs::metadata(format!("{file}-wal")).map_or(0, |log| log.len());
    if bytes >= LONG
        && let Err(error) = empty_log(connection)
    {
        tracing::debug!(%error, bytes, "a long write-ahead log could not be emptied");
    }
}

fn empty_log(connection: &Connection) -> rusqlite::Result<()> {
    let busy: u32 = connection.pragma_query_value(None, "busy_timeout", |row| row.get(0))?;
    connection.busy_timeout(PATIENCE)?;
    let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    connection.busy_timeout(Duration::from_millis(busy.into()))?;
    emptied
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
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

    /// How long somebody reads, the bytes of a row, and how many are written meanwhile.
    const SPAN: Duration = Duration::from_millis(60);
    const WRITTEN: u32 = 100_000;
    const WRITES: u32 = 600;

    /// Reads again and again for `SPAN` each, until told to stop.
    fn read_on(path: &Path, first: Duration, is_done: &AtomicBool) {
        let connection = open(path, Duration::from_secs(30)).unwrap();
        std::thread::sleep(first);
        while !is_done.load(Ordering::SeqCst) {
            connection.execute_batch("BEGIN").unwrap();
            let count = |_: &rusqlite::Row<'_>| Ok(());
            connection
                .query_row("SELECT count(*) FROM one", [], count)
                .unwrap();
            std::thread::sleep(SPAN);
            connection.execute_batch("COMMIT").unwrap();
        }
    }

    #[test]
    fn the_log_stays_short_while_somebody_always_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.sqlite");
        let writer = open(&path, Duration::from_secs(30)).unwrap();
        writer.execute_batch("CREATE TABLE one (x)").unwrap();
        let is_done = AtomicBool::new(false);
        let log = folder.path().join("one.sqlite-wal");
        let largest = std::thread::scope(|scope| {
            // The second begins in the middle of the first: at no time does nobody read.
            for first in [Duration::ZERO, SPAN / 2] {
                let (path, is_done) = (&path, &is_done);
                scope.spawn(move || read_on(path, first, is_done));
            }
            let mut largest = 0;
            for _ in 0..WRITES {
                let text = "INSERT INTO one VALUES (randomblob(?1))";
                writer.execute(text, [WRITTEN]).unwrap();
                shorten_log(&writer);
                largest = largest.max(std::fs::metadata(&log).unwrap().len());
            }
            is_done.store(true, Ordering::SeqCst);
            largest
        });
        let busy: u32 = writer
            .pragma_query_value(None, "busy_timeout", |row| row.get(0))
            .unwrap();
        assert_eq!(busy, 30_000);
        let bound: u32 = 16 << 20;
        assert!(WRITES * WRITTEN > 3 * bound, "too little was written");
        assert!(largest <= u64::from(bound), "{largest} bytes of log");
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
