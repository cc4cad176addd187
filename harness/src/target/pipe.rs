//! A server on its pipes, started by us: every line it writes is seen, message or not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::heard::{End, Heard};
use crate::client::ClientError;
use crate::process::{LineSink, Process, ProcessError, Spec, Stdout};

/// A line longer than this ends the reading.
const LINE_BYTES: u64 = 64 * 1024 * 1024;
/// Lines that may wait to be read; the server is held up beyond.
const LINES: usize = 1024;
/// Characters of standard error kept for the search.
const LOG_CHARS: usize = 4 * 1024 * 1024;
/// What a server finds in its environment beside what `target.toml` gives it.
const INHERITED: [&str; 8] = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "USER",
    "PYENV_ROOT",
    "NODE_PATH",
];

/// How to start a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipeTarget {
    /// The program and its words.
    pub command: Vec<String>,
    /// Variables beside those every program needs.
    pub env: BTreeMap<String, String>,
    /// Where it runs.
    pub cwd: PathBuf,
}

impl PipeTarget {
    /// The program as a file: a name without a slash is looked for on PATH.
    #[must_use]
    pub fn program(&self) -> Option<PathBuf> {
        let name = self.command.first()?;
        if name.contains('/') {
            return Some(self.cwd.join(name));
        }
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    }

    /// The files the command line names: the program, and each word that is a file here.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let words = self.command.iter().skip(1);
        let named = words.map(|word| self.cwd.join(word));
        let named = named.filter(|path: &PathBuf| path.is_file());
        self.program().into_iter().chain(named).collect()
    }

    /// Starts the process alone, for a client that brings its own reading.
    ///
    /// # Errors
    /// When it cannot be started, naming the program.
    pub fn spawn(&self, log: LineSink) -> Result<Process, ProcessError> {
        let fallback = self.command.first().map(PathBuf::from).unwrap_or_default();
        let program = self.program().unwrap_or(fallback);
        let mut spec = Spec::new("target", &program, Path::new(&self.cwd));
        spec.args = self.command.iter().skip(1).map(Into::into).collect();
        spec.env = INHERITED
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
            .chain(self.env.clone())
            .collect();
        spec.stdout = Stdout::Piped;
        spec.stdin = true;
        spec.on_stderr = Some(log);
        Process::spawn(spec)
    }
}

/// What a server wrote to standard error, all its lives together.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<String>>);

impl Log {
    /// The text so far; the earliest of it, when it is more than is kept.
    #[must_use]
    pub fn text(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Where the lines go.
    #[must_use]
    pub fn sink(&self) -> LineSink {
        let log = Arc::clone(&self.0);
        Arc::new(move |line: &str| {
            let mut text = log.lock().unwrap_or_else(PoisonError::into_inner);
            if text.len() < LOG_CHARS {
                text.push_str(line);
                text.push('\n');
            }
        })
    }
}

/// A running server.
pub struct Pipe {
    process: Process,
    input: tokio::sync::Mutex<Option<ChildStdin>>,
    lines: tokio::sync::Mutex<mpsc::Receiver<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Pipe {
    /// Starts a server.
    ///
    /// # Errors
    /// When it cannot be started, or comes without pipes.
    pub fn open(target: &PipeTarget, log: &Log) -> Result<Self, PipeError> {
        let process = target.spawn(log.sink())?;
        let pipes = process.take_stdin().zip(process.take_stdout());
        let (input, output) = pipes.ok_or(ClientError::NoPipe)?;
        let (heard, lines) = mpsc::channel(LINES);
        let reader = tokio::spawn(read(output, heard));
        Ok(Self {
            process,
            input: tokio::sync::Mutex::new(Some(input)),
            lines: tokio::sync::Mutex::new(lines),
            reader,
        })
    }

    /// Sends a line and listens; see [`super::Door::send`].
    pub async fn send(&self, bytes: &[u8], id: Option<&Value>, wait: Duration) -> Heard {
        let until = Instant::now() + wait;
        let mut heard = Heard::listening(id);
        let mut lines = self.lines.lock().await;
        let line = [bytes, b"\n"].concat();
        let mut input = self.input.lock().await;
        let Some(pipe) = input.as_mut() else {
            heard.end = Some(End::Absent);
            return heard;
        };
        let written = async {
            pipe.write_all(&line).await?;
            pipe.flush().await
        };
        // A server that reads nothing more and one that is gone both show in what comes back.
        let _unread = timeout_at(until, written).await;
        while heard.reply().is_none() {
            match timeout_at(until, lines.recv()).await {
                Ok(Some(line)) => heard.take(&line),
                Ok(None) => {
                    heard.end = Some(End::Closed);
                    break;
                }
                Err(_over) => {
                    heard.end = Some(End::Silence);
                    break;
                }
            }
        }
        heard
    }

    /// Closes standard input and waits for the end: how long it took, and what came meanwhile.
    /// None when it was still there after `limit`, and was killed.
    pub async fn leave(self, limit: Duration) -> Option<Duration> {
        drop(self.input.lock().await.take());
        let began = Instant::now();
        let ended = timeout(limit, self.process.wait()).await;
        self.process.kill_group();
        ended.is_ok().then(|| began.elapsed())
    }
}

/// Why there is no server to speak to.
#[derive(Debug, thiserror::Error)]
pub enum PipeError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] ProcessError),
    /// It has no pipes.
    #[error(transparent)]
    Pipes(#[from] ClientError),
}

async fn read(output: ChildStdout, heard: mpsc::Sender<Vec<u8>>) {
    let mut lines = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut lines).take(LINE_BYTES);
        match bounded.read_until(b'\n', &mut line).await {
            Ok(count) if count > 0 && heard.send(line).await.is_ok() => {}
            _ => return,
        }
    }
}
