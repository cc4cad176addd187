//! The providers' own lists of models, kept for a while.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::Router;
use super::member::Member;
use crate::observe::manifest::now_utc;
use crate::provider::Provider;
use crate::provider::fault::FaultClass;

/// The cache's name in metrics.
const CACHE: &str = "model_list";

/// What a provider's own list of models came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The provider row.
    #[serde(skip)]
    pub provider: String,
    /// The models it names, in its order; empty when it gave no list.
    pub names: Arc<[String]>,
    /// When it was asked.
    pub read_at: String,
    /// Whether it was asked for an earlier call.
    pub from_cache: bool,
    /// Why there is no list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Of which kind that is.
    #[serde(skip)]
    pub class: Option<FaultClass>,
}

impl Router {
    /// The own list of each registered provider, at most as old as `models.list_ttl`; asked for
    /// anew with `is_fresh`. A list that could not be had is told and never kept.
    pub async fn model_lists(&self, is_fresh: bool) -> Vec<Listed> {
        let asked = self.members.iter().filter_map(|member| {
            let provider = member.provider.as_ref()?;
            Some(self.model_list(member, provider, is_fresh))
        });
        futures::future::join_all(asked).await
    }

    async fn model_list(&self, member: &Member, provider: &Provider, is_fresh: bool) -> Listed {
        let name = &member.row.name;
        if !is_fresh && let Some(kept) = self.lists.find(name, Instant::now()) {
            self.metrics.cache_hit(CACHE);
            return Listed {
                from_cache: true,
                ..kept
            };
        }
        self.metrics.cache_miss(CACHE);
        let (names, failure) = match provider.list().await {
            Ok(names) => (names, None),
            Err(failure) => (Vec::new(), Some((failure.summary(), failure.class))),
        };
        let (failure, class) = failure.unzip();
        let listed = Listed {
            provider: name.clone(),
            names: names.into(),
            read_at: now_utc(),
            from_cache: false,
            failure,
            class,
        };
        if listed.failure.is_none() {
            self.lists
                .keep(name.clone(), listed.clone(), Instant::now());
        }
        listed
    }
}
