//! The writing thread: whatever waits becomes one transaction, then everyone hears.

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::mpsc;

use super::{Reply, append, call, spending, sqlite_error};
use crate::store::spending::{Held, Hold, Settlement, Spent};
use crate::store::{Append, Appended, CallChange, StoreError, ThreadId, ThreadLimits};

/// Writes that share one transaction at most.
const BATCH: usize = 64;

/// Something to write.
pub(super) enum Write {
    Append {
        append: Box<Append>,
        reply: Reply<Appended>,
    },
    Delete {
        owner: String,
        id: ThreadId,
        now_ms: i64,
        reply: Reply<()>,
    },
    Call {
        change: Box<CallChange>,
        reply: Reply<()>,
    },
    Hold {
        hold: Box<Hold>,
        reply: Reply<Held>,
    },
    Settle {
        settlement: Box<Settlement>,
        reply: Reply<Vec<Spent>>,
    },
    Probe {
        reply: Reply<()>,
    },
    /// Work that is rare enough to bring its own words.
    Other {
        work: Work,
        reply: Reply<()>,
    },
}

/// Runs inside a savepoint of the writer.
pub(super) type Work = Box<dyn FnOnce(&Connection) -> Result<(), StoreError> + Send>;

/// What one write came to, kept until the transaction is on disk.
enum Done {
    Append(Result<Appended, StoreError>, Reply<Appended>),
    Hold(Result<Held, StoreError>, Reply<Held>),
    Settle(Result<Vec<Spent>, StoreError>, Reply<Vec<Spent>>),
    Nothing(Result<(), StoreError>, Reply<()>),
}

impl Write {
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Append { reply, .. } => reply.is_closed(),
            Self::Hold { reply, .. } => reply.is_closed(),
            Self::Settle { reply, .. } => reply.is_closed(),
            Self::Delete { reply, .. }
            | Self::Call { reply, .. }
            | Self::Other { reply, .. }
            | Self::Probe { reply } => reply.is_closed(),
        }
    }

    fn refuse(self, error: StoreError) {
        match self {
            Self::Append { reply, .. } => drop(reply.send(Err(error))),
            Self::Hold { reply, .. } => drop(reply.send(Err(error))),
            Self::Settle { reply, .. } => drop(reply.send(Err(error))),
            Self::Delete { reply, .. }
            | Self::Call { reply, .. }
            | Self::Other { reply, .. }
            | Self::Probe { reply } => drop(reply.send(Err(error))),
        }
    }
}

impl Done {
    /// Tells the caller; a transaction that did not reach the disk overrides every success.
    fn tell(self, committed: &Result<(), StoreError>) {
        match self {
            Self::Append(result, reply) => drop(reply.send(committed.clone().and(result))),
            Self::Hold(result, reply) => drop(reply.send(committed.clone().and(result))),
            Self::Settle(result, reply) => drop(reply.send(committed.clone().and(result))),
            Self::Nothing(result, reply) => drop(reply.send(committed.clone().and(result))),
        }
    }
}

/// Writes until the queue is closed and empty.
pub(super) fn run(
    mut connection: Connection,
    mut queue: mpsc::Receiver<Write>,
    limits: ThreadLimits,
) {
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
            write_batch(&mut connection, batch, limits);
        }
    }
}

fn write_batch(connection: &mut Connection, batch: Vec<Write>, limits: ThreadLimits) {
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let mut transaction = match begun {
        Ok(transaction) => transaction,
        Err(error) => {
            let error = sqlite_error(error);
            for write in batch {
                write.refuse(error.clone());
            }
            return;
        }
    };
    let done: Vec<Done> = batch
        .into_iter()
        .map(|write| apply(&mut transaction, write, limits))
        .collect();
    let committed = transaction.commit().map_err(sqlite_error);
    for one in done {
        one.tell(&committed);
    }
}

/// Applies one write inside its own savepoint, so that its failure undoes it alone.
fn apply(transaction: &mut Transaction<'_>, write: Write, limits: ThreadLimits) -> Done {
    match write {
        Write::Append { append, reply } => {
            let result = guarded(transaction, |inner| append::append(inner, &append, limits));
            Done::Append(result, reply)
        }
        Write::Delete {
            owner,
            id,
            now_ms,
            reply,
        } => {
            let result = guarded(transaction, |inner| {
                append::delete(inner, &owner, id, now_ms, limits)
            });
            Done::Nothing(result, reply)
        }
        Write::Call { change, reply } => {
            let result = guarded(transaction, |inner| call::change(inner, &change, limits));
            Done::Nothing(result, reply)
        }
        Write::Hold { hold, reply } => {
            let result = guarded(transaction, |inner| spending::hold(inner, &hold));
            Done::Hold(result, reply)
        }
        Write::Settle { settlement, reply } => {
            let result = guarded(transaction, |inner| spending::settle(inner, &settlement));
            Done::Settle(result, reply)
        }
        Write::Other { work, reply } => Done::Nothing(guarded(transaction, work), reply),
        // That the transaction began proves the lock could be had.
        Write::Probe { reply } => Done::Nothing(Ok(()), reply),
    }
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
