//! A Redis of the test's own, where there is one.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::process::wait_for;

/// A running Redis, ended with the test.
pub struct Redis {
    pub url: String,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Redis {
    /// `None` when there is no `redis-server`; an error when `EXAI_REQUIRE` demands one.
    pub fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let started = Command::new("redis-server")
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1"])
            .args([
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--save",
                "",
            ])
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            eprintln!("not run: redis-server (package redis-server)");
            let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
            let is_required = required.split(',').any(|name| name == "redis");
            assert!(!is_required, "redis-server is required");
            return None;
        };
        wait_for("redis", || TcpStream::connect(address).ok().map(drop));
        Some(Self {
            url: format!("redis://{address}"),
            child,
            _folder: folder,
        })
    }
}
