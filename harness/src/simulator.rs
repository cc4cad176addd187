//! One simulated vendor: a `mock-provider` process whose journal becomes part of the history.
//!
//! The run key goes to it through a pipe and nowhere else. It runs as ourselves, not as the judged
//! server's user, so that the server cannot look into it.

mod journal;
mod key;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use exai_judge::RunKey;
use exai_mocks::plan::Plan;
use exai_mocks::provider::Provider;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::RunClock;
use crate::engine::Berth;
use crate::history::Recorder;
use crate::port;
use crate::probe::{Ask, ProbeError};
use crate::process::{Process, ProcessError, Spec, Stdout};
use crate::supervisor::{Role, Supervisor, SupervisorError, Watch};
use journal::Journal;
pub use key::{KeyRow, KeyState};

/// From its start to its `ready` line.
const START: Duration = Duration::from_secs(10);
/// From the end of its input to its own.
const STOP: Duration = Duration::from_secs(5);
/// One request to its control listener.
const CONTROL: Duration = Duration::from_secs(5);
/// Its ports in a container, where nobody else listens.
const PORTS: (u16, u16) = (8_080, 8_081);

/// What a simulator needs.
#[derive(Clone)]
pub struct Setup {
    /// The `mock-provider` executable.
    pub program: PathBuf,
    /// Whom to play.
    pub provider: Provider,
    /// The run key.
    pub key: RunKey,
    /// The vendor's key table.
    pub keys: Vec<KeyRow>,
    /// Pace and faults at first.
    pub plan: Plan,
    /// Its working directory.
    pub cwd: PathBuf,
    /// A bystander: one line in a hundred of its journal is lost.
    pub loses_lines: bool,
    /// From a death to the next start; in a container, from the next start to its settings, without
    /// which it does not listen.
    pub restart_delay: Duration,
    /// The container it runs in, if it does.
    pub berth: Option<Berth>,
    /// The run's clock.
    pub clock: RunClock,
    /// Where its journal goes.
    pub recorder: Recorder,
}

/// A simulator that did not do as ordered.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// No port.
    #[error("could not place simulator {0}: {1}")]
    Port(Provider, port::NoPort),
    /// Its process did not do as ordered.
    #[error(transparent)]
    Process(#[from] SupervisorError),
    /// It did not say that it is ready.
    #[error("could not hear simulator {provider} within {limit:?}; last lines:\n{tail}")]
    Silent {
        /// Which.
        provider: Provider,
        /// How long was waited.
        limit: Duration,
        /// What it wrote.
        tail: String,
    },
    /// Its control listener refused or broke.
    #[error("could not control simulator {provider}: {cause}")]
    Control {
        /// Which.
        provider: Provider,
        /// Why.
        cause: ProbeError,
    },
}

/// What a simulator counts since this life began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Counters {
    /// Requests being answered now.
    pub in_flight: u64,
    /// The most at once.
    pub peak: u64,
    /// Requests received.
    pub requests: u64,
    /// By rule id, since the plan in force was installed.
    #[serde(default)]
    pub rules: BTreeMap<String, RuleCount>,
}

/// What one rule of the plan did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct RuleCount {
    /// Requests it applied to.
    pub matched: u64,
    /// Requests its fault landed on.
    pub fired: u64,
}

/// A running simulator.
pub struct Simulator {
    provider: Provider,
    listen: SocketAddr,
    control: SocketAddr,
    plan: Arc<watch::Sender<Plan>>,
    ready: watch::Receiver<u64>,
    journal: Arc<Journal>,
    supervisor: Supervisor,
    release: CancellationToken,
}

impl Simulator {
    /// Starts it and waits for its `ready` line.
    ///
    /// # Errors
    /// When it does not start or is not ready in time, with its last lines.
    pub async fn start(setup: Setup) -> Result<Self, SimulatorError> {
        let provider = setup.provider;
        let (listen, control) = placed(&setup)?;
        let (is_ready, ready) = watch::channel(0);
        let release = CancellationToken::new();
        let (plan, current) = watch::channel(setup.plan.clone());
        let journal = Journal::new(
            setup.clock,
            setup.recorder.clone(),
            is_ready,
            plan.subscribe(),
        );
        let journal = Arc::new(match setup.loses_lines {
            true => journal.with_holes(),
            false => journal,
        });
        let watch = Watch {
            name: provider.name().to_owned(),
            role: Role::Rig,
            delay: setup.restart_delay,
            recorder: setup.recorder.clone(),
        };
        let berth = setup.berth.clone();
        let birth = Birth {
            setup,
            listen,
            control,
            journal: Arc::clone(&journal),
            plan: current,
            release: release.clone(),
        };
        let supervisor = match berth {
            None => Supervisor::start(watch, Box::new(move |epoch| birth.give(epoch))),
            Some(berth) => {
                let spec = birth.spec();
                let greet = Box::new(move |epoch, process: &Process| birth.greet(epoch, process));
                Supervisor::contain(watch, &berth, spec, greet).await
            }
        };
        let supervisor = supervisor.map_err(SupervisorError::from)?;
        let simulator = Self {
            provider,
            listen,
            control,
            plan: Arc::new(plan),
            ready,
            journal,
            supervisor,
            release,
        };
        simulator.wait_ready(1, START).await?;
        Ok(simulator)
    }

