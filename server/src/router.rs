//! The router turns one question into one answer: candidates, attempts, failover, trace.

pub mod ask;
pub mod breaker;
pub mod budget;
mod call;
pub mod clock;
mod cost;
pub mod decision;
pub mod direct;
pub mod estimate;
pub mod file;
pub mod listed;
pub mod member;
pub mod name;
pub mod rank;
pub mod rekey;
pub mod retry;
mod routes;
pub mod settings;
pub mod shape;
mod traced;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use self::ask::{Answer, Ask, CallContext};
use self::call::Call;
use self::decision::Decider;
use self::listed::Listed;
use self::member::{Member, ProviderStatus};
use self::rank::{Candidate, Roster, Served, Unregistered};
use self::settings::Settings;
use self::shape::{Bands, Shape};
use crate::config::{Config, Current};
use crate::failure::Failure;
use crate::memo::Memo;
use crate::observe::health::Report;
use crate::observe::metrics::Metrics;
use crate::provider::catalogue::{Catalogue, CatalogueError};
use crate::provider::dialect::Dialect;
use crate::provider::model::{Model, ModelStatus};
use crate::provider::{Provider, ProviderError, ProviderRow};
use crate::spending::Spending;

/// How often suspect providers are asked for a sign of life by [`Router::watch`].
const WATCH: Duration = Duration::from_secs(1);
/// The age of the last contact above which a healthy provider is asked all the same.
const CONTACT_AGE: Duration = Duration::from_secs(60);

/// The router could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The catalogue is broken.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A provider's row is.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The model that is to decide routes cannot be one.
    #[error("could not use models.decision.model: {0}")]
    Decision(String),
}

/// All providers, behind one question.
#[derive(Debug)]
pub struct Router {
    settings: Settings,
    roster: Roster,
    members: Vec<Member>,
    registrations: Vec<Registration>,
    metrics: Metrics,
    spending: Option<Spending>,
    bands: Bands,
    /// Routes ranked lately; the roster never changes, so a kept choice is the choice.
    choices: Memo<Shape, Vec<Candidate>>,
    /// The providers' own lists, by row.
    lists: Memo<String, Listed>,
    decider: Option<Decider>,
}

/// What setting one provider row up came to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Registration {
    /// The row's name.
    pub provider: String,
    /// Whether its client was built, so that it can be asked; false without a key or when off.
    pub executed: bool,
    /// How long that took, in microseconds.
    pub took_us: u64,
    /// The models it serves; 0 when it is not registered.
    pub models: usize,
}

impl Router {
    /// The router of a checked configuration, with the embedded catalogue.
    ///
    /// # Errors
    /// When a client cannot be built or a key cannot be sent.
    pub fn from_config(config: &Config, metrics: Metrics) -> Result<Self, RouterError> {
        let rows = settings::provider_rows(config);
        Self::new(
            Settings::from_config(config),
            rows,
            Catalogue::embedded()?,
            metrics,
        )
    }

    /// A router over the given rows; those without a key are known and never asked.
    ///
    /// # Errors
    /// When a client cannot be built or a key cannot be sent.
    pub fn new(
        settings: Settings,
        rows: Vec<ProviderRow>,
        catalogue: Catalogue,
        metrics: Metrics,
    ) -> Result<Self, RouterError> {
        let mut roster = Roster {
            catalogue: Arc::new(catalogue),
            served: Vec::new(),
            unregistered: Vec::new(),
            aliases: Current::new(settings.aliases.clone()),
        };
        let mut members = Vec::new();
        let mut registrations = Vec::new();
        for row in rows {
            let began = Instant::now();
            let provider = Provider::from_row(&row, &metrics)?;
            let executed = provider.is_some();
            let own = served(&row, &roster.catalogue);
            let names: Arc<[String]> = own.models.iter().map(|model| model.name.clone()).collect();
            let models = if executed { names.len() } else { 0 };
            if executed {
                roster.served.push(own);
            } else {
                roster.unregistered.push(Unregistered {
                    name: row.name.clone(),
                    dialect: row.dialect,
                    key_variables: row.key_variables.clone(),
                    is_disabled: !row.is_enabled,
                });
            }
            registrations.push(Registration {
                provider: row.name.clone(),
                executed,
                took_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
                models,
            });
            members.push(Member::new(
                (row, names),
                provider,
                settings.breaker,
                metrics.clone(),
            ));
        }
        Ok(Self {
            decider: Decider::of(&settings.decision, &roster)?,
            bands: Bands::of(&roster),
            choices: Memo::new(settings.choice_entries, settings.choice_ttl),
            lists: Memo::new(members.len(), settings.list_ttl),
            settings,
            roster,
            members,
            registrations,
            metrics,
            spending: None,
        })
    }

    /// The same router, whose answers are charged to their callers.
    #[must_use]
    pub fn with_spending(self, spending: Spending) -> Self {
        Self {
            spending: Some(spending),
            ..self
        }
    }

