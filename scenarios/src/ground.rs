//! The ground of a run: the harness' rig as the command line asks for it, spoken to by the people
//! of the workloads. It starts nothing of its own.

mod asked;
pub mod clock;
mod faults;
pub mod mishap;
mod restarts;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use exai_harness::client::http::loopback;
use exai_harness::client::{
    Client, Http, HttpTarget, Identity, Revision, Stdio, WebSocket, WebSocketTarget,
};
use exai_harness::clock::RunClock;
use exai_harness::engine::wire::Life;
use exai_harness::history::{Now, Recorder};
use exai_harness::probe::ProbeError;
use exai_harness::raw::Source;
use exai_harness::server::Settings;
use exai_harness::token::{Mint, Signature};
use exai_harness::topology::{
    Binaries, Book, Impostor, Launcher, RestartPolicy, Setup, Site, Spoil, StoreKind, Topology,
};
use exai_judge::fault::FaultKind;
use exai_judge::{RunKey, Transport, series};
use exai_mocks::plan::Plan as SimulatorPlan;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::facts::Learned;
pub use crate::overrides::CHAT_ROUTE;
use crate::overrides::SEVERAL;
use crate::stage::{Person, Stage, Trouble};
pub use asked::{Damage, choose_driver, choose_instances, choose_store, damaged, spoiled};

/// Connections of one HTTP client: enough for its share of everything in flight.
const CONNECTIONS: u32 = 16;
/// How the store's own count is called.
const COMMANDS: &str = "commands the store had processed";
/// How many calls the server says it is at.
const IN_FLIGHT: &str = "exai_in_flight";
/// Within this a server without callers is at no call.
const QUIET: Duration = Duration::from_secs(2);

/// What to boot.
pub struct Plan {
    /// The executables.
    pub binaries: Binaries,
    /// The store.
    pub store: StoreKind,
    /// Instances of the server on it, behind one proxy.
    pub instances: u32,
    /// The run key, for the simulators alone.
    pub key: RunKey,
    /// Fixes schedule and shape.
    pub seed: u64,
    /// A saboteur on an edge, or a launcher that cheats.
    pub spoiled: (Option<Spoil>, Launcher),
    /// The run's clock.
    pub clock: RunClock,
    /// Cancelled by Ctrl-C.
    pub stop: CancellationToken,
}

/// Everything that runs.
pub struct Ground {
    topology: Topology,
    recorder: Recorder,
}

/// What several instances need beside their store; nothing where there is one.
fn several(instances: u32) -> Settings {
    let needed = SEVERAL.iter().filter(|_| instances > 1);
    needed.fold(Settings::default(), |settings, (key, value)| {
        settings.with(key, *value)
    })
}

impl Ground {
    /// Boots everything in order and waits until the server is ready and identified.
    ///
    /// # Errors
    /// When a part does not come up; the message holds its last log lines. A server that never
    /// was ready has not been judged, so this is the rig's trouble whoever is to blame.
    pub async fn boot(plan: Plan, recorder: &Recorder) -> Result<Self, Trouble> {
        let (spoil, launcher) = plan.spoiled;
        let setup = Setup {
            binaries: plan.binaries,
            store: plan.store,
            instances: plan.instances,
            key: plan.key,
            plan: SimulatorPlan {
                seed: plan.seed,
                ..SimulatorPlan::default()
            },
            spoil,
            launcher,
            settings: several(plan.instances),
            restart: RestartPolicy::default(),
            log: None,
            clock: plan.clock,
            recorder: recorder.clone(),
            stop: plan.stop,
        };
        let started = Topology::start(setup).await;
        let topology = started.map_err(Trouble::of_rig)?;
        Ok(Self {
            topology,
            recorder: recorder.clone(),
        })
    }

    /// The random strings of the configuration.
    #[must_use]
    pub const fn site(&self) -> &Site {
        self.topology.site()
    }

    /// Where clients connect.
    #[must_use]
    pub const fn public(&self) -> SocketAddr {
        self.topology.public()
    }

