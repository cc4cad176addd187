//! A Redis of the bench's own, ended with its value.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Trouble;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running `redis-server` that appends each write to a file, as a thread's home should.
pub struct Redis {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Redis {
    /// Starts one; `None` where there is no such program.
    pub fn start() -> Result<Option<Self>, Trouble> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let started = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "yes", "--dir"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = match started {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            started => started?,
        };
        let redis = Self {
            child,
            port,
            folder,
        };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > PATIENCE {
                let folder = redis.folder.path().display();
                return Err(format!("redis-server does not listen in {folder}").into());
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(Some(redis))
    }

    /// Settings of a server that keeps its threads there.
    pub fn settings(&self) -> [String; 2] {
        let url = format!("store.url=redis://127.0.0.1:{}", self.port);
        ["store.kind=redis".to_owned(), url]
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It holds nothing that anybody needs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
