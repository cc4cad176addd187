//! A server process, ended with its value.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Trouble;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Settings that keep the limits out of a measurement.
const UNREACHED: [&str; 4] = [
    "limits.rate.principal=1000000",
    "limits.rate.address=1000000",
    "limits.rate.global=1000000",
    "limits.connections_per_address=1000",
];

/// A running `exai serve`.
pub struct Served {
    child: Child,
    /// Where MCP is.
    pub public: SocketAddr,
    folder: tempfile::TempDir,
}

/// The binary with an empty environment and a key for Kimi.
pub fn exai() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_exai"));
    command
        .env_clear()
        .env("KIMI_API_KEY", "sk-0123456789abcdef");
    command
}

impl Served {
    /// Starts it with these settings and waits until it listens.
    pub fn start(settings: &[String]) -> Result<Self, Trouble> {
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("log");
        let mut command = exai();
        command.args(["serve", "--set", "server.listen=127.0.0.1:0"]);
        command.args(["--set", "server.admin=127.0.0.1:0", "--set"]);
        command.arg(format!("server.state_dir={}", folder.path().display()));
        for setting in UNREACHED {
            command.args(["--set", setting]);
        }
        for setting in settings {
            command.args(["--set", setting]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()?;
        let started = Instant::now();
        let public = loop {
            let text = std::fs::read_to_string(&log)?;
            let mut lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let listening = lines.find(|line: &Value| line["message"] == "listening");
            if let Some(line) = listening {
                break line["public"].as_str().unwrap_or_default().parse()?;
            }
            if started.elapsed() > PATIENCE {
                return Err(format!("it does not listen:\n{text}").into());
            }
            std::thread::park_timeout(Duration::from_millis(5));
        };
        Ok(Self {
            child,
            public,
            folder,
        })
    }

    /// What of it is in memory now.
    pub fn resident(&self) -> Result<Resident, Trouble> {
        Resident::of(self.child.id())
    }
}

/// Megabytes (10^6 bytes) of a process in memory.
#[derive(Debug, Clone, Copy)]
pub struct Resident {
    /// With the pages of mapped files, most of them the executable's, which the kernel shares
    /// between processes and takes back when it needs them.
    pub all: f64,
    /// Without.
    pub own: f64,
}

impl Resident {
    /// What of a process is in memory now.
    pub fn of(pid: u32) -> Result<Self, Trouble> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let megabytes = |name: &str| -> Result<f64, Trouble> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kibibytes = line.and_then(|line| line.split_whitespace().next());
            let kibibytes: f64 = kibibytes.ok_or_else(|| format!("no {name}"))?.parse()?;
            Ok(kibibytes * 1024.0 / 1e6)
        };
        Ok(Self {
            all: megabytes("VmRSS:")?,
            own: megabytes("RssAnon:")?,
        })
    }
}

impl std::fmt::Display for Resident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { all, own } = self;
        write!(f, "{all:.1} MB resident, {own:.1} MB of them its own")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It holds nothing that anybody needs.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(self.folder.path().join("log"));
    }
}
