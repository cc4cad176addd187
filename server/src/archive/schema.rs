//! Tables, statements and versions, the same in both homes.
//!
//! A version is a script. Each says from which program version on the tables it leaves can be used:
//! a change that only adds (expand) leaves that number alone, so that the previous program goes on
//! working beside the new one and after a rollback; a change that takes away (contract) raises it,
//! and comes one release after the last program that needs what it takes.

use super::row::Statement;
use super::{Archive, Fault};

/// One version of the schema.
struct Version {
    /// The oldest program, by the versions it knows, that can use the tables after this one.
    oldest: i64,
    /// Its statements.
    script: &'static [&'static str],
}

const VERSIONS: [Version; 2] = [
    // 1: what was said, and what could not be copied.
    Version {
        oldest: 1,
        script: &[
            "CREATE TABLE conversations (
                 continuation_id TEXT PRIMARY KEY,
                 owner TEXT NOT NULL,
                 title TEXT NOT NULL,
                 created_ms BIGINT NOT NULL,
                 updated_ms BIGINT NOT NULL
             )",
            "CREATE INDEX conversations_by_owner ON conversations (owner, updated_ms)",
            "CREATE INDEX conversations_by_age ON conversations (updated_ms)",
            "CREATE TABLE messages (
                 continuation_id TEXT NOT NULL
                     REFERENCES conversations (continuation_id) ON DELETE CASCADE,
                 turn BIGINT NOT NULL,
                 idempotency_key TEXT NOT NULL UNIQUE,
                 body TEXT NOT NULL,
                 PRIMARY KEY (continuation_id, turn)
             )",
            "CREATE TABLE dead_letters (
                 id TEXT PRIMARY KEY,
                 owner TEXT NOT NULL,
                 thread TEXT NOT NULL,
                 turn BIGINT NOT NULL,
                 body TEXT NOT NULL,
                 reason TEXT NOT NULL,
                 buried_ms BIGINT NOT NULL
             )",
        ],
    },
    // 2: threads and owners that were removed, so that a late copy does not bring them back.
    Version {
        oldest: 1,
        script: &["CREATE TABLE forgotten (
             subject TEXT PRIMARY KEY,
             forgotten_ms BIGINT NOT NULL
         )"],
    },
];

/// The versions this program knows.
pub(super) const KNOWN: i64 = VERSIONS.len() as i64;

pub(super) const CONVERSATION: &str = "INSERT INTO conversations
        (continuation_id, owner, title, created_ms, updated_ms)
    SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT),
        CAST($4 AS BIGINT)
    WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE subject = CAST($1 AS TEXT)
        OR (subject = CAST($5 AS TEXT) AND forgotten_ms >= CAST($4 AS BIGINT)))
    ON CONFLICT (continuation_id) DO UPDATE SET updated_ms = excluded.updated_ms
        WHERE conversations.owner = excluded.owner
        AND conversations.updated_ms < excluded.updated_ms";

pub(super) const MESSAGE: &str = "INSERT INTO messages
        (continuation_id, turn, idempotency_key, body)
    SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS TEXT), CAST($4 AS TEXT)
    WHERE NOT EXISTS (SELECT 1 FROM messages WHERE idempotency_key = CAST($3 AS TEXT))
        AND EXISTS (SELECT 1 FROM conversations
            WHERE continuation_id = CAST($1 AS TEXT) AND owner = CAST($5 AS TEXT))
    ON CONFLICT (idempotency_key) DO NOTHING";

pub(super) const FORGET: &str = "INSERT INTO forgotten (subject, forgotten_ms)
    VALUES (CAST($1 AS TEXT), CAST($2 AS BIGINT))
    ON CONFLICT (subject) DO UPDATE SET forgotten_ms = excluded.forgotten_ms";

pub(super) const DELETE: &str =
    "DELETE FROM conversations WHERE continuation_id = $1 AND owner = $2";

pub(super) const BURY: &str = "INSERT INTO dead_letters
        (id, owner, thread, turn, body, reason, buried_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING";

pub(super) const COUNT_BURIED: &str = "SELECT count(*) FROM dead_letters";

pub(super) const FIND: &str = "SELECT continuation_id, title, updated_ms FROM conversations
    WHERE continuation_id = $1 AND owner = $2";

pub(super) const OWNED: &str = "SELECT continuation_id, title, updated_ms FROM conversations
    WHERE owner = $1 ORDER BY created_ms, continuation_id";

pub(super) const READ: &str = "SELECT body FROM messages WHERE continuation_id = $1 ORDER BY turn";

pub(super) const PURGE_THREADS: &str = "DELETE FROM conversations WHERE owner = $1";
pub(super) const PURGE_BURIED: &str = "DELETE FROM dead_letters WHERE owner = $1";
pub(super) const EXPIRE: &str = "DELETE FROM conversations WHERE updated_ms < $1";
pub(super) const EXPIRE_BURIED: &str = "DELETE FROM dead_letters WHERE buried_ms < $1";
pub(super) const EXPIRE_FORGOTTEN: &str = "DELETE FROM forgotten WHERE forgotten_ms < $1";

const FOUND: &str = "SELECT version, oldest FROM schema_version ORDER BY version DESC LIMIT 1";
const BEGUN: &str = "CREATE TABLE IF NOT EXISTS schema_version (
    version BIGINT PRIMARY KEY,
    oldest BIGINT NOT NULL,
    applied_ms BIGINT NOT NULL
)";
const REACHED: &str =
    "INSERT INTO schema_version (version, oldest, applied_ms) VALUES ($1, $2, $3)";

