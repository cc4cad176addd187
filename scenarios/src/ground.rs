//! The running processes of one run: simulators, store, server, and the links between them.

pub mod impostor;
pub mod nemesis;
pub mod people;
pub mod server;
pub mod simulators;
pub mod store;
pub mod witness;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use exai_harness::clock::RunClock;
use exai_harness::history::Recorder;
use exai_harness::identity::Subject;
use exai_harness::operation::builder::Numbering;
use exai_harness::probe::{Ask, LOOK, Scraper};
use exai_harness::process::Nobody;
use exai_harness::runkey::Tracers;
use exai_harness::sample::Sampler;
use exai_harness::scratch::Scratch;
use exai_harness::token::{Mint, Signature};
use exai_judge::fault::FaultKind;
use exai_judge::{Event, RunKey};
use exai_mocks::plan::Plan as SimulatorPlan;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::store::{StoreKind, choose_store};

use self::impostor::Impostor;
use self::people::Mints;
use self::server::Server;
use self::simulators::Simulators;
use self::store::Store;
use crate::binaries::Built;
use crate::cli::arguments::SpoilWord;
use crate::site::Site;
use crate::stage::{Stage, Trouble};

/// Connections of one HTTP client: enough for its share of everything in flight.
const CONNECTIONS: u32 = 16;
/// Between two looks at the server's health.
const HEALTH_EVERY: Duration = Duration::from_millis(100);

/// What to boot.
pub struct Plan {
    /// The executables.
    pub built: Built,
    /// The store.
    pub store: StoreKind,
    /// The run key, for the simulators alone.
    pub key: RunKey,
    /// Fixes schedule and shape.
    pub seed: u64,
    /// A saboteur on an edge.
    pub spoil: Option<SpoilWord>,
    /// The run's clock.
    pub clock: RunClock,
    /// Cancelled by Ctrl-C.
    pub stop: CancellationToken,
}

/// Everything that runs.
pub struct Ground {
    simulators: Simulators,
    store: Store,
    server: Server,
    mints: Mints,
    impostor: Impostor,
    spoil: Option<SpoilWord>,
    scraper: Scraper,
    recorder: Recorder,
    clock: RunClock,
    deeds: Numbering,
    expected_sha256: String,
    watchers: TaskTracker,
    stop_watching: CancellationToken,
    _folder: Scratch,
}

impl Ground {
    /// Boots everything in order and waits until the server is ready.
    ///
    /// # Errors
    /// When a part does not come up; the message holds its last log lines.
    pub async fn boot(
        plan: Plan,
        tracers: &Arc<Tracers>,
        recorder: &Recorder,
    ) -> Result<(Self, Site), Trouble> {
        let rig = |error: &dyn std::fmt::Display| Trouble::Rig(error.to_string());
        let user = Nobody::when_root();
        let folder = Scratch::new(user).map_err(|error| rig(&error))?;
        folder.folder("state").map_err(|error| rig(&error))?;
        let simulators = Simulators::start(&plan, folder.path(), recorder).await?;
        let store = Store::start(plan.store, folder.path(), user, recorder).await?;
        let expected = Subject::take(&plan.built.exai, &folder).map_err(|error| rig(&error))?;
        let launched = if is_launched(plan.spoil.as_ref(), "foreign-build") {
            Subject::foreign(&plan.built.exai, &folder).map_err(|error| rig(&error))?
        } else {
            expected.clone()
        };
        let mints = Mints::draw(&folder).map_err(|error| rig(&error))?;
        let site = Site::draw(tracers, launched.sha256());
        let setup = server::Setup {
            executable: launched.path().to_path_buf(),
            folder: folder.path().to_path_buf(),
            user,
            providers: simulators.edges(),
            store: store.settings(),
            site: site.clone(),
            secrets: mints.environment(),
            public_key: mints.public_key_file().to_path_buf(),
            unregistered: is_launched(plan.spoil.as_ref(), "unregistered").then_some("glm"),
        };
        let server = Server::start(setup, recorder)?;
        let impostor = Impostor::start(&plan, &server, &simulators, &mints).await?;
        let scraper = Scraper::new(impostor.admin(&server), mints.bearer(), recorder.clone());
        let ground = Self {
            simulators,
            store,
            server,
            mints,
            impostor,
            spoil: plan.spoil,
            scraper,
            recorder: recorder.clone(),
            clock: plan.clock,
            deeds: Numbering::default(),
            expected_sha256: expected.sha256().to_owned(),
            watchers: TaskTracker::new(),
            stop_watching: CancellationToken::new(),
            _folder: folder,
        };
        ground.wait_ready(Duration::from_secs(10)).await?;
        ground.watch(recorder);
        Ok((ground, site))
    }

    /// Samplers, health, liveness and audit, until the end.
    fn watch(&self, recorder: &Recorder) {
        let stop = self.stop_watching.clone();
        let scraper = self.scraper.clone();
        self.watchers
            .spawn(async move { scraper.watch_health(HEALTH_EVERY, stop).await });
        let (stop, scraper) = (self.stop_watching.clone(), self.scraper.clone());
        self.watchers
            .spawn(async move { scraper.watch_liveness(stop).await });
        let rig_and_server = self
            .simulators
            .supervisors()
            .chain([self.server.supervisor()]);
        let store = self.store.supervisor();
        let sampler = rig_and_server.chain(store).fold(
            Sampler::new(self.clock, recorder.clone(), "server"),
            Sampler::follow,
        );
        let stop = self.stop_watching.clone();
        self.watchers.spawn(async move { sampler.run(stop).await });
        let (stop, audit) = (self.stop_watching.clone(), self.server.audit_file());
        let recorder_of_audit = recorder.clone();
        self.watchers
            .spawn(async move { server::audit::follow(&audit, &recorder_of_audit, stop).await });
    }

