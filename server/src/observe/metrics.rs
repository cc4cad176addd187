//! Every `exai_*` metric, behind plain methods. Labels come from closed sets: tools, provider rows
//! and catalogue models, never from what a caller typed.

mod occupancy;
mod operation;
mod registration;
mod sources;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::process;
use crate::auth::denial::REASONS;
use crate::failure::{Category, Failure};
use crate::spending::Answered;
use occupancy::Occupancy;
use operation::Operation;
use registration::FAMILIES;

pub use occupancy::Occupied;
pub use operation::Connected;

/// Bucket bounds in seconds: fine below a tenth, then up to the longest thinking call.
const SECONDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 5.0, 10.0, 30.0, 120.0, 330.0,
];

type Labels = Vec<(&'static str, String)>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Trail {
    correlation_id: String,
}

type Spans<T> = Family<Labels, T, fn() -> T>;

/// How a tool call ended, for the `status` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallStatus {
    /// Answered.
    Ok,
    /// Failed with a typed error.
    Error,
    /// Cancelled by the caller.
    Cancelled,
}

impl CallStatus {
    /// The label's value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One finished tool call, as the metrics see it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The canonical tool name, or `unknown`.
    pub tool: &'a str,
    /// `http`, `stdio` or `websocket`.
    pub transport: &'a str,
    /// How it ended.
    pub status: CallStatus,
    /// How long it took.
    pub elapsed: Duration,
    /// Becomes the exemplar of the duration histogram.
    pub correlation_id: &'a str,
}

struct Inner {
    registry: Registry,
    requests: Family<Labels, Counter>,
    durations: Spans<HistogramWithExemplars<Trail>>,
    errors: Family<Labels, Counter>,
    provider_health: Family<Labels, Gauge<f64, AtomicU64>>,
    provider_errors: Family<Labels, Counter>,
    cache_hits: Family<Labels, Counter>,
    provider_requests: Family<Labels, Counter>,
    breaker_state: Family<Labels, Gauge>,
    breaker_transitions: Family<Labels, Counter>,
    failovers: Counter,
    provider_tokens: Family<Labels, Counter>,
    provider_cost: Family<Labels, Counter<f64, AtomicU64>>,
    in_flight: Gauge,
    store_seconds: Spans<Histogram>,
    store_errors: Counter,
    denials: Family<Labels, Counter>,
    resident: Gauge,
    descriptors: Gauge,
    sessions: Gauge,
    files: Family<Labels, Counter>,
    file_bytes: Counter,
    operation: Operation,
    occupancy: Occupancy,
}

/// A cheap handle on all metrics.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn label(pairs: &[(&'static str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect()
}

/// Every family's name, without a counter's `_total`, and type.
fn families() -> impl Iterator<Item = (&'static str, &'static str)> {
    let more = operation::FAMILIES.into_iter().chain(occupancy::FAMILIES);
    FAMILIES.into_iter().chain(more)
}

