//! The server under judgement: started as production starts it, kept running by a restart policy,
//! watched through its log and its audit file, and identified in each of its lives.

pub mod audit;
pub mod beside;
mod disk;
mod files;
mod forget;
mod hush;
mod log;
mod pipes;
pub mod settings;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use exai_judge::Event;
use exai_judge::observation::IdentitySeen;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::engine::Berth;
use crate::history::Recorder;
use crate::identity::{self, Expected, Reported};
use crate::port;
use crate::probe::{Bearer, Scraper};
use crate::process::{Ended, LineSink, Nobody, Pair, Process, ProcessError};
use crate::scratch::Scratch;
use crate::supervisor::{Role, Supervisor, SupervisorError, Watch};
use files::Files;
pub use settings::Settings;

/// From a start to readiness.
pub const READY: Duration = Duration::from_secs(15);
/// The server's own drain (20 s) and a little more.
pub const DRAIN: Duration = Duration::from_secs(25);
/// The embedded store's file in the state folder.
const STORE: &str = "exai.sqlite";
/// The variable that names a Redis.
pub const STORE_URL: &str = "EXAI_STORE__URL";
/// Its ports in a container: for everybody, and for those who run it.
const PORTS: (u16, u16) = (8_079, 8_080);
const POLL: Duration = Duration::from_millis(20);

/// How the server is started.
pub struct Setup {
    /// Which of several instances of one run it is, from 1; None for one that is alone.
    pub place: Option<u32>,
    /// The executable, in a copy of the run's own.
    pub program: PathBuf,
    /// SHA-256 of the binary that was to be judged.
    pub expected_sha256: String,
    /// Whom it runs as.
    pub user: Option<Nobody>,
    /// Its whole environment.
    pub env: Vec<(String, String)>,
    /// Its configuration on top of the embedded defaults; listeners, state folder and audit file
    /// are set here.
    pub settings: Settings,
    /// Tokens of role admin for our own probes.
    pub bearer: Bearer,
    /// From a death to the next start; in a container its engine's.
    pub restart_delay: Duration,
    /// The containers it runs in, if it does.
    pub berths: Option<Berths>,
    /// A saboteur: words before its own command line, of a program that becomes it.
    pub company: Vec<String>,
    /// A saboteur: each life but the first begins without the newest turns of the embedded store.
    pub forgets: bool,
    /// A saboteur: it panics once and logs it as information.
    pub panics_quietly: bool,
    /// A bystander: somebody else listens on its public port, from before its start.
    pub port_taken: bool,
    /// Sees each line of its log, for the record.
    pub log: Option<LineSink>,
    /// Where its faults are told.
    pub recorder: Recorder,
}

/// Where the server runs when it runs in containers.
#[derive(Clone)]
pub struct Berths {
    /// The one under judgement.
    pub serve: Berth,
    /// Holds the programs on pipes.
    pub stdio: Berth,
}

/// A server that did not do as ordered.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No port.
    #[error("could not place the server: {0}")]
    Port(#[from] port::NoPort),
    /// Its files could not be written.
    #[error("could not write the server's files: {0}")]
    Files(#[from] std::io::Error),
    /// Its process did not do as ordered.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// A process on a pipe did not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It runs and is not ready.
    #[error("could not see the server ready within {limit:?}; its last lines:\n{tail}")]
    NotReady {
        /// How long was waited.
        limit: Duration,
        /// What it wrote.
        tail: String,
    },
}

/// The running server.
pub struct Server {
    place: Option<u32>,
    public: SocketAddr,
    admin: SocketAddr,
    files: Files,
    expected: Expected,
    supervisor: Supervisor,
    scraper: Scraper,
    recorder: Recorder,
    pipes: AtomicU32,
    /// Who starts one beside that has the folder they share.
    turn: tokio::sync::Mutex<()>,
}

/// Where it is reached: on two free ports, or in its container on its own.
fn placed(berths: Option<&Berths>) -> Result<(SocketAddr, SocketAddr), port::NoPort> {
    if let Some(berths) = berths {
        return Ok((berths.serve.at(PORTS.0), berths.serve.at(PORTS.1)));
    }
    let place = || port::free_port().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    Ok((place()?, place()?))
}

/// What it binds: in a container, every address the container has.
fn bound(address: SocketAddr) -> SocketAddr {
    if address.ip().is_loopback() {
        return address;
    }
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()))
}

