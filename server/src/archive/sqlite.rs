//! The archive in a SQLite file, which any number of processes may share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, ToSql, TransactionBehavior};

use super::Fault;
use super::row::{Row, Statement, Value};

/// A SQLite file, opened by its first use.
pub(super) struct Sqlite {
    path: PathBuf,
    busy_timeout: Duration,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl Sqlite {
    pub(super) fn new(path: PathBuf, busy_timeout: Duration) -> Self {
        Self {
            path,
            busy_timeout,
            connection: Arc::default(),
        }
    }

    /// Runs statements in one transaction.
    pub(super) async fn run(&self, statements: Vec<Statement>) -> Result<Vec<u64>, Fault> {
        self.work(move |connection| {
            let immediate = TransactionBehavior::Immediate;
            let transaction = connection.transaction_with_behavior(immediate)?;
            let mut changed = Vec::with_capacity(statements.len());
            for statement in &statements {
                let mut prepared = transaction.prepare_cached(statement.text)?;
                let values = statement.values.iter();
                changed.push(prepared.execute(rusqlite::params_from_iter(values))? as u64);
            }
            transaction.commit()?;
            crate::sqlite::shorten_log(connection);
            Ok(changed)
        })
        .await
    }

    pub(super) async fn ask(&self, statement: Statement) -> Result<Vec<Row>, Fault> {
        self.work(move |connection| {
            let mut prepared = connection.prepare_cached(statement.text)?;
            let columns = prepared.column_count();
            let values = rusqlite::params_from_iter(statement.values.iter());
            let rows = prepared.query_map(values, |row| {
                let values = (0..columns).map(|at| match row.get_ref(at)? {
                    ValueRef::Integer(number) => Ok(Value::Whole(number)),
                    other => Ok(Value::Text(other.as_str().unwrap_or_default().to_owned())),
                });
                values.collect::<rusqlite::Result<_>>().map(Row)
            })?;
            rows.collect()
        })
        .await
    }

    /// Takes what was deleted out of the log beside the file; the file itself is overwritten where
    /// rows were.
    pub(super) async fn scrub(&self) -> Result<(), Fault> {
        self.work(|connection| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let (slot, path) = (Arc::clone(&self.connection), self.path.clone());
        let busy_timeout = self.busy_timeout;
        let work = move || {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            let mut connection = match slot.take() {
                // A file that was taken away or replaced is not written into the void.
                Some(connection) if path.exists() => connection,
                _ => crate::sqlite::open(&path, busy_timeout).map_err(fault)?,
            };
            let done = work(&mut connection).map_err(fault);
            if !matches!(done, Err(Fault::Unavailable(_))) {
                *slot = Some(connection);
            }
            done
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(Fault::Unavailable(error.to_string())))
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Whole(number) => number.to_sql(),
        }
    }
}

fn fault(error: rusqlite::Error) -> Fault {
    use rusqlite::Error::SqliteFailure;
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch) => {
            Fault::Poison(error.to_string())
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            Fault::Schema(error.to_string())
        }
        // A statement that does not fit the tables: a column or table is missing.
        _ if matches!(&error, SqliteFailure(code, _) if code.code == ErrorCode::Unknown)
            || matches!(&error, rusqlite::Error::SqlInputError { .. }) =>
        {
            Fault::Schema(error.to_string())
        }
        _ => Fault::Unavailable(error.to_string()),
    }
}
