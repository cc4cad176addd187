//! What a workload stands on: the topology, the recorder, the numbers of its criterion, and people
//! to speak as.

use std::sync::Arc;
use std::time::Duration;

use exai_harness::client::{Client, Identity, Software};
use exai_harness::history::Recorder;
use exai_harness::operation::OperationPlan;
use exai_harness::operation::builder::{Builder, Numbering};
use exai_harness::report::progress::{Progress, Teller};
use exai_harness::report::secrets::Secrets;
use exai_harness::runkey::Tracers;
use exai_harness::topology::{Site, TopologyError};
use exai_judge::criterion::{Criteria, Criterion};
use exai_judge::observation::PhaseMark;
use exai_judge::{Call, Event, Transport};
use exai_mocks::plan::Plan;
use tokio_util::sync::CancellationToken;

use crate::ground::{Damage, Ground};

/// How long a client may take to greet or to list.
pub const GREETING: Duration = Duration::from_secs(10);
/// How long a call to a prompt model may take at most: the workflow clock and a second, ns.
pub const PATIENCE: u64 = 46_000_000_000;

/// The name of the one person who goes past their own limit.
const HOT: &str = "hot";

/// Why a workload could not go on. All but one are the rig's trouble, never the server's.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A client could not be made.
    #[error("could not connect as {who} over {over}: {why}")]
    Client {
        /// The identity.
        who: String,
        /// The wire.
        over: &'static str,
        /// The cause.
        why: String,
    },
    /// The topology did not do as it was asked.
    #[error("{0}")]
    Rig(String),
    /// The server under judgement is gone, or does not follow an order that it has to follow.
    #[error("{0}")]
    Server(String),
    /// The catalogue lacks a number.
    #[error("{0}")]
    Catalogue(#[from] exai_judge::criterion::Missing),
    /// Someone pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Trouble {
    /// The rig's trouble, whatever it came from, unless somebody pressed Ctrl-C.
    #[must_use]
    pub fn of_rig(error: TopologyError) -> Self {
        match error {
            TopologyError::Interrupted => Self::Interrupted,
            error => Self::Rig(error.to_string()),
        }
    }
}

impl From<TopologyError> for Trouble {
    fn from(error: TopologyError) -> Self {
        if error.is_the_servers() {
            Self::Server(error.to_string())
        } else {
            Self::of_rig(error)
        }
    }
}

/// The ground of one run.
pub struct Stage {
    /// The running processes.
    pub ground: Ground,
    /// The history.
    pub recorder: Recorder,
    /// Fresh tracers.
    pub tracers: Arc<Tracers>,
    /// The next operation's number.
    pub numbering: Numbering,
    /// What is judged.
    pub criteria: Criteria,
    /// The profile's name.
    pub profile: &'static str,
    /// Fixes schedule and shape.
    pub seed: u64,
    /// The random strings of this run's configuration.
    pub site: Site,
    /// Shows what is going on.
    pub teller: Teller,
    /// The secrets that no output may show.
    pub canaries: Secrets,
    /// What is broken on purpose in the harness itself.
    pub damage: Damage,
    /// Cancelled by Ctrl-C.
    pub stop: CancellationToken,
}

impl Stage {
    /// The numbers of a criterion in this profile.
    ///
    /// # Errors
    /// [`Trouble::Rig`] for an unknown criterion: a defect of ours.
    pub fn row(&self, criterion: &str) -> Result<Criterion, Trouble> {
        let found = self.criteria.find(criterion, self.profile);
        let found = found.map_err(|error| Trouble::Rig(error.to_string()))?;
        found.ok_or_else(|| Trouble::Rig(format!("the catalogue lacks {criterion}")))
    }

    /// A builder whose shapes follow the run's seed and `salt`.
    #[must_use]
    pub fn builder(&self, salt: u64) -> Builder {
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(salt);
        Builder::new(Arc::clone(&self.tracers), self.numbering.clone(), seed)
    }

    /// Marks the beginning of a phase, and shows it.
    pub fn begin(&self, criterion: &str, phase: &str) {
        self.mark(criterion, phase, false);
        self.teller.tell(Progress::PhaseBegan {
            criterion: criterion.to_owned(),
            phase: phase.to_owned(),
            target: 0,
        });
    }

    /// Marks the end of a phase, and shows it.
    pub fn end(&self, criterion: &str, phase: &str) {
        self.mark(criterion, phase, true);
        self.teller.tell(Progress::PhaseEnded {
            criterion: criterion.to_owned(),
            note: phase.to_owned(),
        });
    }

    fn mark(&self, criterion: &str, phase: &str, ended: bool) {
        self.recorder.record(Event::Phase(PhaseMark {
            criterion: criterion.to_owned(),
            phase: phase.to_owned(),
            ended,
        }));
    }

    /// Says that something a criterion asks for was not tried, and why.
    pub fn not_tested(&self, criterion: &str, what: impl Into<String>) {
        let what = what.into();
        self.recorder.record(Event::NotTested {
            criterion: criterion.to_owned(),
            what,
        });
    }

    /// Publishes a figure beside the criteria.
    pub fn figure(&self, name: impl Into<String>, value: f64, unit: &str) {
        self.recorder.record(Event::Figure {
            name: name.into(),
            value,
            unit: unit.to_owned(),
        });
    }

    /// Tells every simulator how long to take before it answers, ms.
    ///
    /// # Errors
    /// When a simulator refuses the plan.
    pub async fn pace(&self, first_byte_ms: u64) -> Result<(), Trouble> {
        for (provider, _) in &self.site.labels {
            let plan = Plan {
                seed: self.seed,
                first_byte_ms,
                ..Plan::default()
            };
            self.ground.plan(provider, &plan).await?;
        }
        Ok(())
    }