/// A file or folder of an instance's own.
fn named(what: &str, place: Option<u32>) -> String {
    match place {
        None | Some(1) => what.to_owned(),
        Some(place) => format!("{what}-{place}"),
    }
}

fn restart_policy(setup: &Setup) -> Watch {
    Watch {
        name: "server".to_owned(),
        role: Role::Judged,
        delay: setup.restart_delay,
        recorder: setup.recorder.clone(),
    }
}

/// Starts it as a child of ours or in its container, and keeps it running.
async fn supervisor(setup: &mut Setup, files: &Files) -> Result<Supervisor, SupervisorError> {
    let watch = restart_policy(setup);
    let mut spec = files.serve(&setup.recorder, setup.log.take());
    if let Some((program, words)) = setup.company.split_first() {
        let own = std::mem::replace(&mut spec.program, program.into());
        let words = words.iter().map(OsString::from);
        let words = words.chain([own.into_os_string()]);
        spec.args = words.chain(std::mem::take(&mut spec.args)).collect();
    }
    if setup.panics_quietly {
        spec.on_stderr = spec.on_stderr.map(hush::with_panic);
    }
    let started = match &setup.berths {
        None => {
            let (store, forgets) = (files.state.join(STORE), setup.forgets);
            let starter = Box::new(move |life| {
                if forgets && life > 1 {
                    forget::newest_turns(&store);
                }
                Process::spawn(spec.clone())
            });
            Supervisor::start(watch, starter)
        }
        Some(berths) => {
            let greet = Box::new(|_life, _process: &Process| {});
            Supervisor::contain(watch, &berths.serve, spec, greet).await
        }
    };
    Ok(started?)
}

impl Server {
    /// Starts it on two free ports and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start or is not ready in time, with its last lines.
    pub async fn start(mut setup: Setup, scratch: Arc<Scratch>) -> Result<Self, ServerError> {
        let (public, admin) = placed(setup.berths.as_ref())?;
        let _somebody_else = match setup.port_taken {
            true => Some(TcpListener::bind(public)?),
            false => None,
        };
        let own = |what: &str| named(what, setup.place);
        let state = scratch.folder(&own("state"))?;
        let audit = state.join("audit.jsonl");
        let settings = setup
            .settings
            .clone()
            .with("server.listen", bound(public).to_string())
            .with("server.admin", bound(admin).to_string())
            .with("server.state_dir", state.display().to_string())
            .with("audit.file", audit.display().to_string());
        let mut files = Files {
            program: setup.program.clone(),
            user: setup.user,
            env: setup.env.clone(),
            settings,
            config: own("exai") + ".toml",
            work: scratch.folder(&own("work"))?,
            state,
            audit,
            scratch,
            aside: None,
        };
        files.configure(&files.config, &Settings::default())?;
        if let Some(berths) = &setup.berths {
            files.put_up_aside(&berths.stdio).await?;
        }
        let supervisor = supervisor(&mut setup, &files).await?;
        let server = Self {
            place: setup.place,
            public,
            admin,
            files,
            expected: Expected {
                sha256: setup.expected_sha256,
                env: setup.env,
                ports: vec![public.port(), admin.port()],
            },
            supervisor,
            scraper: Scraper::new(admin, setup.bearer, setup.recorder.clone())
                .at_place(setup.place),
            recorder: setup.recorder,
            turn: tokio::sync::Mutex::default(),
            pipes: AtomicU32::new(0),
        };
        server.await_first_life().await?;
        Ok(server)
    }

