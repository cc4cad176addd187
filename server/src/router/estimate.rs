//! How long an attempt at each model may take, for whoever plans calls.

use std::sync::Arc;

use serde::Serialize;

use super::Router;
use super::ask::CallKind;
use super::call::millis;
use super::rank::Served;
use crate::provider::model::{Model, ModelClass};

/// The clocks of one chat attempt at one model, where nothing else has used the call's time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// The provider row.
    pub provider: String,
    /// The model.
    pub model: String,
    /// Whose clocks apply.
    pub class: ModelClass,
    /// What its idle and total clocks are scaled by.
    pub pace: f64,
    /// From the request to the first token of a stream.
    pub first_token_ms: u64,
    /// From one token to the next.
    pub idle_ms: u64,
    /// The whole attempt; never more than the call's own clock.
    pub total_ms: u64,
}

impl Router {
    /// An estimate for each model of each registered provider, without thinking on request.
    #[must_use]
    pub fn estimates(&self) -> Vec<Estimate> {
        let estimates = |served: &Served| {
            let one = |model: &Arc<Model>| self.estimate(&served.name, model);
            served.models.iter().map(one).collect::<Vec<_>>()
        };
        self.roster.served.iter().flat_map(estimates).collect()
    }

    fn estimate(&self, provider: &str, model: &Model) -> Estimate {
        let (class, kind) = (model.class_for(None), CallKind::Chat);
        let clocks = &self.settings.clocks;
        let whole = clocks.of(class).total_at(kind, model.pace);
        let attempt = clocks.attempt((class, model.pace), kind, true, whole);
        Estimate {
            provider: provider.to_owned(),
            model: model.name.clone(),
            class,
            pace: model.pace,
            first_token_ms: millis(attempt.first_token),
            idle_ms: millis(attempt.idle),
            total_ms: millis(attempt.total),
        }
    }
}
