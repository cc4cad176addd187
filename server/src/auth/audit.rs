//! The record of denials, and of the few deeds that are put on record though allowed: JSON lines,
//! append-only, each line's hash covering the one before.
//!
//! `hash` is the SHA-256, in hex, of the line's object without `hash`, as serialised here; `prev`
//! is the hash of the line before, or 64 zeros. Nothing a caller sent is written but the tool or
//! path asked for, printable characters only and cut short. No tokens, prompts or answers.

use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::digest::hex;
use crate::observe::health::{Health, Report, Status};
use crate::observe::manifest::{COMMIT, now_utc};

/// What the first line of a file points back to.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Longest text taken from a caller.
const LONGEST: usize = 120;

/// How long a line waits for room in the queue before it is reported lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// One thing that was asked for, before it has a place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The request's id.
    pub correlation_id: String,
    /// The verified caller, or `unverified`.
    pub principal: String,
    /// The client's address.
    pub source: String,
    /// `http` or `websocket`.
    pub transport: String,
    /// Such as `tools/call` or `GET /metrics`.
    pub action: String,
    /// The tool, session or path asked for.
    pub resource: String,
    /// Why it was denied, as a code; when it was allowed, why that is on record, or empty.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    time: String,
    #[serde(flatten)]
    deed: Deed,
    decision: String,
    build: String,
    prev: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sealed {
    #[serde(flatten)]
    line: Line,
    hash: String,
}

impl Line {
    fn seal(self) -> io::Result<Sealed> {
        let text = serde_json::to_vec(&self)?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text);
        Ok(Sealed {
            line: self,
            hash: hex(digest.as_ref()),
        })
    }
}

/// Text from a caller made harmless: control, bidi and other unprintable characters escaped.
#[must_use]
pub fn harmless(text: &str) -> String {
    let is_plain = |c: char| c == ' ' || (!c.is_control() && !c.is_whitespace() && !is_hidden(c));
    let mut out = String::new();
    for c in text.chars().take(LONGEST) {
        if is_plain(c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}

fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[derive(Debug, Clone, Copy)]
enum Decision {
    Allow,
    Deny,
}

impl Decision {
    const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

enum Order {
    Record(Deed, Decision),
    End,
}

/// The way in; cheap to clone.
#[derive(Clone)]
pub struct Audit {
    orders: mpsc::Sender<Order>,
    health: Health,
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Audit")
    }
}

impl Audit {
    /// Opens the file, continues its chain and starts the writer, which ends when it is told to or
    /// the last handle is dropped.
    ///
    /// # Errors
    /// When the file cannot be opened or its last line cannot be read.
    pub async fn open(
        path: &Path,
        queue: usize,
        health: Health,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let lock = lock(path)?;
        let prev = last_hash(path)?;
        let file = File::from_std(lock.try_clone()?);
        let (orders, inbox) = mpsc::channel(queue);
        health.report("audit", Report::new(Status::Healthy, "").local());
        let writer = Writer {
            _lock: lock,
            file,
            path: path.to_owned(),
            prev,
            health: health.clone(),
        };
        Ok((Self { orders, health }, tokio::spawn(writer.run(inbox))))
    }

    /// Puts a denial on record. Waits a moment when the queue is full; a denial that still finds no
    /// room turns the instance unhealthy, it is never dropped in silence.
    pub async fn record(&self, deed: Deed) {
        self.order(deed, Decision::Deny).await;
    }

    /// Puts on record what was allowed.
    pub async fn record_allowed(&self, deed: Deed) {
        self.order(deed, Decision::Allow).await;
    }

    /// The same without waiting; a full queue is reported like any other loss.
    pub fn note_allowed(&self, deed: Deed) {
        let order = Order::Record(deed, Decision::Allow);
        if self.orders.try_send(order).is_err() {
            self.lost();
        }
    }

    fn lost(&self) {
        tracing::error!(severity = "critical", "an audit line was lost");
        let report = Report::new(Status::Unhealthy, "an audit line was lost");
        self.health.report("audit", report.local());
    }

    async fn order(&self, deed: Deed, decision: Decision) {
        let sending = self.orders.send(Order::Record(deed, decision));
        if !matches!(tokio::time::timeout(PATIENCE, sending).await, Ok(Ok(()))) {
            self.lost();
        }
    }

    /// Ends the writer once everything recorded so far is in the file. What others try to record
    /// later is lost, and reported so.
    pub async fn end(&self) {
        let _ = self.orders.send(Order::End).await;
    }
}

struct Writer {
    file: File,
    /// Held as long as this process writes: two writers would break each other's chain.
    _lock: Flock<std::fs::File>,
    path: PathBuf,
    prev: String,
    health: Health,
}

impl Writer {
    async fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        while let Some(order) = inbox.recv().await {
            match order {
                Order::Record(deed, decision) => self.write(deed, decision).await,
                // What is in the queue already is still given out.
                Order::End => inbox.close(),
            }
        }
        let _ = self.file.sync_data().await;
    }

    async fn write(&mut self, deed: Deed, decision: Decision) {
        let deed = Deed {
            principal: harmless(&deed.principal),
            action: harmless(&deed.action),
            resource: harmless(&deed.resource),
            ..deed
        };
        let line = Line {
            time: now_utc(),
            deed,
            decision: decision.name().to_owned(),
            build: COMMIT.to_owned(),
            prev: self.prev.clone(),
        };
        if let Err(error) = self.append(line).await {
            let path = self.path.display();
            tracing::error!(severity = "critical", %path, cause = %error, "audit write failed");
            let report = Report::new(Status::Unhealthy, "the audit file cannot be written");
            self.health.report("audit", report.local());
        }
    }

    async fn append(&mut self, line: Line) -> io::Result<()> {
        let sealed = line.seal()?;
        let mut text = serde_json::to_vec(&sealed)?;
        text.push(b'\n');
        self.file.write_all(&text).await?;
        self.file.flush().await?;
        self.prev = sealed.hash;
        Ok(())
    }
}

fn lock(path: &Path) -> io::Result<Flock<std::fs::File>> {
    let file = std::fs::File::options()
        .create(true)
        .read(true)
        .append(true)
        .open(path)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        nix::errno::Errno::EWOULDBLOCK => io::Error::other(
            "another process writes to this audit file; set audit.file or server.state_dir",
        ),
        other => other.into(),
    })
}

