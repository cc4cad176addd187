//! The router's settings, drawn from the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use super::breaker::BreakerSettings;
use super::clock::{ClassClocks, Clocks};
use super::decision::DecisionSettings;
use super::retry::RetrySettings;
use crate::config::{self, Config};
use crate::provider::ProviderRow;

/// Everything the router is told at start.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The three clocks, by class.
    pub clocks: Clocks,
    /// The one retry budget.
    pub retry: RetrySettings,
    /// When a provider's breaker opens.
    pub breaker: BreakerSettings,
    /// The model of a call that names none; empty or `auto` leaves the choice to the router.
    pub default_model: String,
    /// The operator's own names for models.
    pub aliases: BTreeMap<String, String>,
    /// Choices of routes kept; 0 keeps none.
    pub choice_entries: usize,
    /// How long a choice is kept.
    pub choice_ttl: Duration,
    /// How long a provider's own list of models is kept.
    pub list_ttl: Duration,
    /// The model that decides routes, if any.
    pub decision: DecisionSettings,
}

impl Settings {
    /// The settings of a checked configuration.
    #[must_use]
    pub fn from_config(config: &Config) -> Self {
        Self {
            clocks: Clocks {
                prompt: clocks(&config.timeouts.prompt),
                thinking: clocks(&config.timeouts.thinking),
            },
            retry: RetrySettings {
                attempts_per_provider: config.retry.attempts_per_provider,
                attempts_per_call: config.retry.attempts_per_call,
                waits: config.retry.waits.clone(),
                retry_after_max: config.retry.retry_after_max,
            },
            breaker: BreakerSettings {
                failures: config.breaker.failures,
                first_open: config.breaker.provider.first_open,
                max_open: config.breaker.provider.max_open,
            },
            default_model: config.models.default.clone(),
            aliases: config.models.aliases.clone(),
            choice_entries: config.models.choice_entries,
            choice_ttl: config.models.choice_ttl,
            list_ttl: config.models.list_ttl,
            decision: decision(&config.models.decision),
        }
    }
}

fn decision(from: &config::Decision) -> DecisionSettings {
    DecisionSettings {
        model: from.model.clone(),
        timeout: from.timeout,
        breaker: BreakerSettings {
            failures: from.failures,
            first_open: from.first_open,
            max_open: from.max_open,
        },
        entries: from.entries,
        ttl: from.ttl,
    }
}

fn clocks(from: &config::Clocks) -> ClassClocks {
    ClassClocks {
        first_token: from.first_token,
        idle: from.idle,
        total: from.total,
        workflow: from.workflow,
        expert: from.expert,
    }
}

/// The provider rows of a configuration, the demonstration's only under `--demo`.
#[must_use]
pub fn provider_rows(config: &Config) -> Vec<ProviderRow> {
    let rows = config.providers.values().map(|row| ProviderRow {
        name: row.name.clone(),
        label: row.label.clone(),
        dialect: row.dialect.spoken(),
        base_url: row.base_url.clone(),
        key: row.key.as_ref().map(|key| key.secret.clone()),
        key_variables: row.api_key_env.clone(),
        is_enabled: row.enabled,
        models: row.models.clone(),
        in_flight: match row.in_flight {
            0 => config.limits.in_flight_per_provider,
            own => own,
        },
    });
    rows.chain(ProviderRow::demo().filter(|_| config.demo))
        .collect()
}
