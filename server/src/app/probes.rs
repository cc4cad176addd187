//! The questions that health is made of: one to each part of a running server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{App, heap};
use crate::archive::{Fault, Keeper};
use crate::observe::health::{Report, Status};
use crate::observe::probe::{self, Asking, Probe};
use crate::observe::process;
use crate::store::Store;
use crate::tool::Toolbox;
use crate::tool::room::Room;

/// One probe a part.
pub(super) fn of(app: &App) -> Vec<Probe> {
    let (store, toolbox, metrics) = (app.store.clone(), app.toolbox.clone(), app.metrics.clone());
    let memory = Memory {
        toolbox: toolbox.clone(),
        purges: Arc::new(AtomicU64::new(u64::MAX)),
    };
    let mut probes = vec![
        probe::disk(&app.config.server.state_dir()),
        probe("store", move || {
            let (store, memory) = (store.clone(), memory.clone());
            Box::pin(async move {
                memory.follow(&store).await;
                store_report(&store).await
            })
        }),
        probe("in_flight", move || {
            let permits = toolbox.permits();
            let overdue = toolbox.permits_overdue();
            metrics.permits_overdue(overdue);
            let report = match overdue {
                0 => Report::new(Status::Healthy, ""),
                n => Report::new(Status::Degraded, format!("{n} permits were not given back")),
            };
            let report = report
                .fact("current", permits.current())
                .fact("limit", permits.limit());
            Box::pin(async move { report })
        }),
    ];
    probes.push(room_in_memory(app.toolbox.room().clone()));
    probes.push(archive(app));
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

/// Asks the archive, and shows what waits for it and what it cannot keep.
fn archive(app: &App) -> Probe {
    let (keeper, queue) = (app.keeper.clone(), app.config.archive.queue);
    let metrics = app.metrics.clone();
    probe("archive", move || {
        let (keeper, metrics) = (keeper.clone(), metrics.clone());
        Box::pin(async move {
            let report = archive_report(keeper.as_ref(), queue.into()).await;
            if let Some(keeper) = &keeper {
                metrics.archive(keeper.waiting(), keeper.buried());
            }
            report
        })
    })
}

/// Looks whether there is room for calls; where there is none, free memory goes back at once.
fn room_in_memory(room: Room) -> Probe {
    probe("memory", move || {
        let report = room.look(process::own_bytes());
        let is_short = room.is_short();
        Box::pin(async move {
            if is_short {
                // Its own thread: it walks all heaps.
                drop(tokio::task::spawn_blocking(heap::give_back).await);
            }
            report
        })
    })
}

fn probe(name: &str, ask: impl Fn() -> Asking + Send + Sync + 'static) -> Probe {
    Probe {
        name: name.to_owned(),
        is_provider: false,
        ask: Arc::new(ask),
    }
}

/// What this process holds in memory of what callers said.
#[derive(Clone)]
struct Memory {
    toolbox: Toolbox,
    /// Purges seen; `u64::MAX` before the first look.
    purges: Arc<AtomicU64>,
}

impl Memory {
    /// Forgets everything when something was purged from the store since the last look.
    async fn follow(&self, store: &Store) {
        let Ok(purges) = store.purges().await else {
            return;
        };
        let seen = self.purges.swap(purges, Ordering::AcqRel);
        if seen != u64::MAX && seen != purges {
            tracing::info!("forgetting kept answers: something was purged");
            self.toolbox.forget();
        }
    }
}

async fn archive_report(keeper: Option<&Keeper>, queue: u64) -> Report {
    let Some(keeper) = keeper else {
        return Report::new(Status::Healthy, "").fact("enabled", false);
    };
    let report = match keeper.look().await {
        Ok(()) if keeper.waiting() >= queue => Report::new(
            Status::Unhealthy,
            "the queue is full: exchanges are not copied any more",
        ),
        Ok(()) => Report::new(Status::Healthy, ""),
        // Nothing can be said of tables that are not ours, so no traffic either.
        Err(Fault::Schema(why)) => Report::new(Status::Unhealthy, why).local(),
        Err(error) => {
            tracing::debug!(cause = %error, "archive probe failed");
            Report::new(
                Status::Unhealthy,
                "the archive does not answer; copies wait",
            )
        }
    };
    report
        .fact("enabled", true)
        .fact("kind", keeper.archive().kind())
        .fact("waiting", keeper.waiting())
        .fact("dead_letters", keeper.buried())
}

async fn store_report(store: &Store) -> Report {
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
