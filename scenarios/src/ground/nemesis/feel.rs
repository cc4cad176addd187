//! The effect of a fault, felt by probes of our own through the same edge (judging.md §7.2).

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use exai_harness::link::Link;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// How long a probe looks for the symptom.
const LOOK: Duration = Duration::from_secs(2);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(5);
/// Without an answer for this long, a store is silent.
const SILENT: Duration = Duration::from_millis(300);

/// A connection that is refused.
pub async fn refusal(address: SocketAddr) -> Option<String> {
    let until = Instant::now() + LOOK;
    while Instant::now() < until {
        if let Ok(Err(error)) = timeout(LOOK, TcpStream::connect(address)).await {
            return Some(format!("connecting to {address}: {error}"));
        }
        tokio::time::sleep(AGAIN).await;
    }
    None
}

/// A ping that is not answered.
pub async fn silence(address: SocketAddr) -> Option<String> {
    let asked = timeout(SILENT, ping(address)).await;
    asked
        .is_err()
        .then(|| format!("a ping to {address} stayed without answer for {SILENT:?}"))
}

/// A ping that takes at least this long.
pub async fn slowness(address: SocketAddr, least: Duration) -> Option<String> {
    let begun = Instant::now();
    timeout(LOOK, ping(address)).await.ok()?.ok()?;
    let took = begun.elapsed();
    (took >= least).then(|| format!("a ping to {address} took {took:?}, {least:?} added"))
}

/// New connections on an edge whose flows were cut.
pub async fn reconnected(link: &Link, before: u64) -> Option<String> {
    let until = Instant::now() + LOOK;
    while Instant::now() < until {
        let now = link.counters().accepted;
        if now > before {
            return Some(format!("{} connections were opened anew", now - before));
        }
        tokio::time::sleep(AGAIN).await;
    }
    None
}

/// A write of our own to an SQLite file that finds it locked.
pub async fn busy(file: &Path) -> Option<String> {
    let file = file.to_path_buf();
    let looked = tokio::task::spawn_blocking(move || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let connection = Connection::open_with_flags(file, flags).ok()?;
        connection.busy_timeout(Duration::ZERO).ok()?;
        match connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK;") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                Some(format!("a write of our own: {error}"))
            }
            _ => None,
        }
    });
    looked.await.ok().flatten()
}

/// Any answer of a Redis will do, a refusal for want of a password included.
async fn ping(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"PING\r\n").await?;
    stream.read_exact(&mut [0]).await.map(|_| ())
}
