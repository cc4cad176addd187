//! What is known about a run before any finding: what was built, where it runs, who asked.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use exai_harness::evidence::RunName;
use exai_harness::identity::{self, running_sha256};
use exai_harness::report::facts::{CutShort, HostFacts, Identity, Override, RunFacts};
use exai_harness::topology::Binaries;
use jiff::Timestamp;

use crate::binaries::{is_installed, workspace};
use crate::catalogue;
use crate::cli::Ending;
use crate::cli::arguments::{Driver, RunArguments};
use crate::cli::list::CEILINGS;
use crate::overrides::overrides;

/// What the running server said of itself at the start.
#[derive(Debug, Clone, Default)]
pub struct Learned {
    /// `/manifest`.
    pub version: String,
    /// `/manifest`.
    pub policy_digest: Option<String>,
    /// `/manifest`.
    pub site_digest: Option<String>,
    /// `/manifest`: the policy's keys and values.
    pub policy: Option<serde_json::Value>,
    /// Whether the server runs as another user than this process.
    pub unprivileged: bool,
}

/// The facts of one run.
#[derive(Debug)]
pub struct Facts {
    /// Begin, UTC.
    pub started_at: Timestamp,
    /// The commit, in full; `unknown` when neither version control nor the program tells.
    pub commit: String,
    /// Whether anything but `reports/` differs from that commit.
    pub dirty: bool,
    /// SHA-256 (hex) of the binary to be judged.
    pub server_sha256: String,
    /// SHA-256 (hex) of this executable.
    pub harness_sha256: String,
    /// The profile.
    pub profile: &'static str,
    /// How long a soak is to last, s; None for a run of the criteria's workloads.
    pub soak_seconds: Option<u64>,
    /// The driver.
    pub driver: &'static str,
    /// The store.
    pub store: &'static str,
    /// Seconds from save 1 to the end of the server.
    pub measured_seconds: u64,
    /// What the server said; set once it is up.
    pub learned: OnceLock<Learned>,
    /// Settings changed for some checks.
    pub overrides: Vec<Override>,
    /// The signal that ended the run, if one did.
    pub cut_short: Option<CutShort>,
    /// What no output may contain.
    pub secrets: OnceLock<Vec<String>>,
}

impl Facts {
    /// Looks around.
    ///
    /// # Errors
    /// [`Ending::Harness`] when the server to be judged or this executable cannot be read.
    pub fn gather(
        arguments: &RunArguments,
        built: &Binaries,
        store: &'static str,
    ) -> Result<Self, Ending> {
        let (commit, dirty) = origin(&built.exai);
        Ok(Self {
            started_at: Timestamp::now(),
            commit,
            dirty,
            server_sha256: read_sha256(&built.exai)?,
            harness_sha256: own_sha256()?,
            profile: arguments.profile.name(),
            soak_seconds: arguments.soak.as_ref().map(|soak| soak.seconds),
            driver: arguments.driver.name(),
            store,
            measured_seconds: 0,
            learned: OnceLock::new(),
            overrides: overrides(arguments),
            cut_short: None,
            secrets: OnceLock::new(),
        })
    }

    /// A run's name that no folder has yet; two runs of one second wait for the next.
    pub fn claim_name(&mut self, seed: u64, runs: &Path) -> RunName {
        loop {
            let name = RunName {
                utc: self.started_at.strftime("%Y%m%dT%H%M%SZ").to_string(),
                commit7: self.commit.chars().take(7).collect(),
                seed,
            };
            if !runs.join(name.folder()).exists() {
                return name;
            }
            std::thread::sleep(Duration::from_millis(100));
            self.started_at = Timestamp::now();
        }
    }

