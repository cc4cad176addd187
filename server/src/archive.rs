//! The archive: a relational copy of every exchange, which outlives its thread.
//!
//! One `Archive`, two homes: a SQLite file, or PostgreSQL by URL. The statements are the same, so
//! the homes differ in how they run one. Copies arrive through the store's queue (`keeper`), may
//! arrive twice, and are kept once. Losing the archive stops nothing but the reading of archived
//! copies; a schema that is not ours takes the instance out of service, since a wrong migration
//! would go unseen otherwise.

mod entry;
pub mod fault;
pub mod keeper;
mod postgres;
mod row;
mod schema;
mod sqlite;

#[cfg(test)]
mod contract;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use secrecy::SecretString;

use crate::config::Migrate;
use crate::guard::{Guard, Guarding, Pass};
use crate::router::breaker::Verdict;

pub use entry::{Deed, Entry};
use entry::{hex, subject};
pub use fault::Fault;
pub use keeper::Keeper;
use row::{Row, Statement};
pub use schema::{Plan, Step};

use crate::store::{Exchange, ThreadId};

/// Which home, and how long to wait for it.
#[derive(Debug, Clone)]
pub enum Home {
    /// A SQLite file.
    Sqlite {
        /// The database file; its folder exists.
        path: PathBuf,
        /// Wait for a lock that another process holds.
        busy_timeout: Duration,
    },
    /// A PostgreSQL server.
    Postgres {
        /// `postgres://`, password included.
        url: SecretString,
        /// One attempt to connect.
        connect_timeout: Duration,
        /// One transaction or query.
        command_timeout: Duration,
    },
}

/// A copy that cannot be archived, kept aside with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The principal it was queued for.
    pub owner: String,
    /// The thread, as queued.
    pub thread: String,
    /// The number of the exchange, as queued.
    pub turn: u32,
    /// The text, as queued.
    pub body: String,
    /// Why it cannot be archived.
    pub reason: String,
}

/// An archived thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// Its handle.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Exchanges, oldest first.
    pub exchanges: Vec<Exchange>,
    /// Unix milliseconds of the last exchange.
    pub updated_ms: i64,
}

enum Kind {
    Sqlite(sqlite::Sqlite),
    Postgres(Box<postgres::Postgres>),
}

struct Inner {
    home: Kind,
    guard: Guard,
    /// Versions of the schema this program knows; a test may know fewer.
    known: i64,
    migrate: Migrate,
    is_checked: AtomicBool,
}

/// The archive; cheap to clone.
#[derive(Clone)]
pub struct Archive(Arc<Inner>);

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive")
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

impl Archive {
    /// An archive in this home, which is opened and checked by its first use, and migrated where
    /// that is not left to the command.
    ///
    /// # Errors
    /// A URL that cannot be read.
    pub fn new(home: Home, guarding: Guarding, migrate: Migrate) -> Result<Self, Fault> {
        Self::knowing(home, guarding, (schema::KNOWN, migrate))
    }

    fn knowing(
        home: Home,
        guarding: Guarding,
        (known, migrate): (i64, Migrate),
    ) -> Result<Self, Fault> {
        let home = match home {
            Home::Sqlite { path, busy_timeout } => {
                Kind::Sqlite(sqlite::Sqlite::new(path, busy_timeout))
            }
            Home::Postgres {
                url,
                connect_timeout,
                command_timeout,
            } => Kind::Postgres(Box::new(postgres::Postgres::new(
                &url,
                connect_timeout,
                command_timeout,
            )?)),
        };
        Ok(Self(Arc::new(Inner {
            home,
            guard: Guard::new(guarding),
            known,
            migrate,
            is_checked: AtomicBool::new(false),
        })))
    }

