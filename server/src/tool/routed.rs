//! The tools' surroundings in a server: questions go to the router, facts come from it.

use std::sync::Arc;

use futures::FutureExt as _;
use serde::Serialize;

use super::journal::Journal;
use super::surroundings::{Capabilities, ModelFacts, Settings, Surroundings};
use super::workflow::Reviews;
use crate::config::Config;
use crate::observe::manifest::Identity;
use crate::observe::trace::Tracer;
use crate::observe::{Health, Metrics};
use crate::provider::model::{Model, ModelStatus, Thinking};
use crate::router::Router;
use crate::router::member::ProviderStatus;
use crate::spending::Spending;
use crate::thread::Threads;

impl Surroundings {
    /// Surroundings whose questions go to `router`; health is empty until it is given one that
    /// probes feed.
    #[must_use]
    pub fn routed(
        router: Arc<Router>,
        config: &Config,
        threads: Threads,
        identity: Identity,
        metrics: Metrics,
    ) -> Self {
        let (asking, rows, catalogue) = (router.clone(), router.clone(), router.clone());
        let (probing, direct, previewing) = (router.clone(), router.clone(), router.clone());
        let (listing, forgetting) = (router.clone(), router);
        Self {
            ask: Arc::new(move |ask, context| {
                let router = asking.clone();
                async move { router.ask(ask, &context).await }.boxed()
            }),
            direct: Arc::new(move |ask, context| {
                let router = direct.clone();
                async move { router.direct(ask, &context).await }.boxed()
            }),
            preview: Arc::new(move |ask, context| previewing.preview(ask, context)),
            providers: Arc::new(move || rows.providers()),
            probe_providers: Arc::new(move || {
                let router = probing.clone();
                async move {
                    router.probe_now().await;
                    router.providers()
                }
                .boxed()
            }),
            models: Arc::new(move || models(&catalogue)),
            lists: Arc::new(move |is_fresh| {
                let router = listing.clone();
                async move { router.model_lists(is_fresh).await }.boxed()
            }),
            forget_routes: Arc::new(move || forgetting.forget()),
            spending: Spending::new(threads.store().clone(), config.budgets.clone()),
            threads,
            files: None,
            reviews: Reviews::new(&config.tools),
            journal: Journal::new(config.limits.recent_calls),
            health: Health::new(&config.ready_require),
            identity,
            metrics,
            tracer: Tracer::default(),
            settings: Arc::new(Settings::of(config)),
        }
    }
}

/// Every model of every provider row, retired ones with their successor.
fn models(router: &Router) -> Vec<ModelFacts> {
    let rows = router.providers();
    rows.iter().flat_map(|row| models_of(router, row)).collect()
}

fn models_of(router: &Router, row: &ProviderStatus) -> Vec<ModelFacts> {
    let roster = router.roster();
    let served = roster.served.iter().filter(|one| one.name == row.name);
    let served: Vec<&Model> = served
        .flat_map(|one| one.models.iter().map(|model| &**model))
        .collect();
    // A row without a key still shows what a key would serve.
    let named = row
        .models
        .iter()
        .filter_map(|name| router.catalogue().find(name));
    let retired = router.catalogue().models().iter().filter(|model| {
        model.dialect.name() == row.dialect && model.status == ModelStatus::Retired
    });
    let mut all = served;
    for model in named.chain(retired) {
        if !all.iter().any(|known| known.name == model.name) {
            all.push(model);
        }
    }
    all.into_iter()
        .map(|model| facts(router, row, model))
        .collect()
}

fn facts(router: &Router, row: &ProviderStatus, model: &Model) -> ModelFacts {
    let aliases = router.roster().aliases.get();
    // An alias may name another alias of the model.
    let is_of_model =
        |target: &str| target == model.name || model.aliases.iter().any(|alias| alias == target);
    let own = aliases
        .iter()
        .filter(|(_, target)| is_of_model(target))
        .map(|(alias, _)| alias.clone());
    ModelFacts {
        name: model.name.clone(),
        provider: row.name.clone(),
        label: row.label.clone(),
        class: word(model.class),
        status: word(model.status),
        available: row.registered,
        context_tokens: model.context,
        max_output_tokens: u64::from(model.max_output),
        aliases: {
            // Under this name it is asked at this row alone.
            let qualified = format!("{}/{}", row.name, model.name);
            let named = model.aliases.iter().cloned().chain(own);
            named.chain([qualified]).collect()
        },
        capabilities: Capabilities {
            images: model.images,
            tools: model.tools,
            thinking: model.thinking != Thinking::None,
            websearch: model.websearch,
        },
        successor: model.successor.clone(),
    }
}

/// An enum's wire spelling.
fn word(value: impl Serialize) -> String {
    super::surroundings::json(value)
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_is_listed_with_label_and_alias_with_or_without_a_key() {
        let config = Config::from_toml(
            "[provider.kimi]\nlabel = \"Moon 7\"\n[models.aliases]\nfav-1 = \"kimi-k2.6\"\n",
        );
        let config = config.unwrap();
        let router = Router::from_config(&config, Metrics::new()).unwrap();
        let models = models(&router);
        let known = router.catalogue().models().iter();
        for model in known.filter(|model| model.dialect.name() == "kimi") {
            let listed: Vec<&ModelFacts> = models
                .iter()
                .filter(|facts| facts.name == model.name)
                .collect();
            assert_eq!(listed.len(), 1, "{}", model.name);
            assert_eq!(
                (listed[0].label.as_str(), listed[0].available),
                ("Moon 7", false)
            );
            assert_eq!(listed[0].successor.is_some(), model.successor.is_some());
        }
        let aliased = models
            .iter()
            .find(|facts| facts.name == "kimi-k2.6")
            .unwrap();
        assert!(aliased.aliases.contains(&"fav-1".to_owned()), "{aliased:?}");
        assert!(models.iter().any(|facts| facts.status == "retired"));
    }
}