    /// What was judged, as far as it is known.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let learned = self.learned.get().cloned().unwrap_or_default();
        Identity {
            server_sha256: Some(self.server_sha256.clone()),
            policy_digest: learned.policy_digest,
            site_digest: learned.site_digest,
            criteria_digest: Some(exai_judge::hex::sha256(catalogue::CRITERIA.as_bytes())),
            harness_sha256: Some(self.harness_sha256.clone()),
            ..Identity::default()
        }
    }

    /// How long the profile or the soak may take; a row of the self-test is planned for half a
    /// minute.
    #[must_use]
    pub fn planned(&self) -> Duration {
        if let Some(seconds) = self.soak_seconds {
            return Duration::from_secs(seconds);
        }
        let ceiling = CEILINGS
            .iter()
            .find(|(profile, _)| *profile == self.profile);
        Duration::from_secs(ceiling.map_or(30, |(_, seconds)| *seconds))
    }

    /// The run's own row of the report.
    #[must_use]
    pub fn run_facts(&self, id: &str, folder: String, arguments: &RunArguments) -> RunFacts {
        let learned = self.learned.get().cloned().unwrap_or_default();
        RunFacts {
            run_id: id.to_owned(),
            folder,
            version: learned.version,
            commit: self.commit.chars().take(7).collect(),
            dirty: self.dirty,
            started_at: self.started_at,
            ended_at: Timestamp::now(),
            seed: arguments.seed,
            profile: self.profile.to_owned(),
            driver: self.driver.to_owned(),
            store: self.store.to_owned(),
            instances: arguments.instances.into(),
            replay: replay(arguments, self.store),
            planned_seconds: self.planned().as_secs(),
            measured_seconds: self.measured_seconds,
            host: host(),
            overrides: self.overrides.clone(),
            spoiler: arguments.spoil.as_ref().map(|spoil| spoil.name.clone()),
            unprivileged: learned.unprivileged,
            cut_short: self.cut_short,
            second_attempt_at: arguments
                .again
                .as_ref()
                .map(|run| run.display().to_string()),
            target: None,
        }
    }
}

/// The one command that repeats this run.
#[must_use]
pub fn replay(arguments: &RunArguments, store: &str) -> String {
    let own = if is_installed() {
        "./verify"
    } else {
        "cargo verify"
    };
    let mut words = vec![own.to_owned()];
    if let Some(soak) = &arguments.soak {
        let (seconds, users) = (soak.before() + soak.seconds, soak.users);
        words.push(format!("soak --duration {seconds}s --users {users}"));
    } else {
        words.push("run".to_owned());
        words.extend(arguments.criteria.iter().cloned());
        words.push(format!("--profile {}", arguments.profile.name()));
    }
    if arguments.driver != Driver::Local {
        words.push(format!("--driver {}", arguments.driver.name()));
    }
    words.push(format!("--store {store} --seed {}", arguments.seed));
    if arguments.instances > 1 {
        words.push(format!("--instances {}", arguments.instances));
    }
    if let Some(spoil) = &arguments.spoil {
        words.push(format!("--spoil {spoil}"));
    }
    if let Some(server) = &arguments.server {
        words.push(format!("--server {}", server.display()));
    }
    words.join(" ")
}

/// The machine this runs on.
#[must_use]
pub fn host() -> HostFacts {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let meminfo = read("/proc/meminfo");
    let kib = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    HostFacts {
        cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
        memory_bytes: kib.unwrap_or(0) * 1024,
        kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        load_before: read("/proc/loadavg")
            .split(' ')
            .next()
            .and_then(|load| load.parse().ok()),
    }
}

/// The commit, in full, and whether the sources differ from it: the workspace's, or for an
/// installed executable what the program to be judged says of itself.
fn origin(server: &Path) -> (String, bool) {
    let (commit, dirty) = if is_installed() {
        let asked = Command::new(server).args(["version", "--json"]).output();
        let said = asked.map(|output| output.stdout).unwrap_or_default();
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap_or_default();
        let commit = said["commit"].as_str().map(str::to_owned);
        (commit, said["dirty"].as_bool())
    } else {
        let changed = git(&["status", "--porcelain", "--", ".", ":!reports"]);
        let dirty = changed.map(|changed| !changed.is_empty());
        (git(&["rev-parse", "HEAD"]), dirty)
    };
    (
        commit.unwrap_or_else(|| "unknown".to_owned()),
        dirty.unwrap_or(true),
    )
}

fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(words)
        .current_dir(workspace())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// SHA-256 (hex) of this executable as it runs, whatever its path holds by now.
///
/// # Errors
/// [`Ending::Harness`] when it cannot be read.
pub fn own_sha256() -> Result<String, Ending> {
    let digest = running_sha256(std::process::id());
    digest.map_err(|error| Ending::Harness(format!("could not read this executable: {error}")))
}

/// SHA-256 (hex) of a file, for a record.
///
/// # Errors
/// [`Ending::Harness`] when it cannot be read.
pub fn read_sha256(path: &Path) -> Result<String, Ending> {
    let shown = path.display();
    identity::sha256_of(path)
        .map_err(|error| Ending::Harness(format!("could not read {shown}: {error}")))
}

/// SHA-256 (hex) of a file, to be held against a recorded one; `unreadable` when it cannot be read,
/// which no run records.
#[must_use]
pub fn sha256_of(path: &Path) -> String {
    std::fs::read(path).map_or_else(
        |_| "unreadable".to_owned(),
        |bytes| exai_judge::hex::sha256(&bytes),
    )
}