    /// Waits until the server says it is ready.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), Trouble> {
        let until = tokio::time::Instant::now() + limit;
        while !self.scraper.is_ready().await {
            if tokio::time::Instant::now() > until {
                let tail = self.server.tail();
                return Err(Trouble::Rig(format!(
                    "the server was not ready within {limit:?}; its last lines:\n{tail}"
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Where clients connect: the server's public listener, or the impostor before it.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        self.impostor.public(&self.server)
    }

    /// The secrets that no output may show: the vendors' keys and the tokens' secret.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let keys = self.simulators.edges().into_iter().map(|edge| edge.key);
        let others = self
            .mints
            .environment()
            .into_iter()
            .map(|(_, secret)| secret);
        keys.chain(others).collect()
    }

    /// What the server shows to whoever may look: metrics, manifest, health and its audit log.
    pub async fn shown(&self) -> Vec<(&'static str, String)> {
        let mut shown = Vec::new();
        for path in ["/metrics", "/manifest", "/health"] {
            let ask = Ask::get(self.impostor.admin(&self.server), path);
            if let Ok(answer) = ask.bearer((self.mints.bearer())()).send(LOOK).await {
                shown.push((path, answer.text()));
            }
        }
        if let Ok(audit) = tokio::fs::read_to_string(self.server.audit_file()).await {
            shown.push(("the audit log", audit));
        }
        shown.push(("the last log lines", self.server.tail()));
        shown
    }

    /// Makes good and bad tokens.
    #[must_use]
    pub fn mint(&self) -> Mint {
        self.mints.mint(Signature::Hs256)
    }

    /// Whether kills are to kill nothing.
    fn kills_nothing(&self) -> bool {
        is_launched(self.spoil.as_ref(), "kill-nothing")
    }

    /// Tells a simulator what to do from now on.
    ///
    /// # Errors
    /// When it does not take the plan.
    pub async fn plan(&self, provider: &str, plan: &SimulatorPlan) -> Result<(), Trouble> {
        self.simulators.plan(provider, plan).await
    }

    /// Records the server's counters under `mark`.
    pub async fn scrape(&self, stage: &Stage, mark: &str) {
        if let Err(error) = self.scraper.metrics(mark).await {
            stage.not_tested("V.3", format!("counters at {mark}: {error}"));
        }
    }

    /// The store's name in records.
    #[must_use]
    pub const fn store_name(&self) -> &'static str {
        if self.store.is_redis() {
            "redis"
        } else {
            "embedded"
        }
    }

    /// The components V.5 kills with this store.
    #[must_use]
    pub fn components<'a>(&self, embedded: &'a [String], redis: &'a [String]) -> &'a [String] {
        if self.store.is_redis() {
            redis
        } else {
            embedded
        }
    }

    /// The faults V.4 injects with this store.
    #[must_use]
    pub fn store_faults(&self, embedded: &[String], redis: &[String]) -> Vec<FaultKind> {
        let names = if self.store.is_redis() {
            redis
        } else {
            embedded
        };
        let known = [
            FaultKind::Kill,
            FaultKind::Pause,
            FaultKind::Reset,
            FaultKind::Refuse,
            FaultKind::Slow,
            FaultKind::Full,
            FaultKind::ReadOnly,
        ];
        names
            .iter()
            .filter_map(|name| known.into_iter().find(|kind| kind.name() == name))
            .collect()
    }

    /// Restarts the server with raised limits for V.8; the settings are printed as overrides.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn raise_limits(&self, recorder: &Recorder) -> Result<(), Trouble> {
        self.server.restart_with(&server::RAISED).await?;
        self.wait_ready(Duration::from_secs(10)).await?;
        self.identify("restart", recorder).await;
        Ok(())
    }

    /// Restarts the server as an operator would: SIGTERM, drain, start.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn restart_server(&self) -> Result<(), Trouble> {
        self.server.restart_with(&[]).await?;
        self.wait_ready(Duration::from_secs(10)).await?;
        let recorder = self.recorder.clone();
        self.identify("restart", &recorder).await;
        Ok(())
    }

    /// Takes everything down; the server first, by SIGTERM.
    ///
    /// # Errors
    /// When the server did not end by itself within its drain.
    pub async fn shut_down(&self, recorder: &Recorder) -> Result<(), Trouble> {
        self.stop_watching.cancel();
        self.watchers.close();
        self.watchers.wait().await;
        let ended = self.server.stop().await;
        self.impostor.stop().await;
        self.simulators.stop().await;
        self.store.stop().await;
        if self.simulators.missing_lines() > 0 {
            let until = recorder.now();
            let detail = format!(
                "{} journal lines are missing",
                self.simulators.missing_lines()
            );
            let what = "journal_gap".to_owned();
            recorder.record_at(
                0,
                Event::Rig {
                    what,
                    until,
                    detail,
                },
            );
        }
        ended
    }
}

/// Whether the launcher's saboteur of that name is at work.
fn is_launched(spoil: Option<&SpoilWord>, name: &str) -> bool {
    spoil.is_some_and(|spoil| spoil.edge == "launcher" && spoil.name == name)
}
