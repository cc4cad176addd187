//! The writing thread: whatever waits becomes one transaction, then everyone hears.

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::sqlite_error;
use crate::sqlite::shorten_log;
use crate::store::StoreError;

/// Writes that share one transaction at most.
const BATCH: usize = 64;

/// Something to write, whatever comes of it.
pub(super) trait Write: Send {
    /// Whether nobody waits for it any more.
    fn is_abandoned(&self) -> bool;

    /// Does it inside a savepoint of its own, so that its failure undoes it alone.
    fn apply(&mut self, transaction: &mut Transaction<'_>);

    /// Tells the caller; a transaction that did not reach the disk overrides every success.
    fn tell(self: Box<Self>, committed: &Result<(), StoreError>);
}

/// Work, and later its result, for whoever waits.
pub(super) struct Job<W, T> {
    work: Option<W>,
    result: Option<T>,
    reply: oneshot::Sender<T>,
}

impl<W, T> Job<W, T> {
    pub(super) fn new(work: W, reply: oneshot::Sender<T>) -> Self {
        Self {
            work: Some(work),
            result: None,
            reply,
        }
    }
}

impl<W, T> Write for Job<W, Result<T, StoreError>>
where
    W: FnOnce(&Connection) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn apply(&mut self, transaction: &mut Transaction<'_>) {
        self.result = self.work.take().map(|work| guarded(transaction, work));
    }

    fn tell(self: Box<Self>, committed: &Result<(), StoreError>) {
        match (committed, self.result) {
            (Err(error), _) => drop(self.reply.send(Err(error.clone()))),
            (Ok(()), Some(result)) => drop(self.reply.send(result)),
            // What was never applied has no answer; the caller hears that the thread dropped it.
            (Ok(()), None) => {}
        }
    }
}

/// Writes until the queue is closed and empty.
pub(super) fn run(mut connection: Connection, mut queue: mpsc::Receiver<Box<dyn Write>>) {
    while let Some(first) = queue.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        // A caller that gave up has been told so; its write may be left undone.
        batch.retain(|write| !write.is_abandoned());
        if !batch.is_empty() {
            let committed = commit(&mut connection, &mut batch);
            for write in batch {
                write.tell(&committed);
            }
            shorten_log(&connection);
        }
    }
}

/// One transaction for the whole batch.
fn commit(connection: &mut Connection, batch: &mut [Box<dyn Write>]) -> Result<(), StoreError> {
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let mut transaction = begun.map_err(sqlite_error)?;
    for write in batch {
        write.apply(&mut transaction);
    }
    transaction.commit().map_err(sqlite_error)
}

fn guarded<T>(
    transaction: &mut Transaction<'_>,
    body: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let savepoint = transaction.savepoint().map_err(sqlite_error)?;
    // Dropped without commit, a savepoint rolls back.
    let value = body(&savepoint)?;
    savepoint.commit().map_err(sqlite_error)?;
    Ok(value)
}