impl Metrics {
    /// All metrics at zero, each name registered.
    #[must_use]
    pub fn new() -> Self {
        let inner = Inner {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| {
                HistogramWithExemplars::new(SECONDS.into_iter())
            }),
            errors: Family::default(),
            provider_health: Family::default(),
            provider_errors: Family::default(),
            cache_hits: Family::default(),
            provider_requests: Family::default(),
            breaker_state: Family::default(),
            breaker_transitions: Family::default(),
            failovers: Counter::default(),
            provider_tokens: Family::default(),
            provider_cost: Family::default(),
            in_flight: Gauge::default(),
            store_seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            store_errors: Counter::default(),
            denials: Family::default(),
            resident: Gauge::default(),
            descriptors: Gauge::default(),
            sessions: Gauge::default(),
            files: Family::default(),
            file_bytes: Counter::default(),
            operation: Operation::default(),
            occupancy: Occupancy::default(),
        };
        for category in Category::ALL {
            drop(
                inner
                    .errors
                    .get_or_create(&label(&[("category", category.name())])),
            );
        }
        for reason in REASONS {
            drop(inner.denials.get_or_create(&label(&[("reason", reason)])));
        }
        Self(Arc::new(inner.registered()))
    }

    /// A tool call ended.
    pub fn request(&self, call: Call<'_>) {
        let status = call.status.name();
        let labels = [
            ("tool", call.tool),
            ("transport", call.transport),
            ("status", status),
        ];
        self.0.requests.get_or_create(&label(&labels)).inc();
        let trail = Trail {
            correlation_id: call.correlation_id.to_owned(),
        };
        let durations = self
            .0
            .durations
            .get_or_create(&label(&[("tool", call.tool)]));
        durations.observe(call.elapsed.as_secs_f64(), Some(trail), None);
        drop(durations);
        self.note_pace(call.elapsed);
    }

    /// A caller was told of a failure.
    pub fn failure(&self, failure: &Failure) {
        let category = label(&[("category", failure.category.name())]);
        self.0.errors.get_or_create(&category).inc();
        self.severity(failure.severity());
    }

    /// A provider's health: 1 healthy, 0.5 degraded, 0 unhealthy.
    pub fn provider_health(&self, provider: &str, value: f64) {
        self.0
            .provider_health
            .get_or_create(&label(&[("provider", provider)]))
            .set(value);
    }

    /// An attempt at a provider failed.
    pub fn provider_error(&self, provider: &str, category: Category) {
        let labels = [("provider", provider), ("category", category.name())];
        self.0.provider_errors.get_or_create(&label(&labels)).inc();
    }

    /// A cache answered.
    pub fn cache_hit(&self, cache: &str) {
        self.0
            .cache_hits
            .get_or_create(&label(&[("cache", cache)]))
            .inc();
    }

    /// An attempt at a provider ended; `outcome` is `ok` or a failure's code.
    pub fn provider_request(&self, provider: &str, model: &str, outcome: &str) {
        let labels = [
            ("provider", provider),
            ("model", model),
            ("outcome", outcome),
        ];
        self.0
            .provider_requests
            .get_or_create(&label(&labels))
            .inc();
    }

    /// A breaker's state: 0 closed, 1 open, 2 half-open.
    pub fn breaker_state(&self, dependency: &str, state: i64) {
        self.0
            .breaker_state
            .get_or_create(&label(&[("dependency", dependency)]))
            .set(state);
    }

    /// A breaker moved.
    pub fn breaker_transition(&self, dependency: &str, from: &str, to: &str) {
        let labels = [("dependency", dependency), ("from", from), ("to", to)];
        self.0
            .breaker_transitions
            .get_or_create(&label(&labels))
            .inc();
    }

    /// Another provider than the first choice answered or was tried.
    pub fn failover(&self) {
        self.0.failovers.inc();
    }

    /// A provider answered: its tokens and, where a price is known, its cost.
    pub fn usage(&self, answered: Answered<'_>) {
        let (provider, model) = (answered.provider, answered.model);
        let usage = answered.usage;
        for (kind, tokens) in [
            ("input", usage.input),
            ("output", usage.output),
            ("cached", usage.cached),
        ] {
            let labels = [("provider", provider), ("model", model), ("type", kind)];
            let counter = self.0.provider_tokens.get_or_create(&label(&labels));
            counter.inc_by(tokens);
        }
        if let Some(cost) = answered.cost_usd {
            let labels = [("provider", provider), ("model", model)];
            let counter = self.0.provider_cost.get_or_create(&label(&labels));
            counter.inc_by(cost);
        }
    }

    /// Calls in flight right now.
    pub fn in_flight(&self, calls: usize) {
        self.0
            .in_flight
            .set(i64::try_from(calls).unwrap_or(i64::MAX));
    }

    /// A store operation ended.
    pub fn store_operation(&self, operation: &str, elapsed: Duration) {
        let labels = label(&[("operation", operation)]);
        self.0
            .store_seconds
            .get_or_create(&labels)
            .observe(elapsed.as_secs_f64());
    }

    /// A store operation failed.
    pub fn store_error(&self) {
        self.0.store_errors.inc();
    }

    /// A call was denied; `reason` is the audit line's reason code, `source` the client's address
    /// as far as it counts as one.
    pub fn denial(&self, reason: &'static str, source: IpAddr) {
        self.0.operation.sources.note(source, Instant::now());
        self.0
            .denials
            .get_or_create(&label(&[("reason", reason)]))
            .inc();
    }

    /// Something happened to a stored file; `action` is of a closed set, such as `stored`.
    pub fn file(&self, action: &str) {
        let labels = label(&[("action", action)]);
        self.0.files.get_or_create(&labels).inc();
    }

    /// A file of this length was stored.
    pub fn file_bytes(&self, bytes: u64) {
        self.0.file_bytes.inc_by(bytes);
    }

    /// MCP sessions right now.
    pub fn sessions(&self, count: usize) {
        self.0
            .sessions
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// All metrics in the OpenMetrics text form, exemplars included.
    #[must_use]
    pub fn open_metrics(&self) -> String {
        let whole = |figure: u64| i64::try_from(figure).unwrap_or(i64::MAX);
        self.0.resident.set(whole(process::resident_bytes()));
        self.0.descriptors.set(whole(process::open_descriptors()));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let tasks = runtime.metrics().num_alive_tasks();
            self.0.operation.tasks.set(whole(tasks as u64));
        }
        self.0.operation.note_sources(Instant::now());
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut out, &self.0.registry);
        self.name_the_silent(&mut out);
        out
    }

    /// The encoder leaves out a family without samples; a scraper still learns its name and type.
    fn name_the_silent(&self, out: &mut String) {
        out.truncate(out.trim_end_matches("# EOF\n").len());
        for (name, kind) in families() {
            let header = format!("# TYPE {name} {kind}\n");
            if !out.contains(&header) {
                out.push_str(&header);
            }
        }
        out.push_str("# EOF\n");
    }

    /// All metrics in the plain Prometheus text form, which knows no exemplars and types a counter
    /// under its sample's name.
    #[must_use]
    pub fn prometheus(&self) -> String {
        let open = self.open_metrics();
        let counters: Vec<String> = families()
            .filter(|(_, kind)| *kind == "counter")
            .flat_map(|(name, _)| [format!("# TYPE {name} "), format!("# HELP {name} ")])
            .collect();
        let mut out = String::with_capacity(open.len());
        for line in open.lines().filter(|line| *line != "# EOF") {
            let plain = line.split_once(" # {").map_or(line, |(sample, _)| sample);
            match counters
                .iter()
                .find(|header| plain.starts_with(header.as_str()))
            {
                Some(header) => {
                    out.push_str(header.trim_end());
                    out.push_str("_total ");
                    out.push_str(plain.get(header.len()..).unwrap_or_default());
                }
                None => out.push_str(plain),
            }
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests;