    /// Whom it plays.
    #[must_use]
    pub const fn provider(&self) -> Provider {
        self.provider
    }

    /// Where it serves, without a link.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.listen
    }

    /// The base URL of a provider row that reaches it through `edge`.
    #[must_use]
    pub fn base_url(&self, edge: SocketAddr) -> String {
        format!("http://{edge}{}", self.provider.base_path())
    }

    /// Its process and restart policy.
    #[must_use]
    pub const fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Waits until the life `epoch` or a later one is ready.
    ///
    /// # Errors
    /// When it is not within `limit`.
    pub async fn wait_ready(&self, epoch: u64, limit: Duration) -> Result<(), SimulatorError> {
        let mut ready = self.ready.clone();
        let came = tokio::time::timeout(limit, ready.wait_for(|life| *life >= epoch)).await;
        if matches!(came, Ok(Ok(_))) {
            return Ok(());
        }
        let process = self.supervisor.process().ok();
        Err(SimulatorError::Silent {
            provider: self.provider,
            limit,
            tail: process.map(|process| process.tail()).unwrap_or_default(),
        })
    }

    /// Replaces the plan in force; later lives begin with it too. `given` is what the simulator
    /// really gets: another one only where it is to be slower than its plan.
    ///
    /// # Errors
    /// When the simulator refuses it or does not answer.
    pub async fn set_plan(&self, plan: &Plan, given: &Plan) -> Result<(), SimulatorError> {
        let body = serde_json::to_value(given).unwrap_or(Value::Null);
        let ask = Ask::json(self.control, Method::PUT, "/plan", &body);
        self.controlled(ask).await?;
        self.plan.send_replace(plan.clone());
        Ok(())
    }

    /// The plan in force.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.plan.borrow().clone()
    }

    /// What it counts.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn counters(&self) -> Result<Counters, SimulatorError> {
        let counted = self.controlled(Ask::get(self.control, "/counters")).await?;
        serde_json::from_value(counted).map_err(|cause| SimulatorError::Control {
            provider: self.provider,
            cause: ProbeError::Json(cause),
        })
    }

    /// Whether it answers its own probe.
    pub async fn is_well(&self) -> bool {
        let ask = Ask::get(self.control, "/probe").send(CONTROL).await;
        ask.is_ok_and(|answer| answer.status == 200)
    }

    /// Requests of the last life whose journal lines are missing although later ones came; anything
    /// but 0 is a hole in our own evidence.
    #[must_use]
    pub fn missing_lines(&self) -> u64 {
        self.journal.missing()
    }

    /// Closes its input, on which it writes out its journal and ends.
    ///
    /// # Errors
    /// When it was not running or did not end in time; it is killed then.
    pub async fn stop(&self) -> Result<(), SimulatorError> {
        self.release.cancel();
        self.supervisor.retire(STOP).await?;
        Ok(())
    }

    async fn controlled(&self, ask: Ask) -> Result<Value, SimulatorError> {
        let failed = |cause| SimulatorError::Control {
            provider: self.provider,
            cause,
        };
        let answer = ask.send(CONTROL).await.and_then(super::probe::Answer::ok);
        answer.map_err(failed)?.json().map_err(failed)
    }
}

/// Where it listens, for the server and for us.
fn placed(setup: &Setup) -> Result<(SocketAddr, SocketAddr), SimulatorError> {
    if let Some(berth) = &setup.berth {
        return Ok((berth.at(PORTS.0), berth.at(PORTS.1)));
    }
    let place = || {
        let port = port::free_port().map_err(|cause| SimulatorError::Port(setup.provider, cause));
        port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    };
    Ok((place()?, place()?))
}

/// Everything a new life is born from.
struct Birth {
    setup: Setup,
    listen: SocketAddr,
    control: SocketAddr,
    journal: Arc<Journal>,
    plan: watch::Receiver<Plan>,
    release: CancellationToken,
}

impl Birth {
    fn give(&self, epoch: u64) -> Result<Process, ProcessError> {
        let process = Process::spawn(self.spec())?;
        process.feed(self.settings(epoch), self.release.clone());
        Ok(process)
    }

    fn spec(&self) -> Spec {
        let setup = &self.setup;
        let journal = Arc::clone(&self.journal);
        let mut spec = Spec::new(setup.provider.name(), &setup.program, &setup.cwd);
        spec.args = vec![
            "--provider".into(),
            setup.provider.name().into(),
            "--listen".into(),
            self.listen.to_string().into(),
            "--control".into(),
            self.control.to_string().into(),
        ];
        spec.stdin = true;
        spec.stdout = Stdout::Lines(Some(Arc::new(move |line: &str| journal.read(line))));
        spec
    }

    /// A life in a container waits for its settings; one that follows a death waits as long as a
    /// process of ours would be away.
    fn greet(&self, epoch: u64, process: &Process) {
        let wait = match epoch {
            1 => Duration::ZERO,
            _ => self.setup.restart_delay,
        };
        process.feed_after(wait, self.settings(epoch), self.release.clone());
    }

    fn settings(&self, epoch: u64) -> String {
        let line = json!({
            "run_key": self.setup.key.to_hex(),
            "epoch": epoch,
            "keys": self.setup.keys,
            "plan": *self.plan.borrow(),
        });
        format!("{line}\n")
    }
}
