//! `exai stdio`: the protocol over standard input and output, one client, no listeners.
//!
//! Ends when the client closes the pipe or at a signal. Standard output carries the protocol alone.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::signals::Signals;
use super::{App, AppError, probes};
use crate::config::Config;
use crate::observe::probe;
use crate::transport::pipe;

/// Nobody scrapes a process of one client, and many of them share a machine.
const RARELY: Duration = Duration::from_secs(10);

pub(super) async fn serve(config: Config) -> Result<(), AppError> {
    let mut signals = Signals::listen()?;
    let app = App::build(config).await?;
    let ending = CancellationToken::new();
    let (router, watched) = (app.router.clone(), ending.clone());
    let watching = tokio::spawn(async move { router.watch(watched).await });
    let (parts, interval) = (probes::of(&app), app.config.health.interval.max(RARELY));
    let probing = tokio::spawn(probe::run(
        app.health.clone(),
        parts,
        interval,
        ending.clone(),
    ));
    let serving = pipe::stdio(app.toolbox.clone(), ending.clone());
    let served = tokio::select! {
        served = serving => served,
        _ = signals.next() => Ok(()),
    };
    ending.cancel();
    let _ = watching.await;
    let _ = probing.await;
    served.map_err(|error| AppError::theirs("stdio", error))
}