    /// Answers a question, or says in one typed failure why not.
    ///
    /// # Errors
    /// A refusal before any attempt (unknown, retired or unserved model, no key), or the last
    /// attempt's failure with the way that led to it.
    pub async fn ask(&self, ask: Ask, context: &CallContext) -> Result<Answer, Failure> {
        let began = Instant::now();
        let routes = self.permitted(&ask, context)?;
        let total = self.total_of(&routes, &ask);
        let (routes, unused) = self.decided((&ask, context), routes, total).await;
        // The decided route may be of another class.
        let left = self.total_of(&routes, &ask).saturating_sub(began.elapsed());
        let mut call = Call::new(self, &ask, context, left);
        call.warnings.extend(unused);
        call.run(&routes).await
    }

    /// The whole call's clock.
    fn total_of(&self, routes: &[Candidate], ask: &Ask) -> Duration {
        let clocks = &self.settings.clocks;
        match routes.first() {
            Some(first) => {
                let clocks = clocks.of(first.class());
                clocks.total_at(ask.kind, first.model.pace)
            }
            None => clocks.prompt.total_for(ask.kind),
        }
    }

    /// Forgets which routes were chosen and what the providers listed.
    pub fn forget(&self) {
        self.choices.clear();
        self.lists.clear();
        if let Some(decider) = &self.decider {
            decider.forget();
        }
    }

    /// What a model's name stands for, without asking it.
    ///
    /// # Errors
    /// The same typed refusals as [`Router::ask`].
    pub fn resolve(&self, name: &str) -> Result<Arc<Model>, Failure> {
        name::resolve(name, &self.roster).map(|named| named.model)
    }

    /// The model catalogue.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.roster.catalogue
    }

    /// What ranking knows: registered providers with their models, and the others.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Whether any provider can be asked.
    #[must_use]
    pub const fn has_provider(&self) -> bool {
        !self.roster.served.is_empty()
    }

    /// The typed failure that names the missing variables and `exai doctor`.
    #[must_use]
    pub fn missing_key_failure(&self) -> Failure {
        rank::missing_key(&self.roster.unregistered)
    }

    /// What setting up came to, a row each.
    #[must_use]
    pub fn registrations(&self) -> &[Registration] {
        &self.registrations
    }

    /// Every configured row with its state, registered or not.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderStatus> {
        self.members.iter().map(Member::status).collect()
    }

    /// The health report of one provider row, from live outcomes and the probes of
    /// [`Router::watch`]; `None` for a name that is no row.
    #[must_use]
    pub fn report(&self, provider: &str) -> Option<Report> {
        self.members
            .iter()
            .find(|member| member.row.name == provider)
            .map(Member::report)
    }

    /// Asks providers for a sign of life until cancelled: suspect ones once a second, the others
    /// when nothing was heard of them for a minute. Health returns through it without traffic.
    pub async fn watch(&self, cancel: CancellationToken) {
        let mut ticks = tokio::time::interval(WATCH);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let probes = self.members.iter().map(|member| member.probe(CONTACT_AGE));
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = futures::future::join_all(probes) => {}
            }
        }
    }

    /// Asks every registered provider for a sign of life, whenever the last one was.
    pub async fn probe_now(&self) {
        let probes = self
            .members
            .iter()
            .map(|member| member.probe(Duration::ZERO));
        futures::future::join_all(probes).await;
    }

    fn registered(&self, name: &str) -> Option<(&Member, &Provider)> {
        let member = self.members.iter().find(|member| member.row.name == name)?;
        Some((member, member.provider.as_ref()?))
    }

    /// A random number of at least 0 and below 1, for jitter.
    #[expect(
        clippy::unused_self,
        reason = "the place where a seeded source would come in"
    )]
    fn luck(&self) -> f64 {
        getrandom::u32().map_or(0.5, |bits| f64::from(bits) / (f64::from(u32::MAX) + 1.0))
    }
}

/// What a row serves: its own list where it has one, else the catalogue's rows of its dialect.
fn served(row: &ProviderRow, catalogue: &Catalogue) -> Served {
    let has_own_list = row.dialect == Dialect::Openai && !row.models.is_empty();
    let models = if has_own_list {
        let listed = row.models.iter().map(|name| {
            let known = catalogue.models().iter().find(|model| &model.name == name);
            known
                .cloned()
                .unwrap_or_else(|| Model::unlisted(name, Dialect::Openai))
        });
        listed.map(Arc::new).collect()
    } else {
        let rows = catalogue
            .models()
            .iter()
            .filter(|model| model.dialect == row.dialect && model.status != ModelStatus::Retired);
        rows.cloned().map(Arc::new).collect()
    };
    Served {
        name: row.name.clone(),
        dialect: row.dialect,
        models,
        has_own_list,
    }
}

#[cfg(test)]
mod tests;
