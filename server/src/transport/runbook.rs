//! The runbooks of the embedded alerts, so that a link on the dashboard leads somewhere. They are
//! the project's own pages and hold nothing of this server, so they need no token.

use axum::extract::Path;
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

/// Each alert's page by its id.
const PAGES: [(&str, &str); 22] = [
    (
        "not-ready",
        include_str!("../../../docs/runbooks/not-ready.md"),
    ),
    (
        "component-unhealthy",
        include_str!("../../../docs/runbooks/component-unhealthy.md"),
    ),
    (
        "breaker-open",
        include_str!("../../../docs/runbooks/breaker-open.md"),
    ),
    (
        "provider-failing",
        include_str!("../../../docs/runbooks/provider-failing.md"),
    ),
    (
        "error-ratio",
        include_str!("../../../docs/runbooks/error-ratio.md"),
    ),
    (
        "critical-errors",
        include_str!("../../../docs/runbooks/critical-errors.md"),
    ),
    (
        "high-errors",
        include_str!("../../../docs/runbooks/high-errors.md"),
    ),
    (
        "medium-errors",
        include_str!("../../../docs/runbooks/medium-errors.md"),
    ),
    (
        "slow-calls",
        include_str!("../../../docs/runbooks/slow-calls.md"),
    ),
    (
        "store-errors",
        include_str!("../../../docs/runbooks/store-errors.md"),
    ),
    (
        "dead-letters",
        include_str!("../../../docs/runbooks/dead-letters.md"),
    ),
    ("denials", include_str!("../../../docs/runbooks/denials.md")),
    (
        "denials-of-one-source",
        include_str!("../../../docs/runbooks/denials-of-one-source.md"),
    ),
    (
        "saturation",
        include_str!("../../../docs/runbooks/saturation.md"),
    ),
    (
        "permits-overdue",
        include_str!("../../../docs/runbooks/permits-overdue.md"),
    ),
    (
        "cpu-high",
        include_str!("../../../docs/runbooks/cpu-high.md"),
    ),
    (
        "memory-high",
        include_str!("../../../docs/runbooks/memory-high.md"),
    ),
    (
        "memory-full",
        include_str!("../../../docs/runbooks/memory-full.md"),
    ),
    (
        "memory-growth",
        include_str!("../../../docs/runbooks/memory-growth.md"),
    ),
    (
        "disk-high",
        include_str!("../../../docs/runbooks/disk-high.md"),
    ),
    (
        "disk-full",
        include_str!("../../../docs/runbooks/disk-full.md"),
    ),
    (
        "alerts-undelivered",
        include_str!("../../../docs/runbooks/alerts-undelivered.md"),
    ),
];

/// The page of a name such as `breaker-open.md`.
pub async fn show(Path(name): Path<String>) -> impl IntoResponse {
    let id = name.strip_suffix(".md");
    let page = PAGES.iter().find(|(known, _)| Some(*known) == id);
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    match page {
        Some((_, text)) => (StatusCode::OK, headers, *text),
        None => (
            StatusCode::NOT_FOUND,
            headers,
            "There is no such runbook.\n",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::alert::rows;

    #[test]
    fn every_embedded_alert_has_its_runbook() {
        for row in rows("").unwrap() {
            let page = PAGES.iter().find(|(id, _)| *id == row.id);
            assert!(page.is_some_and(|(_, text)| text.len() > 100), "{}", row.id);
        }
    }
}