    /// `sqlite` or `postgres`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.0.home {
            Kind::Sqlite(_) => "sqlite",
            Kind::Postgres(_) => "postgres",
        }
    }

    /// Copies changes, all or none. A copy that is there already stays as it is; one of a thread or
    /// an owner that was removed since is left out.
    ///
    /// # Errors
    /// `Poison` when one of them can never be copied, or an outage.
    pub async fn copy(&self, entries: &[Entry], now_ms: i64) -> Result<(), Fault> {
        let mut statements = Vec::new();
        for entry in entries {
            entry.statements(now_ms, &mut statements)?;
        }
        self.write(statements).await.map(drop)
    }

    /// Keeps a copy aside that cannot be archived.
    ///
    /// # Errors
    /// An outage.
    pub async fn bury(&self, letter: &Letter, now_ms: i64) -> Result<(), Fault> {
        // PostgreSQL keeps no NUL in a text.
        let text = |text: &str| text.replace('\0', "\u{fffd}");
        let told = format!("{}\n{}\n{}", letter.thread, letter.turn, letter.body);
        let put = Statement::new(schema::BURY)
            .text(hex(&told))
            .text(text(&letter.owner))
            .text(text(&letter.thread))
            .whole(letter.turn.into())
            .text(text(&letter.body))
            .text(text(&letter.reason))
            .whole(now_ms);
        self.write(vec![put]).await.map(drop)
    }

    /// How many copies are kept aside.
    ///
    /// # Errors
    /// An outage.
    pub async fn dead_letters(&self) -> Result<u64, Fault> {
        let rows = self.rows(Statement::new(schema::COUNT_BURIED)).await?;
        rows.first()
            .map_or(Ok(0), |row| Ok(row.whole(0)?.unsigned_abs()))
    }

    /// An archived thread of `owner`.
    ///
    /// # Errors
    /// An outage.
    pub async fn read(&self, owner: &str, id: ThreadId) -> Result<Option<Archived>, Fault> {
        let find = Statement::new(schema::FIND)
            .text(id.to_string())
            .text(owner);
        match self.rows(find).await?.first() {
            Some(head) => self.whole(head).await.map(Some),
            None => Ok(None),
        }
    }

    /// Every archived thread of `owner`, the oldest first.
    ///
    /// # Errors
    /// An outage.
    pub async fn of_owner(&self, owner: &str) -> Result<Vec<Archived>, Fault> {
        let mut all = Vec::new();
        for head in self.rows(Statement::new(schema::OWNED).text(owner)).await? {
            all.push(self.whole(&head).await?);
        }
        Ok(all)
    }

    /// Removes everything of `owner`, and what may still be on its way here; returns how many
    /// threads and how many dead letters there were.
    ///
    /// # Errors
    /// An outage.
    pub async fn purge(&self, owner: &str, now_ms: i64) -> Result<(u64, u64), Fault> {
        let forget = Statement::new(schema::FORGET)
            .text(subject(owner))
            .whole(now_ms);
        let threads = Statement::new(schema::PURGE_THREADS).text(owner);
        let letters = Statement::new(schema::PURGE_BURIED).text(owner);
        let counts = self.write(vec![forget, threads, letters]).await?;
        match &self.0.home {
            Kind::Sqlite(home) => home.scrub().await?,
            Kind::Postgres(home) => home.scrub().await?,
        }
        let count = |at: usize| counts.get(at).copied().unwrap_or(0);
        Ok((count(1), count(2)))
    }

    /// Removes what was last changed before `before_ms`; returns how many threads.
    ///
    /// # Errors
    /// An outage.
    pub async fn expire(&self, before_ms: i64) -> Result<u64, Fault> {
        let all = [
            schema::EXPIRE,
            schema::EXPIRE_BURIED,
            schema::EXPIRE_FORGOTTEN,
        ];
        let all = all.map(|text| Statement::new(text).whole(before_ms));
        let counts = self.write(all.into()).await?;
        Ok(counts.first().copied().unwrap_or(0))
    }

    /// Asks whether the archive answers and its schema is one this program can use, whatever the
    /// breaker says: an answer ends its interval.
    ///
    /// # Errors
    /// `Schema`, or an outage.
    pub async fn probe(&self) -> Result<(), Fault> {
        self.0.is_checked.store(false, Ordering::Release);
        self.checked().await?;
        self.0.guard.answered();
        Ok(())
    }

    /// What would be done to the tables; nothing is.
    ///
    /// # Errors
    /// `Schema` for tables this program cannot bring further, or an outage.
    pub async fn plan(&self) -> Result<Plan, Fault> {
        schema::plan(self).await
    }

    /// Brings the tables to what this program knows; returns the versions that were missing.
    ///
    /// # Errors
    /// As of [`Archive::plan`].
    pub async fn migrate(&self) -> Result<Vec<i64>, Fault> {
        schema::migrate(self).await
    }

    async fn whole(&self, head: &Row) -> Result<Archived, Fault> {
        let (id, title) = (head.text(0)?.to_owned(), head.text(1)?.to_owned());
        let rows = self
            .rows(Statement::new(schema::READ).text(id.clone()))
            .await?;
        let exchange = |row: &Row| {
            let read = serde_json::from_str(row.text(0)?);
            read.map_err(|error| Fault::Poison(format!("read back an exchange: {error}")))
        };
        Ok(Archived {
            id,
            title,
            updated_ms: head.whole(2)?,
            exchanges: rows.iter().map(exchange).collect::<Result<_, _>>()?,
        })
    }

    /// Checks the schema once, and again after whatever may have changed it; migrates it where that
    /// is not left to the command.
    async fn checked(&self) -> Result<(), Fault> {
        if self.0.is_checked.load(Ordering::Acquire) {
            return Ok(());
        }
        match self.0.migrate {
            Migrate::Start => schema::migrate(self).await.map(drop)?,
            Migrate::Command => schema::require(self).await?,
        }
        self.0.is_checked.store(true, Ordering::Release);
        Ok(())
    }

    async fn write(&self, statements: Vec<Statement>) -> Result<Vec<u64>, Fault> {
        self.guarded(self.run(statements)).await
    }

    async fn rows(&self, statement: Statement) -> Result<Vec<Row>, Fault> {
        self.guarded(self.ask(statement)).await
    }

    /// Does what the breaker lets pass, on a schema that was looked at, and tells it how that went.
    async fn guarded<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let pass = self.0.guard.admit().map_err(Fault::Unavailable)?;
        let result = match self.checked().await {
            Ok(()) => self.doubt(work.await),
            Err(fault) => Err(fault),
        };
        let verdict = match &result {
            Ok(_) => Verdict::Success,
            Err(Fault::Unavailable(_)) => Verdict::Failure,
            // It answered, if only to refuse.
            Err(_) => Verdict::Business,
        };
        match pass {
            Pass::Free(ticket) => self.0.guard.note(ticket, verdict),
            Pass::Trial(trial) => drop(trial.settle(verdict)),
        }
        result
    }

    /// Has the schema looked at again after tables were not as expected.
    fn doubt<T>(&self, result: Result<T, Fault>) -> Result<T, Fault> {
        if matches!(result, Err(Fault::Schema(_))) {
            self.0.is_checked.store(false, Ordering::Release);
        }
        result
    }

    /// Runs statements in one transaction; how many rows each changed.
    async fn run(&self, statements: Vec<Statement>) -> Result<Vec<u64>, Fault> {
        match &self.0.home {
            Kind::Sqlite(home) => home.run(statements).await,
            Kind::Postgres(home) => home.run(&statements).await,
        }
    }

    async fn ask(&self, statement: Statement) -> Result<Vec<Row>, Fault> {
        match &self.0.home {
            Kind::Sqlite(home) => home.ask(statement).await,
            Kind::Postgres(home) => home.ask(&statement).await,
        }
    }
}
