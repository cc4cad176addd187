//! `exai bridge`: standard input and output at a daemon's WebSocket. No tools, store or listener.

use tokio_util::sync::CancellationToken;

use super::AppError;
use super::signals::Signals;
use crate::bridge::courier::Courier;
use crate::bridge::dial::Target;
use crate::config::Config;

pub(super) async fn serve(config: Config) -> Result<(), AppError> {
    let mut signals = Signals::listen()?;
    let target = Target::of(&config).map_err(|error| AppError::theirs("bridge", error))?;
    let courier = Courier::of(&config, target.clone());
    let courier = courier.map_err(|error| AppError::theirs("bridge", error))?;
    let ending = CancellationToken::new();
    let pipes = (tokio::io::stdin(), tokio::io::stdout());
    let serving = crate::bridge::run(config.bridge, (target, courier), pipes, ending);
    let served = tokio::select! {
        served = serving => served,
        _ = signals.next() => Ok(()),
    };
    match served {
        // A client that no longer reads has gone.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(AppError::theirs("bridge", error))
        }
        _ => Ok(()),
    }
}
