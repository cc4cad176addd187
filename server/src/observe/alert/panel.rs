//! The panels of the Grafana dashboard.

/// One panel.
pub(super) struct Panel {
    pub title: &'static str,
    pub kind: &'static str,
    pub unit: &'static str,
    /// Query and legend of each line.
    pub queries: &'static [(&'static str, &'static str)],
}

const fn series(
    title: &'static str,
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel {
        title,
        kind: "timeseries",
        unit,
        queries,
    }
}

pub(super) const PANELS: [Panel; 16] = [
    series(
        "Requests",
        "reqps",
        &[(
            "sum by (status) (rate(exai_requests_total{instance=~\"$instance\"}[1m]))",
            "{{status}}",
        )],
    ),
    series(
        "Latency",
        "s",
        &[
            (
                "histogram_quantile(0.95, sum by (le) (rate(exai_request_duration_seconds_bucket\
             {instance=~\"$instance\"}[5m])))",
                "p95",
            ),
            (
                "histogram_quantile(0.5, sum by (le) (rate(exai_request_duration_seconds_bucket\
             {instance=~\"$instance\"}[5m])))",
                "p50",
            ),
        ],
    ),
    series(
        "Errors by category",
        "short",
        &[(
            "sum by (category) (increase(exai_errors_total{instance=~\"$instance\"}[5m]))",
            "{{category}}",
        )],
    ),
    series(
        "In flight",
        "short",
        &[
            (
                "sum by (instance) (exai_in_flight{instance=~\"$instance\"})",
                "{{instance}}",
            ),
            (
                "sum by (instance) (exai_in_flight_limit{instance=~\"$instance\"})",
                "limit",
            ),
        ],
    ),
    series(
        "Connections and sessions",
        "short",
        &[
            (
                "sum(exai_connections{instance=~\"$instance\"})",
                "connections",
            ),
            ("sum(exai_sessions{instance=~\"$instance\"})", "sessions"),
        ],
    ),
    series(
        "Calls by tool",
        "reqps",
        &[(
            "sum by (tool) (rate(exai_requests_total{instance=~\"$instance\"}[5m]))",
            "{{tool}}",
        )],
    ),
    series(
        "Provider attempts",
        "reqps",
        &[(
            "sum by (provider, outcome) (rate(exai_provider_requests_total\
         {instance=~\"$instance\"}[5m]))",
            "{{provider}} {{outcome}}",
        )],
    ),
    series(
        "In flight at providers",
        "short",
        &[
            (
                "sum by (provider) (exai_provider_in_flight{instance=~\"$instance\"})",
                "{{provider}}",
            ),
            (
                "sum by (provider) (exai_provider_in_flight_limit{instance=~\"$instance\"})",
                "{{provider}} limit",
            ),
        ],
    ),
    series(
        "Provider latency p95",
        "s",
        &[(
            "histogram_quantile(0.95, sum by (le, provider) (rate(\
         exai_provider_request_duration_seconds_bucket{instance=~\"$instance\"}[5m])))",
            "{{provider}}",
        )],
    ),
    series(
        "Breakers: 0 closed, 1 open, 2 half-open",
        "short",
        &[
            (
                "max by (dependency) (exai_breaker_state{instance=~\"$instance\"})",
                "{{dependency}}",
            ),
            (
                "sum(increase(exai_failovers_total{instance=~\"$instance\"}[5m]))",
                "failovers, 5 min",
            ),
        ],
    ),
    series(
        "Store p95",
        "s",
        &[(
            "histogram_quantile(0.95, sum by (le, operation) \
         (rate(exai_store_operation_seconds_bucket{instance=~\"$instance\"}[5m])))",
            "{{operation}}",
        )],
    ),
    series(
        "Cache hits and misses",
        "reqps",
        &[
            (
                "sum by (cache) (rate(exai_cache_hits_total{instance=~\"$instance\"}[5m]))",
                "{{cache}} hit",
            ),
            (
                "sum by (cache) (rate(exai_cache_misses_total{instance=~\"$instance\"}[5m]))",
                "{{cache}} miss",
            ),
        ],
    ),
    series(
        "Denials",
        "short",
        &[(
            "sum by (reason) (increase(exai_denials_total{instance=~\"$instance\"}[5m])) > 0",
            "{{reason}}",
        )],
    ),
    series(
        "Memory",
        "bytes",
        &[(
            "sum by (instance) (exai_process_resident_bytes{instance=~\"$instance\"})",
            "{{instance}}",
        )],
    ),
    series(
        "Processor, memory, disk",
        "percentunit",
        &[
            (
                "max(exai_process_cpu_ratio{instance=~\"$instance\"})",
                "processor",
            ),
            (
                "max(exai_memory_used_ratio{instance=~\"$instance\"})",
                "memory",
            ),
            ("max(exai_disk_used_ratio{instance=~\"$instance\"})", "disk"),
        ],
    ),
    Panel {
        title: "Alerts that fire",
        kind: "table",
        unit: "short",
        queries: &[(
            "exai_alert_firing{instance=~\"$instance\"} > 0",
            "{{alert}} {{of}}",
        )],
    },
];