    /// Performs an operation now and records what came of it.
    pub async fn perform(&self, client: &Client, plan: &OperationPlan) -> Call {
        self.perform_at(client, plan, self.recorder.now()).await
    }

    /// Performs an operation that was due at `due`, ns on the run's clock, and records it.
    pub async fn perform_at(&self, client: &Client, plan: &OperationPlan, due: u64) -> Call {
        let call = client.call(plan, due).await;
        if let Some(failure) = &call.failure {
            self.search("a reply", &failure.message);
        }
        self.recorder.record(Event::Call(Box::new(call.clone())));
        call
    }

    /// Greets the server again where it answered nothing or did not know the session any more; a
    /// failure of the call itself leaves the session as it is.
    pub async fn mend(&self, client: &Client, call: &Call) {
        mend(client, call).await;
    }

    /// Looks for the run's secrets in something the server showed, plain and encoded; finding one
    /// is a critical error.
    pub fn search(&self, place: &str, text: &str) {
        search(&self.canaries, &self.recorder, (place, text));
    }

    /// A greeted client that speaks as `who` over `transport`.
    ///
    /// # Errors
    /// [`Trouble::Client`] when it cannot connect or is not greeted.
    pub async fn client(&self, who: Person, transport: Transport) -> Result<Arc<Client>, Trouble> {
        self.client_at(who, who, transport).await
    }

    /// The same, speaking from the address of `at`.
    ///
    /// # Errors
    /// As [`Stage::client`].
    pub async fn client_at(
        &self,
        who: Person,
        at: Person,
        transport: Transport,
    ) -> Result<Arc<Client>, Trouble> {
        let mut identity = self.ground.identity(who);
        identity.source = at.identity().source;
        self.greeted(identity, transport).await
    }

    /// The same with these roles instead of an ordinary user's.
    ///
    /// # Errors
    /// As [`Stage::client`].
    pub async fn client_with(
        &self,
        who: Person,
        roles: &[&str],
        transport: Transport,
    ) -> Result<Arc<Client>, Trouble> {
        let identity = self.ground.identity_with(who, roles);
        self.greeted(identity, transport).await
    }

    /// The same, that seems to be this program.
    ///
    /// # Errors
    /// As [`Stage::client`].
    pub async fn client_as(
        &self,
        who: Person,
        software: Software,
        transport: Transport,
    ) -> Result<Arc<Client>, Trouble> {
        let mut identity = self.ground.identity(who);
        identity.software = software;
        self.greeted(identity, transport).await
    }

    async fn greeted(
        &self,
        identity: Identity,
        transport: Transport,
    ) -> Result<Arc<Client>, Trouble> {
        let who = identity.name.clone();
        let trouble = |why: String| Trouble::Client {
            who: who.clone(),
            over: transport.name(),
            why,
        };
        let client = self.ground.connect(identity, transport);
        let client = client.map_err(trouble)?;
        client
            .greet(GREETING)
            .await
            .map_err(|error| trouble(error.to_string()))?;
        let identified = self.ground.identify_pipe(&client).await;
        identified.map_err(trouble)?;
        Ok(Arc::new(client))
    }

    /// Ends early when someone pressed Ctrl-C.
    ///
    /// # Errors
    /// [`Trouble::Interrupted`].
    pub fn check_stop(&self) -> Result<(), Trouble> {
        if self.stop.is_cancelled() {
            Err(Trouble::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Waits.
    ///
    /// # Errors
    /// [`Trouble::Interrupted`], at once, when someone pressed Ctrl-C.
    pub async fn rest(&self, time: Duration) -> Result<(), Trouble> {
        // Either way of ending is told apart by the check.
        let _ = tokio::time::timeout(time, self.stop.cancelled()).await;
        self.check_stop()
    }
}

/// As [`Stage::mend`], for those who cannot hold on to a stage.
pub async fn mend(client: &Client, call: &Call) {
    let is_answered = match client.transport() {
        Transport::WebSocket => call.replies > 0,
        _ => call.status == Some(200),
    };
    if !is_answered {
        // Should this fail as well, the next call says so.
        let _ = client.reconnect(RECONNECT).await;
    }
}

/// As [`Stage::search`], for those who cannot hold on to a stage.
pub fn search(canaries: &Secrets, recorder: &Recorder, (place, text): (&str, &str)) {
    if let Err(found) = canaries.scan(place, text) {
        recorder.record(Event::Critical {
            what: "canary".to_owned(),
            detail: found.to_string(),
            control: false,
        });
    }
}

/// How long a greeting may take.
const RECONNECT: Duration = Duration::from_secs(1);

/// Who a client speaks as: a role in the story and a number that fixes address and program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// Such as `user` or `hot`.
    pub role: &'static str,
    /// Which of them.
    pub number: usize,
}

impl Person {
    /// The `number`th ordinary user.
    #[must_use]
    pub const fn user(number: usize) -> Self {
        Self {
            role: "user",
            number,
        }
    }

    /// The one person who goes past their own limit.
    #[must_use]
    pub const fn hot() -> Self {
        Self {
            role: HOT,
            number: 399,
        }
    }

    /// The principal's name.
    #[must_use]
    pub fn name(self) -> String {
        if self.role == HOT {
            HOT.to_owned()
        } else {
            format!("{}-{}", self.role, self.number)
        }
    }

    /// The identity without credentials.
    #[must_use]
    pub fn identity(self) -> Identity {
        Identity::numbered(self.name(), self.number)
    }
}
