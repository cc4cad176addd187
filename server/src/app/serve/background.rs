//! What runs beside the listeners until the end.

use std::sync::Arc;

use super::super::reload::Reloading;
use super::super::{App, heap, probes};
use super::Running;
use crate::observe::alert::webhook::Webhook;
use crate::observe::probe;
use crate::transport::gate::Gate;
use crate::transport::rate::together;

/// Holds the rates of several instances together, where there may be several.
pub(super) fn hold_rates(app: &App, gate: &Gate, running: &Running) {
    if let Some(shared) = app.store.shared() {
        let (rates, ending) = (Arc::clone(&gate.rates), running.ending.clone());
        running
            .background
            .spawn(together::keep(rates, shared, gate.epoch, ending));
    }
}

/// Spawns it all.
pub(super) fn spawn(app: &App, reloading: Reloading, running: &Running) {
    let interval = app.config.health.interval;
    let probing = probe::run(
        app.health.clone(),
        probes::of(app),
        interval,
        running.ending.clone(),
    );
    running.background.spawn(probing);
    let watching = app.watch.clone().run(interval, running.ending.clone());
    if let Some(url) = app.config.alerts.webhook() {
        let webhook = Webhook {
            url,
            instance: app.identity.instance().into(),
            metrics: app.metrics.clone(),
        };
        let telling = webhook.run(app.watch.turned(), running.ending.clone());
        running.background.spawn(telling);
    }
    if let Some(exporting) = app.exporter(running.ending.clone()) {
        running.background.spawn(exporting);
    }
    running.background.spawn(watching);
    running.background.spawn(heap::trim(running.ending.clone()));
    let cleaning = app.files.clone().watch(running.ending.clone());
    running.background.spawn(cleaning);
    if let Some(keeper) = app.keeper.clone() {
        let pace = super::super::pace(&app.config, interval);
        running
            .background
            .spawn(keeper.run(pace, running.ending.clone()));
    }
    let (router, ending) = (Arc::clone(&app.router), running.ending.clone());
    running
        .background
        .spawn(async move { router.watch(ending).await });
    let jwt = &app.config.auth.jwt;
    let spans = (jwt.jwks_refresh, jwt.jwks_stale);
    let remote = reloading.remote.clone();
    let fetching = remote.watch(spans, app.health.clone(), running.ending.clone());
    running.background.spawn(fetching);
    running
        .background
        .spawn(reloading.run(running.ending.clone()));
    running.background.close();
}