fn last_hash(path: &Path) -> io::Result<String> {
    cut_torn_line(path)?;
    verify(path)
        .map(|(_, hash)| hash)
        .map_err(|broken| io::Error::other(broken.to_string()))
}

/// A process killed while writing may leave half a line, which nobody was told of. It is removed;
/// a whole line never is.
fn cut_torn_line(path: &Path) -> io::Result<()> {
    let bytes = std::fs::read(path)?;
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    if whole < bytes.len() {
        let torn = bytes.len() - whole;
        tracing::warn!(path = %path.display(), bytes = torn, "cut a torn audit line");
        std::fs::File::options()
            .write(true)
            .open(path)?
            .set_len(whole as u64)?;
    }
    Ok(())
}

/// What is wrong with an audit file.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The file could not be read.
    #[error("the audit file could not be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A line was edited, removed or added by another hand.
    #[error("line {0} of the audit file breaks the chain; move the file away to start a new one")]
    Chain(usize),
}

/// Checks a file's chain: the number of lines and the last hash.
///
/// # Errors
/// The first line that does not fit, counted from 1.
pub fn verify(path: &Path) -> Result<(usize, String), Broken> {
    let file = std::fs::File::open(path)?;
    let mut prev = GENESIS.to_owned();
    let mut count = 0;
    for text in io::BufReader::new(file).lines() {
        count += 1;
        let sealed: Sealed = serde_json::from_str(&text?).map_err(|_| Broken::Chain(count))?;
        let again = sealed.line.clone().seal()?;
        if sealed.line.prev != prev || sealed != again {
            return Err(Broken::Chain(count));
        }
        prev = sealed.hash;
    }
    Ok((count, prev))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(resource: &str) -> Deed {
        Deed {
            correlation_id: "c".into(),
            principal: "alice".into(),
            source: "127.0.0.1".into(),
            transport: "http".into(),
            action: "tools/call".into(),
            resource: resource.into(),
            reason: "role".into(),
        }
    }

    async fn record(path: &Path, resources: &[&str]) {
        let (audit, writer) = Audit::open(path, 8, Health::new(&[])).await.unwrap();
        for resource in resources {
            audit.record(deed(resource)).await;
        }
        drop(audit);
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn the_chain_goes_on_after_a_restart_and_an_edit_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        record(&path, &["a", "b"]).await;
        record(&path, &["c"]).await;
        assert_eq!(verify(&path).unwrap().0, 3);

        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"b\"", "\"x\"")).unwrap();
        assert!(matches!(verify(&path), Err(Broken::Chain(2))));

        let without_second: Vec<&str> = text
            .lines()
            .enumerate()
            .filter(|(i, _)| *i != 1)
            .map(|(_, line)| line)
            .collect();
        std::fs::write(&path, without_second.join("\n") + "\n").unwrap();
        assert!(matches!(verify(&path), Err(Broken::Chain(2))));
        assert!(Audit::open(&path, 8, Health::new(&[])).await.is_err());
    }

    #[tokio::test]
    async fn a_torn_last_line_is_cut_and_a_second_writer_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        record(&path, &["a"]).await;
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"time\":\"20");
        std::fs::write(&path, text).unwrap();
        let first = Audit::open(&path, 8, Health::new(&[])).await.unwrap();
        assert_eq!(verify(&path).unwrap().0, 1);
        assert!(Audit::open(&path, 8, Health::new(&[])).await.is_err());
        drop(first);
    }

    #[tokio::test]
    async fn client_text_cannot_forge_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        record(&path, &["a\n{\"decision\":\"allow\"}\u{202e}\u{1b}[2J"]).await;
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}'));
        assert_eq!(verify(&path).unwrap().0, 1);
    }
}
