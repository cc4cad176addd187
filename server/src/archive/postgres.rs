//! The archive in PostgreSQL, over one connection that is dialled again after whatever broke it.

use std::collections::HashMap;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls};

use super::Fault;
use super::row::{Row, Statement, Value};

/// A PostgreSQL server, dialled by the first use.
pub(super) struct Postgres {
    config: Config,
    connect_timeout: Duration,
    command_timeout: Duration,
    link: Mutex<Option<Link>>,
}

/// One connection and what was prepared on it.
struct Link {
    client: Client,
    prepared: HashMap<&'static str, tokio_postgres::Statement>,
}

impl Postgres {
    pub(super) fn new(
        url: &SecretString,
        connect_timeout: Duration,
        command_timeout: Duration,
    ) -> Result<Self, Fault> {
        // The URL may hold a password, so the error does not quote it.
        let mut config: Config = url
            .expose_secret()
            .parse()
            .map_err(|_| Fault::Unavailable("archive.url cannot be read".to_owned()))?;
        if config.get_ssl_mode() == SslMode::Require {
            let why = "archive.url asks for TLS, which this build does not speak to PostgreSQL";
            return Err(Fault::Unavailable(why.to_owned()));
        }
        config.connect_timeout(connect_timeout);
        config.application_name("exai");
        Ok(Self {
            config,
            connect_timeout,
            command_timeout,
            link: Mutex::new(None),
        })
    }

    /// Runs statements in one transaction.
    pub(super) async fn run(&self, statements: &[Statement]) -> Result<Vec<u64>, Fault> {
        self.settle(async |link| {
            let begun = link.client.batch_execute("BEGIN").await;
            begun.map_err(fault)?;
            let mut changed = Vec::with_capacity(statements.len());
            for statement in statements {
                match link.execute(statement).await {
                    Ok(rows) => changed.push(rows),
                    Err(error) => {
                        // A link on which even that fails is thrown away, which ends it as well.
                        link.client.batch_execute("ROLLBACK").await.map_err(fault)?;
                        return Err(fault(error));
                    }
                }
            }
            link.client.batch_execute("COMMIT").await.map_err(fault)?;
            Ok(changed)
        })
        .await
    }

    pub(super) async fn ask(&self, statement: &Statement) -> Result<Vec<Row>, Fault> {
        self.settle(async |link| link.query(statement).await.map_err(fault))
            .await
    }

    /// Takes rows that were deleted out of the tables; the server's write-ahead log is its own.
    pub(super) async fn scrub(&self) -> Result<(), Fault> {
        self.settle(async |link| {
            for table in ["messages", "conversations", "dead_letters"] {
                let text = format!("VACUUM FULL {table}");
                link.client.batch_execute(&text).await.map_err(fault)?;
            }
            Ok(())
        })
        .await
    }

    /// Works on the link, under the command's clock; a link that may be out of step is dropped.
    async fn settle<T>(
        &self,
        work: impl AsyncFnOnce(&mut Link) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let unavailable = |what: String| Err(Fault::Unavailable(what));
        let mut slot = self.link.lock().await;
        let mut link = match slot.take().filter(|link| !link.client.is_closed()) {
            Some(link) => link,
            None => self.dial().await?,
        };
        let Ok(done) = tokio::time::timeout(self.command_timeout, work(&mut link)).await else {
            return unavailable(format!("no reply within {:?}", self.command_timeout));
        };
        if !matches!(done, Err(Fault::Unavailable(_))) {
            *slot = Some(link);
        }
        done
    }

    async fn dial(&self) -> Result<Link, Fault> {
        let dialling = tokio::time::timeout(self.connect_timeout, self.config.connect(NoTls));
        let Ok(dialled) = dialling.await else {
            let waited = self.connect_timeout;
            return Err(Fault::Unavailable(format!(
                "no connection within {waited:?}"
            )));
        };
        let (client, connection) = dialled.map_err(fault)?;
        // Ends when the client is dropped or the server is gone.
        tokio::spawn(async move {
            if let Err(cause) = connection.await {
                tracing::debug!(%cause, "the connection to the archive ended");
            }
        });
        Ok(Link {
            client,
            prepared: HashMap::new(),
        })
    }
}

impl Link {
    async fn prepare(
        &mut self,
        statement: &Statement,
    ) -> Result<tokio_postgres::Statement, tokio_postgres::Error> {
        if let Some(prepared) = self.prepared.get(statement.text) {
            return Ok(prepared.clone());
        }
        let types: Vec<Type> = statement
            .values
            .iter()
            .map(|value| match value {
                Value::Text(_) => Type::TEXT,
                Value::Whole(_) => Type::INT8,
            })
            .collect();
        let prepared = self.client.prepare_typed(statement.text, &types).await?;
        self.prepared.insert(statement.text, prepared.clone());
        Ok(prepared)
    }

    async fn execute(&mut self, statement: &Statement) -> Result<u64, tokio_postgres::Error> {
        let prepared = self.prepare(statement).await?;
        self.client.execute(&prepared, &bound(statement)).await
    }

    async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, tokio_postgres::Error> {
        let prepared = self.prepare(statement).await?;
        let rows = self.client.query(&prepared, &bound(statement)).await?;
        rows.iter().map(read).collect()
    }
}

fn bound(statement: &Statement) -> Vec<&(dyn ToSql + Sync)> {
    let values = statement.values.iter();
    values
        .map(|value| match value {
            Value::Text(text) => text as &(dyn ToSql + Sync),
            Value::Whole(number) => number as &(dyn ToSql + Sync),
        })
        .collect()
}

fn read(row: &tokio_postgres::Row) -> Result<Row, tokio_postgres::Error> {
    let values = row.columns().iter().enumerate().map(|(at, column)| {
        if *column.type_() == Type::INT8 {
            row.try_get(at).map(Value::Whole)
        } else {
            row.try_get(at).map(Value::Text)
        }
    });
    values.collect::<Result<_, _>>().map(Row)
}

/// Sorts what the server says by its code: `22` is a value it cannot hold, `23` a rule of the
/// tables, `42` a table or column that is not there or not as expected.
fn fault(error: tokio_postgres::Error) -> Fault {
    let text = match error.as_db_error() {
        // Without the detail, which quotes values.
        Some(told) => format!("{} ({})", told.message(), told.code().code()),
        None => error.to_string(),
    };
    let Some(code) = error.code() else {
        return Fault::Unavailable(text);
    };
    match code.code().get(..2) {
        Some("22" | "23") => Fault::Poison(text),
        Some("42") if code.code() != "42501" => Fault::Schema(text),
        _ => Fault::Unavailable(text),
    }
}