    /// The secrets that no output may show.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        self.topology.secrets()
    }

    /// What the server shows to whoever may look, by place.
    pub async fn shown(&self) -> Vec<(&'static str, String)> {
        self.topology.shown().await
    }

    /// The containers that stand, as their engine has them; none without one.
    ///
    /// # Errors
    /// When the engine does not tell.
    pub async fn containers(&self) -> Result<Vec<Life>, Trouble> {
        Ok(self.topology.containers().await?)
    }

    /// Makes good and bad tokens.
    #[must_use]
    pub fn mint(&self) -> Mint {
        self.topology.credentials().mint(Signature::Hs256)
    }

    /// Tells a simulator what to do from now on.
    ///
    /// # Errors
    /// When it does not take the plan.
    pub async fn plan(&self, provider: &str, plan: &SimulatorPlan) -> Result<(), Trouble> {
        Ok(self.topology.plan(provider, plan).await?)
    }

    /// Records the server's counters under `mark`.
    pub async fn scrape(&self, stage: &Stage, mark: &str) {
        self.scraped(stage, mark).await;
    }

    /// The same once the server says that it is at no call, or when it had time enough for that:
    /// an answer may be read a moment before the place of its call is given back.
    pub async fn scrape_quiet(&self, stage: &Stage, mark: &str) {
        let until = Instant::now() + QUIET;
        while self
            .scraped(stage, mark)
            .await
            .is_some_and(|held| held > 0.0)
            && Instant::now() < until
        {
            tokio::time::sleep(QUIET / 40).await;
        }
    }

    /// Records the counters; how many calls the server says it is at, if it does.
    async fn scraped(&self, stage: &Stage, mark: &str) -> Option<f64> {
        match self.topology.metrics(mark).await {
            Ok(values) => values.get(IN_FLIGHT).copied(),
            Err(error) => {
                let (_, criterion) = series::mark(mark);
                let what = format!("counters at {mark}: {error}");
                stage.not_tested(criterion.unwrap_or("V.3"), what);
                None
            }
        }
    }

    /// As [`Ground::scrape`], where it is another's to say what was not tested.
    ///
    /// # Errors
    /// When the server does not tell them.
    pub async fn counters(&self, mark: &str) -> Result<(), ProbeError> {
        self.topology.metrics(mark).await.map(|_values| ())
    }

    /// Records how many commands the store has processed, where it is one that can be asked.
    pub async fn count_commands(&self, stage: &Stage, moment: &str) {
        match self.topology.store().commands().await {
            Ok(None) => {}
            Ok(Some(count)) => stage.figure(format!("{COMMANDS} {moment}"), count as f64, "count"),
            Err(error) => stage.not_tested("V.4", format!("{COMMANDS} {moment}: {error}")),
        }
    }

    /// Instances of the server behind one proxy.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.topology.instances().count()
    }

    /// The store's name in records.
    #[must_use]
    pub const fn store_name(&self) -> &'static str {
        self.topology.store().kind().name()
    }

    /// The components V.5 kills with this store.
    #[must_use]
    pub fn components<'a>(&self, embedded: &'a [String], redis: &'a [String]) -> &'a [String] {
        match self.topology.store().kind() {
            StoreKind::Embedded => embedded,
            StoreKind::Redis => redis,
        }
    }

    /// The faults V.4 injects with this store.
    #[must_use]
    pub fn store_faults(&self, embedded: &[String], redis: &[String]) -> Vec<FaultKind> {
        let known = [
            FaultKind::Kill,
            FaultKind::Pause,
            FaultKind::Reset,
            FaultKind::Refuse,
            FaultKind::Slow,
            FaultKind::Full,
            FaultKind::ReadOnly,
        ];
        self.components(embedded, redis)
            .iter()
            .filter_map(|name| known.into_iter().find(|kind| kind.name() == name))
            .collect()
    }

    /// The rules of the plan in force that a request of this provider's met.
    ///
    /// # Errors
    /// When its simulator does not answer.
    pub async fn fired(&self, provider: &str) -> Result<Vec<String>, Trouble> {
        let counters = self.topology.vendor(provider)?.simulator().counters().await;
        let counters = counters.map_err(|error| Trouble::Rig(error.to_string()))?;
        let rules = counters.rules.into_iter();
        let fired = rules.filter(|(_, count)| count.fired > 0);
        Ok(fired.map(|(id, _)| id).collect())
    }

    /// A client of the server, not greeted yet.
    ///
    /// # Errors
    /// In words, when a process does not start.
    pub fn connect(&self, identity: Identity, over: Transport) -> Result<Client, String> {
        let recorder = self.recorder.clone();
        let now: Now = Arc::new(move || recorder.now());
        let revision = match over {
            Transport::Http2025 => Revision::V2025,
            Transport::Http2026 => Revision::V2026,
            Transport::Stdio => {
                let process = self
                    .topology
                    .on_pipes()
                    .map_err(|error| error.to_string())?;
                let client = Stdio::of(process, Revision::V2025, identity, now);
                return client.map(Client::Stdio).map_err(|error| error.to_string());
            }
            Transport::WebSocket => {
                let target = WebSocketTarget {
                    address: self.public(),
                    host: self.public().to_string(),
                    path: "/ws".to_owned(),
                };
                let client = WebSocket::new(target, identity, now);
                return Ok(Client::WebSocket(client));
            }
        };
        let target = HttpTarget {
            address: self.public(),
            host: self.public().to_string(),
            path: "/mcp".to_owned(),
            revision,
            connections: CONNECTIONS,
            redial: true,
        };
        let client = Http::new(target, identity, now);
        // One that keeps its connection would never meet another instance.
        let client = if self.topology.has_several_instances() {
            client.dialling_anew()
        } else {
            client
        };
        Ok(Client::Http(client))
    }

    /// Records who answers a client on a pipe: each there has a process of its own.
    ///
    /// # Errors
    /// In words, when nothing runs there.
    pub async fn identify_pipe(&self, client: &Client) -> Result<(), String> {
        let identified = self.topology.identify_on_pipes(client).await;
        identified.map_err(|error| error.to_string())
    }

    /// A person with a token of an ordinary user.
    #[must_use]
    pub fn identity(&self, who: Person) -> Identity {
        self.identity_with(who, &["user"])
    }

    /// A person with a token of these roles.
    #[must_use]
    pub fn identity_with(&self, who: Person, roles: &[&str]) -> Identity {
        Identity {
            forwarded: self.topology.is_behind_proxy(),
            ..who.identity().with_bearer(self.token(who, roles))
        }
    }

    /// Where the `number`th person sends raw requests from.
    #[must_use]
    pub fn source(&self, number: usize) -> Source {
        Source {
            address: loopback(number),
            forwarded: self.topology.is_behind_proxy(),
        }
    }

    /// The `Authorization` header of an ordinary user.
    #[must_use]
    pub fn authorization(&self, who: Person) -> String {
        self.authorization_with(who, &["user"])
    }

    /// The `Authorization` header of a person with these roles.
    #[must_use]
    pub fn authorization_with(&self, who: Person, roles: &[&str]) -> String {
        format!("Bearer {}", self.token(who, roles))
    }

    /// A token for a person; every third is signed with Ed25519.
    fn token(&self, who: Person, roles: &[&str]) -> String {
        let signature = if who.number.is_multiple_of(3) {
            Signature::EdDsa
        } else {
            Signature::Hs256
        };
        let credentials = self.topology.credentials();
        credentials.token(&who.name(), roles, signature)
    }

    /// What the server says of itself, for the report.
    pub async fn learn(&self) -> Learned {
        let manifest = self.topology.scraper().manifest().await;
        let manifest = manifest.unwrap_or(Value::Null);
        let text = |name: &str| manifest[name].as_str().map(str::to_owned);
        Learned {
            version: text("version").unwrap_or_default(),
            policy_digest: text("policy_digest"),
            site_digest: text("site_digest"),
            policy: manifest.get("policy").cloned(),
            unprivileged: self.topology.user().is_some(),
        }
    }

    /// What an impostor on one of the edges says it spoils.
    #[must_use]
    pub fn book(&self) -> Option<Book> {
        self.topology.impostor().map(Impostor::book)
    }

    /// Takes everything down; the server first, identified once more and ended by SIGTERM.
    ///
    /// # Errors
    /// When the server did not end by itself within its drain.
    pub async fn stop(self) -> Result<(), Trouble> {
        self.topology.stop().await?;
        Ok(())
    }
}
