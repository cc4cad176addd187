//! The server under judgement: started as production starts it, kept running as a restart policy
//! would, and watched.

pub mod audit;
pub mod configuration;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use exai_harness::history::Recorder;
use exai_harness::identity::Expected;
use exai_harness::port;
use exai_harness::process::{Nobody, Process, Spec};
use exai_harness::supervisor::{Role, Supervisor, Watch};
use exai_judge::Event;
use serde_json::Value;
use tokio::process::Command;

use super::simulators::Edge;
use crate::site::Site;
use crate::stage::Trouble;

/// From the server's death to its next start: the restart policy's delay, part of every figure.
const RESTART_DELAY: Duration = Duration::from_millis(200);
/// The server's own drain and a little more.
const GOODBYE: Duration = Duration::from_secs(25);
/// What V.3 and V.8 may raise (the closed list of load overrides): a thousand calls a second cannot
/// pass a limit of a thousand under random arrivals.
pub const RAISED: [(&str, &str); 3] = [
    ("EXAI_LIMITS__RATE__GLOBAL", "20000"),
    ("EXAI_LIMITS__RATE__ADDRESS", "2000"),
    ("EXAI_LIMITS__RATE__PRINCIPAL", "1000"),
];
/// What the server may inherit from this process' environment: nothing but where programs are.
const INHERITED: [&str; 1] = ["PATH"];

/// What the server is started with.
#[derive(Clone)]
pub struct Setup {
    /// The executable, already placed.
    pub executable: PathBuf,
    /// The run's folder.
    pub folder: PathBuf,
    /// Whom it runs as.
    pub user: Option<Nobody>,
    /// The vendors.
    pub providers: Vec<Edge>,
    /// The store's part of the environment.
    pub store: Vec<(String, String)>,
    /// The random strings of its configuration.
    pub site: Site,
    /// Its other secrets.
    pub secrets: Vec<(String, String)>,
    /// The public key of the tokens.
    pub public_key: PathBuf,
    /// A provider that a saboteur left out of the configuration.
    pub unregistered: Option<&'static str>,
}

/// A running server.
pub struct Server {
    setup: Setup,
    public: SocketAddr,
    admin: SocketAddr,
    overrides: Arc<Mutex<Vec<(String, String)>>>,
    supervisor: Supervisor,
}

impl Server {
    /// Starts it; does not wait until it is ready.
    ///
    /// # Errors
    /// When its files cannot be written or it does not start.
    pub fn start(setup: Setup, recorder: &Recorder) -> Result<Self, Trouble> {
        let rig = |error: &dyn std::fmt::Display| Trouble::Rig(error.to_string());
        let place = || port::free_port().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let public = place().map_err(|error| rig(&error))?;
        let admin = place().map_err(|error| rig(&error))?;
        configuration::write(&setup, public, admin).map_err(|error| rig(&error))?;
        let overrides: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let (birth, current) = (setup.clone(), Arc::clone(&overrides));
        let recorder_of_logs = recorder.clone();
        let starter = Box::new(move |_life| {
            let mut spec = Spec::new("server", &birth.executable, &birth.folder.join("state"));
            spec.args = vec![
                "serve".into(),
                "--config".into(),
                config_file(&birth.folder).into(),
            ];
            spec.env = environment(&birth);
            spec.env.extend(
                current
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone(),
            );
            spec.user = birth.user;
            let recorder = recorder_of_logs.clone();
            spec.on_stderr = Some(Arc::new(move |line: &str| heed(line, &recorder)));
            Process::spawn(spec)
        });
        let watch = Watch {
            name: "server".to_owned(),
            role: Role::Judged,
            delay: RESTART_DELAY,
            recorder: recorder.clone(),
        };
        let supervisor = Supervisor::start(watch, starter).map_err(|error| rig(&error))?;
        Ok(Self {
            setup,
            public,
            admin,
            overrides,
            supervisor,
        })
    }

    /// Its public listener.
    #[must_use]
    pub const fn public(&self) -> SocketAddr {
        self.public
    }

    /// Its admin listener.
    #[must_use]
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Both ports.
    #[must_use]
    pub const fn ports(&self) -> [u16; 2] {
        [self.public.port(), self.admin.port()]
    }

