//! An empty archive of each kind, and a way to it past the program.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;

/// An empty archive, and what keeps it alive.
pub struct Bench {
    pub archive: Archive,
    pub home: Home,
    _server: Option<Arc<super::postgresql::Postgres>>,
    folder: tempfile::TempDir,
}

impl Bench {
    /// Another program on the same archive, which knows so many versions.
    pub fn another(&self, known: i64) -> Archive {
        Archive::knowing(self.home.clone(), guarding(), (known, Migrate::Start)).unwrap()
    }

    /// A folder of the test's own.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Statements past the program, in one go.
    pub async fn sql(&self, text: &str) {
        match &self.home {
            Home::Sqlite { path, .. } => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.busy_timeout(Duration::from_secs(5)).unwrap();
                connection.execute_batch(text).unwrap();
            }
            Home::Postgres { .. } => self.client().await.batch_execute(text).await.unwrap(),
        }
    }

    /// The first column of a query past the program, as text.
    pub async fn column(&self, text: &str) -> Vec<String> {
        match &self.home {
            Home::Sqlite { path, .. } => {
                let connection = rusqlite::Connection::open(path).unwrap();
                let mut statement = connection.prepare(text).unwrap();
                let rows = statement
                    .query_map([], |row| row.get::<_, String>(0))
                    .unwrap();
                rows.map(Result::unwrap).collect()
            }
            Home::Postgres { .. } => {
                let rows = self.client().await.query(text, &[]).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }

    /// Locks the archive against writers until the value is dropped.
    pub async fn lock(&self) -> Lock {
        match &self.home {
            Home::Sqlite { path, .. } => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                Lock::Sqlite(connection)
            }
            Home::Postgres { .. } => {
                let client = self.client().await;
                let lock = "BEGIN; LOCK TABLE conversations, messages IN ACCESS EXCLUSIVE MODE";
                client.batch_execute(lock).await.unwrap();
                Lock::Postgres(client)
            }
        }
    }

    async fn client(&self) -> tokio_postgres::Client {
        let Home::Postgres { url, .. } = &self.home else {
            unreachable!("a bench on PostgreSQL")
        };
        client(url.expose_secret()).await
    }
}

/// Holds a lock.
#[expect(dead_code, reason = "what is held is the lock")]
pub enum Lock {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
}

use secrecy::ExposeSecret as _;

async fn client(url: &str) -> tokio_postgres::Client {
    let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
    let (client, connection) = connected.unwrap();
    tokio::spawn(connection);
    client
}

pub fn guarding() -> Guarding {
    Guarding::of("archive")
}

pub async fn sqlite() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::Sqlite {
        path: folder.path().join("archive.sqlite"),
        busy_timeout: Duration::from_millis(200),
    };
    Bench {
        archive: Archive::new(home.clone(), guarding(), Migrate::Start).unwrap(),
        home,
        _server: None,
        folder,
    }
}

/// `None` when there is no PostgreSQL; an error when `EXAI_REQUIRE` demands one.
pub async fn postgres() -> Option<Bench> {
    let server = super::postgresql::Postgres::shared()?;
    let home = Home::Postgres {
        url: server.database().into(),
        connect_timeout: Duration::from_secs(5),
        command_timeout: Duration::from_secs(5),
    };
    Some(Bench {
        archive: Archive::new(home.clone(), guarding(), Migrate::Start).unwrap(),
        home,
        _server: Some(server),
        folder: tempfile::tempdir().unwrap(),
    })
}
