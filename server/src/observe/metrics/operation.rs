//! What an operator needs beside the documented names: the process, the parts it depends on, and
//! the alerts.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::sources::Sources;
use super::{Labels, Metrics, SECONDS, Spans, label};
use crate::failure::Severity;

type Share = Gauge<f64, AtomicU64>;

/// Every family of this file, as in [`super::registration::FAMILIES`].
pub(super) const FAMILIES: [(&str, &str); 23] = [
    ("exai_alert_firing", "gauge"),
    ("exai_alert_deliveries", "counter"),
    ("exai_archive_dead_letters", "gauge"),
    ("exai_archive_waiting", "gauge"),
    ("exai_cache_misses", "counter"),
    ("exai_component_health", "gauge"),
    ("exai_connections", "gauge"),
    ("exai_denials_of_one_source", "gauge"),
    ("exai_disk_used_ratio", "gauge"),
    ("exai_in_flight_limit", "gauge"),
    ("exai_log_lines_lost", "counter"),
    ("exai_memory_growth_bytes_per_hour", "gauge"),
    ("exai_memory_used_ratio", "gauge"),
    ("exai_permits_overdue", "gauge"),
    ("exai_process_cpu_ratio", "gauge"),
    ("exai_process_cpu_seconds", "counter"),
    ("exai_process_start_time_seconds", "gauge"),
    ("exai_provider_request_duration_seconds", "histogram"),
    ("exai_ready", "gauge"),
    ("exai_severity_errors", "counter"),
    ("exai_slow_calls_in_a_row", "gauge"),
    ("exai_tasks", "gauge"),
    ("exai_telemetry_exports", "counter"),
];

/// Above this a call is slow.
const SLOW: Duration = Duration::from_secs(5);

pub(super) struct Operation {
    alert_firing: Family<Labels, Gauge>,
    alert_deliveries: Family<Labels, Counter>,
    archive_dead_letters: Gauge,
    archive_waiting: Gauge,
    cache_misses: Family<Labels, Counter>,
    component_health: Family<Labels, Share>,
    connections: Gauge,
    denials_of_one: Gauge,
    pub(super) sources: Sources,
    disk_used: Share,
    in_flight_limit: Gauge,
    log_lines_lost: Counter,
    memory_growth: Share,
    memory_used: Share,
    permits_overdue: Gauge,
    cpu_ratio: Share,
    cpu_seconds: Counter<f64, AtomicU64>,
    start_time: Share,
    provider_seconds: Spans<Histogram>,
    ready: Gauge,
    severity_errors: Family<Labels, Counter>,
    slow_calls: Gauge,
    pub(super) tasks: Gauge,
    telemetry_exports: Family<Labels, Counter>,
}

impl Default for Operation {
    fn default() -> Self {
        let operation = Self {
            alert_firing: Family::default(),
            alert_deliveries: Family::default(),
            archive_dead_letters: Gauge::default(),
            archive_waiting: Gauge::default(),
            cache_misses: Family::default(),
            component_health: Family::default(),
            connections: Gauge::default(),
            denials_of_one: Gauge::default(),
            sources: Sources::default(),
            disk_used: Share::default(),
            in_flight_limit: Gauge::default(),
            log_lines_lost: Counter::default(),
            memory_growth: Share::default(),
            memory_used: Share::default(),
            permits_overdue: Gauge::default(),
            cpu_ratio: Share::default(),
            cpu_seconds: Counter::default(),
            start_time: Share::default(),
            provider_seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            ready: Gauge::default(),
            severity_errors: Family::default(),
            slow_calls: Gauge::default(),
            tasks: Gauge::default(),
            telemetry_exports: Family::default(),
        };
        for severity in Severity::ALL {
            let labels = label(&[("severity", severity.name())]);
            drop(operation.severity_errors.get_or_create(&labels));
        }
        // Prometheus sees no increase in a series that begins at one.
        for outcome in ["delivered", "retried", "lost"] {
            let labels = label(&[("outcome", outcome)]);
            drop(operation.alert_deliveries.get_or_create(&labels));
        }
        operation
    }
}

