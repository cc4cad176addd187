//! Names, types and help texts of the metrics.

use prometheus_client::registry::{Metric, Registry};

use super::Inner;

/// Every family, its name without a counter's `_total`, and its type.
pub(super) const FAMILIES: [(&str, &str); 21] = [
    ("exai_requests", "counter"),
    ("exai_request_duration_seconds", "histogram"),
    ("exai_errors", "counter"),
    ("exai_provider_health", "gauge"),
    ("exai_provider_errors", "counter"),
    ("exai_cache_hits", "counter"),
    ("exai_provider_requests", "counter"),
    ("exai_breaker_state", "gauge"),
    ("exai_breaker_transitions", "counter"),
    ("exai_failovers", "counter"),
    ("exai_provider_tokens", "counter"),
    ("exai_provider_cost_usd", "counter"),
    ("exai_in_flight", "gauge"),
    ("exai_store_operation_seconds", "histogram"),
    ("exai_store_errors", "counter"),
    ("exai_denials", "counter"),
    ("exai_process_resident_bytes", "gauge"),
    ("exai_open_fds", "gauge"),
    ("exai_sessions", "gauge"),
    ("exai_files", "counter"),
    ("exai_file_bytes", "counter"),
];

/// Registers one metric; counters get `_total` from the encoder.
fn name(registry: &mut Registry, name: &str, help: &str, metric: impl Metric) {
    registry.register(name, help, metric);
}

impl Inner {
    /// Names every metric.
    pub(super) fn registered(mut self) -> Self {
        let mut registry = std::mem::take(&mut self.registry);
        self.name_calls(&mut registry);
        self.name_dependencies(&mut registry);
        self.operation.register(&mut registry);
        self.occupancy.register(&mut registry);
        self.registry = registry;
        self
    }

    fn name_calls(&self, r: &mut Registry) {
        let seconds = "Tool call duration in seconds";
        name(
            r,
            "exai_requests",
            "Tool calls ended",
            self.requests.clone(),
        );
        name(
            r,
            "exai_request_duration_seconds",
            seconds,
            self.durations.clone(),
        );
        name(
            r,
            "exai_errors",
            "Failures told to callers",
            self.errors.clone(),
        );
        name(
            r,
            "exai_cache_hits",
            "Answers from a cache",
            self.cache_hits.clone(),
        );
        name(
            r,
            "exai_in_flight",
            "Tool calls in flight",
            self.in_flight.clone(),
        );
        name(r, "exai_denials", "Denied requests", self.denials.clone());
        name(r, "exai_sessions", "MCP sessions", self.sessions.clone());
        let files = "What happened to stored files";
        name(r, "exai_files", files, self.files.clone());
        let bytes = "Bytes of files stored";
        name(r, "exai_file_bytes", bytes, self.file_bytes.clone());
        let resident = "Resident memory in bytes";
        name(
            r,
            "exai_process_resident_bytes",
            resident,
            self.resident.clone(),
        );
        name(
            r,
            "exai_open_fds",
            "Open descriptors",
            self.descriptors.clone(),
        );
    }

    fn name_dependencies(&self, r: &mut Registry) {
        let health = "1 healthy, 0.5 degraded, 0 unhealthy";
        let state = "0 closed, 1 open, 2 half-open";
        let failed = "Failed attempts at providers";
        name(
            r,
            "exai_provider_health",
            health,
            self.provider_health.clone(),
        );
        name(
            r,
            "exai_provider_errors",
            failed,
            self.provider_errors.clone(),
        );
        name(
            r,
            "exai_provider_requests",
            "Attempts",
            self.provider_requests.clone(),
        );
        name(r, "exai_breaker_state", state, self.breaker_state.clone());
        name(
            r,
            "exai_breaker_transitions",
            "Transitions",
            self.breaker_transitions.clone(),
        );
        name(
            r,
            "exai_failovers",
            "Failovers to another provider",
            self.failovers.clone(),
        );
        name(
            r,
            "exai_provider_tokens",
            "Tokens of answers; cached ones are part of input",
            self.provider_tokens.clone(),
        );
        name(
            r,
            "exai_provider_cost_usd",
            "Cost of answers in US dollars",
            self.provider_cost.clone(),
        );
        self.name_store(r);
    }

    fn name_store(&self, r: &mut Registry) {
        name(
            r,
            "exai_store_operation_seconds",
            "Store operation duration in seconds",
            self.store_seconds.clone(),
        );
        name(
            r,
            "exai_store_errors",
            "Failed store operations",
            self.store_errors.clone(),
        );
    }
}