    /// A life that ends before it was ever ready would do so for ever: says why at once.
    async fn await_first_life(&self) -> Result<(), ServerError> {
        let mut lives = self.supervisor.lives();
        tokio::select! {
            ready = self.wait_ready(READY) => ready,
            _ended = lives.wait_for(|life| life.process.is_none() || life.number > 1) => {
                Err(ServerError::NotReady {
                    limit: READY,
                    tail: self.tail(),
                })
            }
        }
    }

    /// Its public listener, without link or impostor.
    #[must_use]
    pub const fn public(&self) -> SocketAddr {
        self.public
    }

    /// Its admin listener, without impostor.
    #[must_use]
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Its process and restart policy.
    #[must_use]
    pub const fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Looks at its admin listener.
    #[must_use]
    pub const fn scraper(&self) -> &Scraper {
        &self.scraper
    }

    /// The file of the embedded store.
    #[must_use]
    pub fn store_file(&self) -> PathBuf {
        self.files.state.join(STORE)
    }

    /// The audit log.
    #[must_use]
    pub fn audit_file(&self) -> PathBuf {
        self.files.audit.clone()
    }

    /// Its last log lines.
    #[must_use]
    pub fn tail(&self) -> String {
        self.supervisor.tail()
    }

    /// Waits until `/health/ready` answers 200.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), ServerError> {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if self.scraper.is_ready().await {
                return Ok(());
            }
            sleep(POLL).await;
        }
        let tail = self.tail();
        Err(ServerError::NotReady { limit, tail })
    }

    /// Who runs now, by the kernel and by its own word; recorded.
    ///
    /// # Errors
    /// When nothing runs.
    pub async fn identify(&self, moment: &str) -> Result<IdentitySeen, ServerError> {
        let pair = self.supervisor.process()?.pair();
        let at = self.recorder.now();
        let manifest = self.scraper.manifest().await.unwrap_or(Value::Null);
        let expected = self.expected.clone();
        let seen = self
            .look(moment, pair, expected, reported(&manifest))
            .await?;
        Ok(self.note(at, seen, self.place))
    }

    async fn look(
        &self,
        moment: &str,
        pair: Pair,
        expected: Expected,
        reported: Reported,
    ) -> Result<IdentitySeen, ServerError> {
        let moment = moment.to_owned();
        let looking = move || identity::look(&moment, pair, &expected, reported);
        let looked = tokio::task::spawn_blocking(looking).await;
        Ok(looked.map_err(std::io::Error::other)?)
    }

    fn note(&self, at: u64, seen: IdentitySeen, place: Option<u32>) -> IdentitySeen {
        let seen = IdentitySeen { place, ..seen };
        self.recorder.record_at(at, Event::Identity(seen.clone()));
        seen
    }

    /// Ends it by SIGTERM and starts it with `overrides` on top of its configuration; an empty list
    /// is the configuration it had at first. Ready and identified afterwards.
    ///
    /// # Errors
    /// When it did not end within its drain or is not ready in time.
    pub async fn restart_with(&self, overrides: &Settings) -> Result<Ended, ServerError> {
        let life = self.supervisor.lives().borrow().number;
        let ended = self.supervisor.hold(DRAIN).await;
        let written = self.files.configure(&self.files.config, overrides);
        self.supervisor.release();
        let ended = ended?;
        written?;
        self.supervisor.next_life(life, READY).await?;
        self.wait_ready(READY).await?;
        self.identify("restart").await?;
        Ok(ended)
    }

    /// Ends it for good, by SIGTERM.
    ///
    /// # Errors
    /// When it did not end within its drain; it is killed then.
    pub async fn stop(&self) -> Result<Ended, ServerError> {
        Ok(self.supervisor.stop(DRAIN).await?)
    }
}

/// What a manifest, or the answer of the tool `version`, says of its server.
fn reported(said: &Value) -> Reported {
    let word = |name: &str| said[name].as_str().map(str::to_owned);
    Reported {
        sha256: word("executable_sha256"),
        instance: word("instance"),
    }
}