    /// Its process id; None between two lives.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.supervisor
            .process()
            .ok()
            .map(|process| process.pair().pid)
    }

    /// What it was to be and to listen on.
    #[must_use]
    pub fn expected(&self, sha256: &str) -> Expected {
        let mut env = environment(&self.setup);
        env.extend(
            self.overrides
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        );
        Expected {
            sha256: sha256.to_owned(),
            env,
            ports: self.ports().to_vec(),
        }
    }

    /// The same for a process of its own on a pipe, which listens nowhere.
    #[must_use]
    pub fn expected_on_pipe(&self, sha256: &str) -> Expected {
        Expected {
            sha256: sha256.to_owned(),
            env: environment(&self.setup),
            ports: Vec::new(),
        }
    }

    /// Its process and restart policy.
    #[must_use]
    pub const fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Its last log lines.
    #[must_use]
    pub fn tail(&self) -> String {
        let process = self.supervisor.process();
        process.map_or_else(|error| error.to_string(), |process| process.tail())
    }

    /// Its audit log.
    #[must_use]
    pub fn audit_file(&self) -> PathBuf {
        configuration::audit_file(&self.setup.folder)
    }

    /// A command that starts the same server on a pipe, sharing state with this one.
    #[must_use]
    pub fn stdio(&self) -> Command {
        let setup = &self.setup;
        let mut command = Command::new(&setup.executable);
        command
            .arg("stdio")
            .arg("--config")
            .arg(config_file(&setup.folder));
        command
            .env_clear()
            .envs(environment(setup))
            .current_dir(setup.folder.join("state"));
        command.stderr(std::process::Stdio::null());
        if let Some(user) = setup.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    /// Ends it by SIGTERM and starts it again with these settings on top of its configuration.
    ///
    /// # Errors
    /// When it did not end within its drain.
    pub async fn restart_with(&self, settings: &[(&str, &str)]) -> Result<(), Trouble> {
        let owned = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        *self
            .overrides
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = owned.collect();
        let life = self.supervisor.lives().borrow().number;
        let rig = |error: &dyn std::fmt::Display| Trouble::Rig(error.to_string());
        self.supervisor
            .hold(GOODBYE)
            .await
            .map_err(|error| rig(&error))?;
        self.supervisor.release();
        self.supervisor
            .next_life(life, GOODBYE)
            .await
            .map_err(|error| rig(&error))?;
        Ok(())
    }

    /// Ends it for good, by SIGTERM.
    ///
    /// # Errors
    /// When it did not end within its drain.
    pub async fn stop(&self) -> Result<(), Trouble> {
        let ended = self.supervisor.stop(GOODBYE).await;
        ended
            .map(|_| ())
            .map_err(|error| Trouble::Rig(error.to_string()))
    }
}

fn config_file(folder: &Path) -> PathBuf {
    folder.join("exai.toml")
}

/// Cleared and rebuilt: what production would have, and nothing that names a judge.
fn environment(setup: &Setup) -> Vec<(String, String)> {
    let inherited = INHERITED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let keys = setup.providers.iter().map(|edge| {
        let variable = match edge.name {
            "kimi" => "KIMI_API_KEY",
            "glm" => "ZAI_API_KEY",
            _ => "MINIMAX_API_KEY",
        };
        (variable.to_owned(), edge.key.clone())
    });
    inherited
        .chain(keys)
        .chain(setup.store.iter().cloned())
        .chain(setup.secrets.iter().cloned())
        .collect()
}

/// A panic or a line of severity critical in the server's log is a critical error, whatever level
/// the server chose for it.
fn heed(line: &str, recorder: &Recorder) {
    let is_panic = line.contains("panicked at");
    let level = serde_json::from_str::<Value>(line).ok();
    let severity = level.as_ref().and_then(|line| {
        line["severity"]
            .as_str()
            .or_else(|| line["fields"]["severity"].as_str())
    });
    if is_panic || severity == Some("critical") {
        recorder.record(Event::Critical {
            what: if is_panic { "panic" } else { "log" }.to_owned(),
            detail: line.chars().take(400).collect(),
            control: false,
        });
    }
}
