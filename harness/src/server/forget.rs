//! The saboteur that loses turns over a restart: what a store without a log would do.

use std::path::Path;

/// More than can be in flight: the newest rows may never have been acknowledged.
const TURNS: u32 = 60;

/// Removes the newest turns from the embedded store, as if they had never been written. A store
/// that cannot be opened is left as it is; the self-test then misses its finding.
pub(super) fn newest_turns(file: &Path) {
    let Ok(store) = rusqlite::Connection::open(file) else {
        return;
    };
    let _untouched = store.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         DELETE FROM exchanges WHERE rowid IN
             (SELECT rowid FROM exchanges ORDER BY rowid DESC LIMIT {TURNS});
         UPDATE threads SET turns =
             (SELECT COUNT(*) FROM exchanges WHERE exchanges.thread = threads.id);
         COMMIT;"
    ));
}
