//! A PostgreSQL of the tests' own, on a free port and without a socket, where there is one.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// A running PostgreSQL: as many tests as run at once share it.
pub struct Postgres {
    child: Child,
    pub port: u16,
    _folder: tempfile::TempDir,
}

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// `None` when there is no PostgreSQL; an error when `EXAI_REQUIRE` demands one.
    pub fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap();
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let Some(server) = Self::start() else {
            eprintln!("not run: postgres (package postgresql)");
            let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
            assert!(
                !required.split(',').any(|name| name == "postgres"),
                "postgres is required"
            );
            return None;
        };
        let server = Arc::new(server);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    fn start() -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let mut made = Command::new(programs.join("initdb"));
        made.args([
            "-A",
            "trust",
            "-U",
            "exai",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        let made = unprivileged(&mut made, folder.path())
            .arg("-D")
            .arg(&data)
            .output();
        let made = made.unwrap();
        assert!(made.status.success(), "initdb: {made:?}");
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut server = Command::new(programs.join("postgres"));
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
        ] {
            server.args(["-c", setting]);
        }
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let server = unprivileged(&mut server, folder.path()).stdout(Stdio::null());
        let server = Self {
            child: server.stderr(log).spawn().unwrap(),
            port,
            _folder: folder,
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        let ready = || {
            let mut asked = Command::new(programs.join("pg_isready"));
            asked
                .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
                .status()
        };
        while !ready().is_ok_and(|status| status.success()) {
            assert!(Instant::now() < deadline, "postgres never listened");
            std::thread::park_timeout(Duration::from_millis(10));
        }
        Some(server)
    }
}

impl Postgres {
    /// The URL of a fresh and empty database.
    pub fn database(&self) -> String {
        let (port, name) = (
            self.port.to_string(),
            format!("d{}", uuid::Uuid::new_v4().simple()),
        );
        let mut made = Command::new(programs().unwrap().join("createdb"));
        made.args(["-h", "127.0.0.1", "-p", &port, "-U", "exai", &name]);
        let made = made.output().unwrap();
        assert!(made.status.success(), "createdb: {made:?}");
        format!("postgres://exai@127.0.0.1:{port}/{name}")
    }

    /// Statements, and what they print.
    pub fn sql(url: &str, text: &str) -> String {
        let mut asked = Command::new(programs().unwrap().join("psql"));
        let asked = asked
            .args(["-At", "-v", "ON_ERROR_STOP=1", "-c", text, url])
            .output();
        let asked = asked.unwrap();
        assert!(asked.status.success(), "psql: {asked:?}");
        String::from_utf8(asked.stdout).unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its helpers end with it at SIGQUIT; after SIGKILL they would linger for a while.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0));
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGQUIT);
        let _ = self.child.wait();
    }
}

/// PostgreSQL refuses to run as root; `nobody` may then own its folder.
fn unprivileged<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    if nix::unistd::geteuid().is_root() {
        let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
        for path in [folder.to_owned(), folder.join("data")] {
            nix::unistd::chown(&path, Some(nobody.uid), Some(nobody.gid)).unwrap();
        }
        command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
    }
    command.current_dir(folder)
}

/// The folder of PostgreSQL's programs: Debian keeps them out of the path, one folder a version.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
    let debian = versions.into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}
