//! A Redis of the test's own, where there is one.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::process::{free_address, wait_for};

/// A running Redis, ended with the test.
pub struct Redis {
    pub url: String,
    address: SocketAddr,
    own: Vec<String>,
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Redis {
    /// Where it keeps its files.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// `None` when there is no `redis-server`; an error when `EXAI_REQUIRE` demands one.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// As [`Redis::start`], with arguments of the test.
    pub fn start_with(own: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let own: Vec<String> = own.iter().map(|text| (*text).to_owned()).collect();
        let Some(child) = spawn(address, folder.path(), &own) else {
            eprintln!("not run: redis-server (package redis-server)");
            let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
            let is_required = required.split(',').any(|name| name == "redis");
            assert!(!is_required, "redis-server is required");
            return None;
        };
        Some(Self {
            url: format!("redis://{address}"),
            address,
            own,
            child,
            folder,
        })
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on what it left on disk.
    pub fn restart(&mut self) {
        self.child = spawn(self.address, self.folder.path(), &self.own).unwrap();
    }
}

fn spawn(address: SocketAddr, folder: &Path, own: &[String]) -> Option<Child> {
    let port = address.port().to_string();
    let child = Command::new("redis-server")
        .args(["--port", &port, "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
        .arg(folder)
        .args(own)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    wait_for("redis", || TcpStream::connect(address).ok().map(drop));
    Some(child)
}