impl Operation {
    /// Brings the gauge up to the moment of a scrape.
    pub(super) fn note_sources(&self, now: Instant) {
        let most = i64::try_from(self.sources.most(now)).unwrap_or(i64::MAX);
        self.denials_of_one.set(most);
    }

    pub(super) fn register(&self, r: &mut Registry) {
        r.register(
            "exai_alert_firing",
            "1 while an alert fires",
            self.alert_firing.clone(),
        );
        r.register(
            "exai_alert_deliveries",
            "Alerts sent to the webhook, by outcome",
            self.alert_deliveries.clone(),
        );
        r.register(
            "exai_cache_misses",
            "Questions that a cache had no answer to",
            self.cache_misses.clone(),
        );
        r.register(
            "exai_component_health",
            "1 healthy, 0.5 degraded, 0 unhealthy",
            self.component_health.clone(),
        );
        r.register(
            "exai_connections",
            "Open connections",
            self.connections.clone(),
        );
        r.register(
            "exai_denials_of_one_source",
            "Denials in the last minute of the address that has most",
            self.denials_of_one.clone(),
        );
        r.register(
            "exai_disk_used_ratio",
            "Used share of the state folder's disk",
            self.disk_used.clone(),
        );
        r.register(
            "exai_in_flight_limit",
            "Tool calls that may be in flight",
            self.in_flight_limit.clone(),
        );
        r.register(
            "exai_log_lines_lost",
            "Lines that could not be written to the call log",
            self.log_lines_lost.clone(),
        );
        self.register_process(r);
        self.register_service(r);
    }

    fn register_process(&self, r: &mut Registry) {
        r.register(
            "exai_memory_growth_bytes_per_hour",
            "Trend of resident memory",
            self.memory_growth.clone(),
        );
        r.register(
            "exai_memory_used_ratio",
            "Resident memory as a share of its limit",
            self.memory_used.clone(),
        );
        r.register(
            "exai_permits_overdue",
            "Permits held for longer than any call may take",
            self.permits_overdue.clone(),
        );
        r.register(
            "exai_process_cpu_ratio",
            "Share of the cores in use",
            self.cpu_ratio.clone(),
        );
        r.register(
            "exai_process_cpu_seconds",
            "Processor time used",
            self.cpu_seconds.clone(),
        );
        r.register(
            "exai_process_start_time_seconds",
            "Start of the process, Unix time",
            self.start_time.clone(),
        );
    }

    fn register_service(&self, r: &mut Registry) {
        r.register(
            "exai_archive_dead_letters",
            "Copies that the archive cannot keep",
            self.archive_dead_letters.clone(),
        );
        r.register(
            "exai_archive_waiting",
            "Copies that wait for the archive",
            self.archive_waiting.clone(),
        );
        r.register(
            "exai_provider_request_duration_seconds",
            "Attempt duration in seconds",
            self.provider_seconds.clone(),
        );
        r.register(
            "exai_ready",
            "1 while this instance is in service",
            self.ready.clone(),
        );
        r.register(
            "exai_severity_errors",
            "Failures told to callers, by severity",
            self.severity_errors.clone(),
        );
        r.register(
            "exai_slow_calls_in_a_row",
            "Calls over 5 s since the last faster one",
            self.slow_calls.clone(),
        );
        r.register(
            "exai_tasks",
            "Tasks that have begun and not ended",
            self.tasks.clone(),
        );
        r.register(
            "exai_telemetry_exports",
            "Batches sent to the telemetry receiver",
            self.telemetry_exports.clone(),
        );
    }
}

/// One open connection, until dropped.
#[derive(Debug)]
pub struct Connected(Metrics);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.0.operation.connections.dec();
    }
}

impl Metrics {
    /// A connection was opened.
    #[must_use]
    pub fn connected(&self) -> Connected {
        self.0.operation.connections.inc();
        Connected(self.clone())
    }

    /// A cache was asked in vain.
    pub fn cache_miss(&self, cache: &str) {
        let misses = &self.0.operation.cache_misses;
        misses.get_or_create(&label(&[("cache", cache)])).inc();
    }

