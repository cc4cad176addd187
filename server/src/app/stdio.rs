//! `exai stdio`: the protocol over standard input and output, one client, no listeners.
//!
//! Ends when the client closes the pipe, or at a signal, with a bounded wait for the models that
//! were asked before. Standard output carries the protocol alone.

use std::pin::pin;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::FusedFuture as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::signals::Signals;
use super::{App, AppError, probes};
use crate::config::Config;
use crate::observe::probe;
use crate::transport::pipe;

/// Nobody scrapes a process of one client, and many of them share a machine.
const RARELY: Duration = Duration::from_secs(10);

/// How long the calls that are cut may take to end and to say so.
const CUTTING: Duration = Duration::from_secs(1);

pub(super) async fn serve(config: Config) -> Result<(), AppError> {
    let mut signals = Signals::listen()?;
    let app = App::build(config).await?;
    let ending = CancellationToken::new();
    let background = spawn_background(&app, &ending);
    let serving = pipe::stdio(app.toolbox.clone(), ending.clone()).fuse();
    let mut serving = pin!(serving);
    let served = tokio::select! {
        served = &mut serving => Some(served),
        _ = signals.next() => None,
    };
    let (is_open, drain) = (served.is_none(), app.config.server.drain);
    let cut = async {
        if is_open {
            tokio::time::sleep(drain).await;
        } else {
            tokio::select! {
                () = tokio::time::sleep(app.config.server.linger) => {}
                _ = signals.next() => {}
            }
        }
        app.toolbox.cut();
        tokio::time::sleep(CUTTING).await;
    };
    let talking = async {
        if is_open {
            let _ = serving.as_mut().await;
        }
        std::future::pending().await
    };
    // Whoever closed the pipe may come back for an answer that is paid for.
    tokio::select! {
        () = app.toolbox.finish() => {}
        () = cut => {}
        () = talking => {}
    }
    ending.cancel();
    if !serving.is_terminated() {
        let _ = tokio::time::timeout(CUTTING, serving).await;
    }
    background.wait().await;
    let journal = app.toolbox.surroundings().journal.clone();
    let _ = tokio::task::spawn_blocking(move || journal.flush()).await;
    served
        .unwrap_or(Ok(()))
        .map_err(|error| AppError::theirs("stdio", error))
}

/// What goes on beside the protocol, until `ending`.
fn spawn_background(app: &App, ending: &CancellationToken) -> TaskTracker {
    let background = TaskTracker::new();
    let (router, watched) = (app.router.clone(), ending.clone());
    background.spawn(async move { router.watch(watched).await });
    let (parts, interval) = (probes::of(app), app.config.health.interval.max(RARELY));
    let (health, ended) = (app.health.clone(), ending.clone());
    background.spawn(probe::run(health, parts, interval, ended));
    background.spawn(app.files.clone().watch(ending.clone()));
    if let Some(keeper) = app.keeper.clone() {
        let pace = super::pace(&app.config, interval);
        background.spawn(keeper.run(pace, ending.clone()));
    }
    if let Some(exporting) = app.exporter(ending.clone()) {
        background.spawn(exporting);
    }
    background.close();
    background
}
