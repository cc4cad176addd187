//! The router turns one question into one answer: candidates, attempts, failover, trace.

pub mod ask;
pub mod breaker;
pub mod budget;
mod call;
pub mod clock;
mod cost;
pub mod direct;
pub mod file;
pub mod member;
pub mod name;
pub mod rank;
pub mod retry;
pub mod settings;
mod traced;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use self::ask::{Answer, Ask, CallContext};
use self::call::Call;
use self::member::{Member, ProviderStatus};
use self::rank::{Question, Roster, Served, Unregistered};
use self::settings::Settings;
use crate::config::{Config, Current};
use crate::failure::{Category, Failure};
use crate::observe::health::Report;
use crate::observe::metrics::Metrics;
use crate::provider::catalogue::{Catalogue, CatalogueError};
use crate::provider::dialect::Dialect;
use crate::provider::model::{Model, ModelClass, ModelStatus};
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
            let provider = Provider::from_row(&row)?;
            let executed = provider.is_some();
            if executed {
                roster.served.push(served(&row, &roster.catalogue));
            } else {
                roster.unregistered.push(Unregistered {
                    name: row.name.clone(),
                    dialect: row.dialect,
                    key_variables: row.key_variables.clone(),
                    is_disabled: !row.is_enabled,
                });
            }
            let own = roster.served.last().filter(|_| executed);
            registrations.push(Registration {
                provider: row.name.clone(),
                executed,
                took_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
                models: own.map_or(0, |served| served.models.len()),
            });
            members.push(Member::new(
                row,
                provider,
                settings.breaker,
                metrics.clone(),
            ));
        }
        Ok(Self {
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
        let candidates = self.permitted(&ask, context)?;
        let class = candidates
            .first()
            .map_or(ModelClass::Prompt, rank::Candidate::class);
        let total = self.settings.clocks.of(class).total_for(ask.kind);
        Call::new(self, &ask, context, total).run(&candidates).await
    }

    /// The routes of a question that its caller's roles permit; never empty. A model that was named
    /// is not exchanged for one that they permit.
    fn permitted(&self, ask: &Ask, context: &CallContext) -> Result<Vec<rank::Candidate>, Failure> {
        let routes = self.routes(ask, &self.roster)?;
        let may = |route: &rank::Candidate| {
            let model = Some(route.model.name.as_str());
            context.may_ask.permits(&route.provider, model)
        };
        if routes.iter().all(may) {
            return Ok(routes);
        }
        let named = routes.first().filter(|route| route.reason == "explicit");
        if named.is_some_and(|route| !may(route)) {
            return Err(not_permitted());
        }
        let roster = self.roster.within(&context.may_ask);
        self.routes(ask, &roster).map_err(|_| not_permitted())
    }

    /// The routes a question may take, best first; never empty.
    fn routes(&self, ask: &Ask, roster: &Roster) -> Result<Vec<rank::Candidate>, Failure> {
        let texts = ask.messages.iter().map(|message| message.text.as_str());
        let tokens = rank::estimate_tokens(texts.chain([ask.system.as_str()]));
        let default = Some(self.settings.default_model.as_str()).filter(|name| !name.is_empty());
        let question = Question {
            tool: ask.tool,
            model: ask.model.as_deref().or(default),
            has_images: ask
                .messages
                .iter()
                .any(|message| !message.images.is_empty()),
            websearch: ask.websearch,
            thinking: ask.thinking,
            tokens,
        };
        let mut routes = rank::candidates(&question, roster)?;
        let Some(only) = &ask.provider else {
            return Ok(routes);
        };
        routes.retain(|route| route.provider == *only);
        if routes.is_empty() {
            let message = format!("{only} serves no model that fits. Leave `model` out.");
            return Err(Failure::validation("/model", message).with_code("model_elsewhere"));
        }
        Ok(routes)
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
        self.members
            .iter()
            .map(|member| member.status(self.model_names(member)))
            .collect()
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

    fn model_names(&self, member: &Member) -> Vec<String> {
        served(&member.row, &self.roster.catalogue)
            .models
            .iter()
            .map(|model| model.name.clone())
            .collect()
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
/// Neither says which models there are nor whose they would be.
fn not_permitted() -> Failure {
    let message = "Your role may not ask this model or provider. Leave `model` out, or ask the \
                   operator for it.";
    Failure::new(Category::AuthError, "model_not_permitted", message)
}

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