    /// An attempt at a provider took so long.
    pub fn provider_seconds(&self, provider: &str, elapsed: Duration) {
        let spans = &self.0.operation.provider_seconds;
        let labels = label(&[("provider", provider)]);
        spans.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }

    /// A caller was told of a failure as bad as this.
    pub(super) fn severity(&self, severity: Severity) {
        let errors = &self.0.operation.severity_errors;
        errors
            .get_or_create(&label(&[("severity", severity.name())]))
            .inc();
    }

    /// A call took so long.
    pub(super) fn note_pace(&self, elapsed: Duration) {
        let slow = &self.0.operation.slow_calls;
        if elapsed > SLOW {
            slow.inc();
        } else {
            slow.set(0);
        }
    }

    /// A part's health: 1 healthy, 0.5 degraded, 0 unhealthy.
    pub fn component_health(&self, component: &str, value: f64) {
        let health = &self.0.operation.component_health;
        health
            .get_or_create(&label(&[("component", component)]))
            .set(value);
    }

    /// Whether this instance is in service.
    pub fn ready(&self, is_ready: bool) {
        self.0.operation.ready.set(is_ready.into());
    }

    /// How many calls may be in flight.
    pub fn in_flight_limit(&self, limit: usize) {
        self.0
            .operation
            .in_flight_limit
            .set(i64::try_from(limit).unwrap_or(i64::MAX));
    }

    /// When the process started, in seconds since 1970.
    pub fn start_time(&self, seconds: f64) {
        self.0.operation.start_time.set(seconds);
    }

    /// Shares of memory and disk in use, 0 to 1, and the trend of memory in bytes an hour.
    pub fn resources(&self, memory: f64, disk: f64, growth: f64) {
        self.0.operation.memory_used.set(memory);
        self.0.operation.disk_used.set(disk);
        self.0.operation.memory_growth.set(growth);
    }

    /// Processor time used in all, in seconds, and the share of all cores used lately.
    pub fn processor(&self, seconds: f64, ratio: f64) {
        let operation = &self.0.operation;
        let before = operation.cpu_seconds.get();
        operation.cpu_seconds.inc_by((seconds - before).max(0.0));
        operation.cpu_ratio.set(ratio);
    }

    /// Permits held for longer than any call may take.
    pub fn permits_overdue(&self, count: usize) {
        let overdue = &self.0.operation.permits_overdue;
        overdue.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Copies that wait for the archive, and those that it cannot keep.
    pub fn archive(&self, waiting: u64, dead_letters: u64) {
        let operation = &self.0.operation;
        for (gauge, count) in [
            (&operation.archive_waiting, waiting),
            (&operation.archive_dead_letters, dead_letters),
        ] {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// An alert began or ceased to fire.
    pub fn alert(&self, alert: &str, of: &str, severity: &str, is_firing: bool) {
        let labels = label(&[("alert", alert), ("of", of), ("severity", severity)]);
        let firing = &self.0.operation.alert_firing;
        firing.get_or_create(&labels).set(is_firing.into());
    }

    /// An alert was sent to the webhook, or was not; `outcome` is of a closed set.
    pub fn alert_delivery(&self, outcome: &str) {
        let deliveries = &self.0.operation.alert_deliveries;
        deliveries
            .get_or_create(&label(&[("outcome", outcome)]))
            .inc();
    }

    /// A batch was sent to the telemetry receiver, or was not.
    pub fn telemetry_export(&self, signal: &str, outcome: &str) {
        let exports = &self.0.operation.telemetry_exports;
        let labels = label(&[("signal", signal), ("outcome", outcome)]);
        exports.get_or_create(&labels).inc();
    }

    /// A line of the call log could not be written.
    pub fn log_line_lost(&self) {
        self.0.operation.log_lines_lost.inc();
    }

    /// Processor time noted last, in seconds.
    #[must_use]
    pub fn processor_seconds(&self) -> f64 {
        self.0.operation.cpu_seconds.get()
    }
}
