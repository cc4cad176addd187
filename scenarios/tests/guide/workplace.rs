//! What the reader of a page has: two servers that run, and a folder like a checkout with reports
//! of its own, the programs of this build and a record.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::desk::Desk;
use super::page::at;
use super::served::{Served, built};

/// A secret that passes as random.
const SECRET: &str = "b7d1f0a94c3e58826d47e1905bca3f72";

/// What a bridge and its daemon both know.
const DAEMON: &str = "5f0c1d9e7a3b48626d47e1905bca3f72";

/// How long a denial may take to its file.
const SOON: Duration = Duration::from_secs(20);

/// The longest that the commands of one block may take, in seconds.
const PATIENCE: &str = "180";

/// What a page's programs are called.
const PROGRAMS: [&str; 4] = ["cargo", "exai", "my-kms-sign", "verify"];

/// What stands before the exit code of each command in what a block printed.
const MARK: char = '\u{1e}';

type Variables = Vec<(&'static str, String)>;

/// One server that anybody may use, and one that asks for tokens.
pub struct Servers {
    open: Served,
    guarded: Served,
}

/// What a server that asks for tokens and who makes them have set.
fn issuer() -> Variables {
    vec![
        ("EXAI_JWT_SECRET", SECRET.to_owned()),
        ("EXAI_AUTH__JWT__ISSUER", "https://issuer.test".to_owned()),
        ("EXAI_AUTH__JWT__AUDIENCE", "exai".to_owned()),
        ("EXAI_DAEMON_KEY", DAEMON.to_owned()),
    ]
}

impl Servers {
    pub fn start() -> Self {
        let daemon = [("EXAI_DAEMON_KEY", DAEMON.to_owned())];
        let servers = Self {
            open: Served::start(&daemon, &["--demo"], &[]),
            guarded: Served::start(&issuer(), &["--demo"], &["auth.mode=jwt".to_owned()]),
        };
        servers.refuse_one();
        servers
    }

    /// A denial, so that the record of denials has a line to show.
    fn refuse_one(&self) {
        let asked = format!("http://{}/health", self.guarded.admin);
        let mut curl = Command::new("curl");
        curl.args(["-s", "-H", "authorization: Bearer x.y.z", &asked]);
        assert!(curl.output().expect("curl starts").status.success());
        let file = self.guarded.state.path().join("audit.jsonl");
        let is_there = || file.metadata().is_ok_and(|found| found.len() > 0);
        let begun = Instant::now();
        while !is_there() {
            assert!(
                begun.elapsed() < SOON,
                "waited in vain for the denial on disk"
            );
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn token() -> String {
        let output = Command::new(built("exai"))
            .env_clear()
            .envs(issuer())
            .args(["token", "--sub", "ops", "--role", "admin", "--ttl", "900"])
            .output()
            .expect("exai starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What a page's reader has set, as the index of runbooks tells, and what the words of the
    /// pages stand for here.
    fn variables(&self) -> Variables {
        let in_ten_days = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(240);
        let mut variables = issuer();
        variables.extend([
            ("ADMIN", format!("http://{}", self.guarded.admin)),
            ("URL", format!("http://{}", self.guarded.public)),
            ("STATE", self.guarded.state.path().display().to_string()),
            ("TOKEN", Self::token()),
            ("GUARDED", self.guarded.public.clone()),
            ("OPEN", self.open.public.clone()),
            ("OPEN_ADMIN", self.open.admin.clone()),
            ("PID", self.open.pid().to_string()),
            ("SOON", in_ten_days.strftime("%Y-%m-%d").to_string()),
            ("KIMI_API_KEY", "sk-not-a-real-key-0123456789".to_owned()),
        ]);
        variables
    }
}

/// What became of one command.
pub struct Ended {
    pub code: i32,
    pub said: String,
}

/// A folder for the commands of one page.
pub struct Workplace {
    desk: Desk,
    variables: Variables,
}

fn free() -> String {
    let port = exai_harness::port::free_port().expect("a free port");
    format!("127.0.0.1:{port}")
}

impl Workplace {
    /// With a record, and another ledger that has it, for a page that `judges`.
    pub fn new(servers: &Servers, judges: bool) -> Self {
        let mut workplace = Self {
            desk: Desk::new(),
            variables: servers.variables(),
        };
        workplace.furnish();
        if judges {
            let run = workplace.desk.record();
            // Somebody else's ledger, who knows of the same run.
            let copied = Command::new("cp")
                .args([
                    "-R",
                    &workplace.desk.path("reports"),
                    &workplace.desk.path("home/other"),
                ])
                .status();
            assert!(copied.expect("cp starts").success());
            let name = run.rsplit('/').next().unwrap_or_default().to_owned();
            workplace
                .variables
                .extend([("RECORD", run), ("RECORD_NAME", name)]);
        }
        workplace
    }

    fn furnish(&mut self) {
        let path = |name: &str| self.desk.path(name);
        for folder in ["bin", "home", "target/release", "target/shipped"] {
            std::fs::create_dir_all(path(folder)).expect("a folder");
        }
        for entry in std::fs::read_dir(at(".")).expect("the repository") {
            let name = entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned();
            if !["reports", "target", ".git"].contains(&name.as_str()) {
                let whole = at(&name).canonicalize().expect("a path");
                symlink(whole, path(&name)).expect("a link");
            }
        }
        let script = path("bin/programs.sh");
        std::fs::write(&script, include_str!("programs.sh")).expect("a script");
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).expect("its mode");
        for name in PROGRAMS {
            symlink(&script, path(&format!("bin/{name}"))).expect("a link");
        }
        for profile in ["release", "shipped"] {
            let program = path(&format!("target/{profile}/exai"));
            symlink(built("exai"), program).expect("a link");
        }
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let cargo = |name: &str, folder: &str| {
            std::env::var(name).unwrap_or_else(|_| format!("{}/{folder}", variable("HOME")))
        };
        let more = [
            ("PATH", format!("{}:{}", path("bin"), variable("PATH"))),
            ("HOME", path("home")),
            ("USER", "reader".to_owned()),
            (
                "BUILT",
                built("exai").with_file_name("").display().to_string(),
            ),
            ("CARGO", env!("CARGO").to_owned()),
            ("CARGO_HOME", cargo("CARGO_HOME", ".cargo")),
            ("RUSTUP_HOME", cargo("RUSTUP_HOME", ".rustup")),
            ("OTHER", path("home/other")),
            ("BASE", path("home/opt")),
            ("SERVE_ARGS", "--demo".to_owned()),
            ("FREE", free()),
            ("FREE_ADMIN", free()),
            // How hard an archive is packed.
            ("LEVEL", "1".to_owned()),
        ];
        self.variables.extend(more);
    }

    /// Runs commands in one shell, after what they need first: how each ended, as far as they came.
    pub fn run(&self, first: &str, commands: &[&str]) -> Result<Vec<Ended>, String> {
        let mut script = format!("set -euo pipefail\n{first}\nset +e\nexec 2>&1\n");
        for command in commands {
            script.push_str(&format!("{command}\nprintf '{MARK}%s{MARK}' $?\n"));
        }
        let variables: BTreeMap<_, _> = self.variables.iter().cloned().collect();
        let output = Command::new("timeout")
            .args(["--kill-after=5", PATIENCE, "bash", "-c", &script])
            .current_dir(self.desk.path(""))
            .env_clear()
            .envs(variables)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let parts: Vec<&str> = said.split(MARK).collect();
        let ended: Vec<Ended> = parts
            .chunks_exact(2)
            .filter_map(|pair| {
                let code = pair[1].parse().ok()?;
                let said = pair[0].to_owned();
                Some(Ended { code, said })
            })
            .collect();
        if ended.len() == commands.len() && output.status.success() {
            return Ok(ended);
        }
        let error = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "{} after {} commands: {said}{error}",
            output.status,
            ended.len()
        ))
    }
}
