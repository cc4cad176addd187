//! What is asked, again and again, of the parts of a running server.

use std::sync::Arc;

use super::App;
use crate::observe::health::{Report, Status};
use crate::observe::probe::{self, Asking, Probe};

/// One probe for each part of a running server.
pub(super) fn of(app: &App) -> Vec<Probe> {
    let store = app.store.clone();
    let toolbox = app.toolbox.clone();
    let mut probes = vec![
        probe::disk(&app.config.server.state_dir()),
        named("store", move || {
            let store = store.clone();
            Box::pin(async move { store_report(&store).await })
        }),
        named("in_flight", move || {
            let permits = toolbox.permits();
            let report = Report::new(Status::Healthy, "");
            let report = report
                .fact("current", permits.current())
                .fact("limit", permits.limit());
            Box::pin(async move { report })
        }),
    ];
    for row in app
        .router
        .providers()
        .into_iter()
        .filter(|row| row.registered)
    {
        let (router, name) = (Arc::clone(&app.router), row.name.clone());
        let ask = move || -> Asking {
            let report = router.report(&name);
            Box::pin(async move {
                report.unwrap_or_else(|| Report::new(Status::Unhealthy, "unknown provider"))
            })
        };
        probes.push(Probe {
            name: row.name,
            is_provider: true,
            ask: Arc::new(ask),
        });
    }
    probes
}

fn named(name: &str, ask: impl Fn() -> Asking + Send + Sync + 'static) -> Probe {
    Probe {
        name: name.to_owned(),
        is_provider: false,
        ask: Arc::new(ask),
    }
}

async fn store_report(store: &crate::store::Store) -> Report {
    let report = match store.probe().await {
        Ok(()) => Report::new(Status::Healthy, ""),
        Err(error) => {
            tracing::debug!(cause = %error, "store probe failed");
            Report::new(Status::Unhealthy, "the store does not answer")
        }
    };
    let report = report.fact("kind", store.kind());
    if store.kind() == "sqlite" {
        report.local()
    } else {
        report
    }
}
