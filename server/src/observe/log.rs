//! JSON lines on stderr. Standard output belongs to the protocol.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging with a filter such as `info`.
///
/// # Errors
/// When the filter does not parse or logging was started before.
pub fn start(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .finish()
        .try_init()
        .map_err(|error| error.to_string())
}