/// What separates the tables from what this program knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The version that was found; 0 of an empty database.
    pub found: i64,
    /// What is missing, in order.
    pub steps: Vec<Step>,
}

/// One version that the tables are not at yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub version: i64,
    /// The oldest program, by the versions it knows, that can use the tables after it.
    pub oldest: i64,
    /// What is done, in one transaction.
    pub statements: &'static [&'static str],
}

/// Looks at the tables.
///
/// # Errors
/// `Schema` for tables of another program or of a newer one that left this one behind, or an
/// outage.
pub(super) async fn plan(archive: &Archive) -> Result<Plan, Fault> {
    let known = archive.0.known;
    let found = standing(archive).await?;
    if let Some((version, oldest)) = found
        && oldest > known
    {
        return Err(Fault::Schema(format!(
            "schema_version is {version}, which needs a program that knows version {oldest}; \
             this one knows {known}"
        )));
    }
    let found = found.map_or(0, |(version, _)| version);
    let missing = (1..=known)
        .zip(&VERSIONS)
        .filter(|(number, _)| *number > found);
    let steps = missing.map(|(version, row)| Step {
        version,
        oldest: row.oldest,
        statements: row.script,
    });
    Ok(Plan {
        found,
        steps: steps.collect(),
    })
}

/// Refuses tables that are not at what this program knows yet.
///
/// # Errors
/// `Schema` with the command that brings them there, and as of [`plan`].
pub(super) async fn require(archive: &Archive) -> Result<(), Fault> {
    let Plan { found, steps } = plan(archive).await?;
    if steps.is_empty() {
        return Ok(());
    }
    let known = archive.0.known;
    Err(Fault::Schema(format!(
        "schema_version is {found} and this program needs {known}: run exai migrate --apply"
    )))
}

/// Brings the tables to the versions this program knows, or finds that it cannot use them; returns
/// the versions it brought.
///
/// # Errors
/// As of [`plan`].
pub(super) async fn migrate(archive: &Archive) -> Result<Vec<i64>, Fault> {
    let mut brought = Vec::new();
    for step in plan(archive).await?.steps {
        // The row of a version is its lock: whoever comes second waits for it and is refused.
        let reached = Statement::new(REACHED)
            .whole(step.version)
            .whole(step.oldest)
            .whole(jiff::Timestamp::now().as_millisecond());
        let script = step.statements.iter().map(|text| Statement::new(text));
        let statements = [Statement::new(BEGUN), reached].into_iter().chain(script);
        if let Err(refused) = archive.run(statements.collect()).await {
            // Another instance may have been first.
            match standing(archive).await? {
                Some((version, _)) if version >= step.version => continue,
                _ => return Err(refused),
            }
        }
        brought.push(step.version);
        tracing::info!(
            version = step.version,
            kind = archive.kind(),
            "archive migrated"
        );
    }
    Ok(brought)
}

/// Version and oldest program of the tables that are there; `None` when there are none.
async fn standing(archive: &Archive) -> Result<Option<(i64, i64)>, Fault> {
    // One look, so that another instance's migration is seen whole or not at all.
    let tables = archive.ask(Statement::new(archive.tables())).await?;
    let is_there = |table| tables.iter().any(|row| row.text(0) == Ok(table));
    if !is_there("schema_version") {
        return match tables.is_empty() {
            true => Ok(None),
            false => Err(Fault::Schema(
                "schema_version is missing beside tables that are there".to_owned(),
            )),
        };
    }
    let foreign = |why: String| Fault::Schema(format!("schema_version is not ours: {why}"));
    let rows = match archive.ask(Statement::new(FOUND)).await {
        Err(Fault::Poison(why) | Fault::Schema(why)) => return Err(foreign(why)),
        answered => answered?,
    };
    let Some(row) = rows.first() else {
        return Err(foreign("it holds no row".to_owned()));
    };
    Ok(Some((row.whole(0)?, row.whole(1)?)))
}

impl Archive {
    /// Asks which of the tables that tell are there.
    fn tables(&self) -> &'static str {
        match self.0.home {
            super::Kind::Sqlite(_) => {
                "SELECT name FROM sqlite_master WHERE type = 'table'
                     AND name IN ('schema_version', 'conversations', 'messages')"
            }
            super::Kind::Postgres(_) => {
                "SELECT CAST(table_name AS TEXT) FROM information_schema.tables
                 WHERE table_schema = current_schema()
                     AND table_name IN ('schema_version', 'conversations', 'messages')"
            }
        }
    }
}
