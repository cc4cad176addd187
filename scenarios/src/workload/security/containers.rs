//! X6: the containers as their file has them, and as an engine runs them.

mod composition;
mod running;

use crate::stage::{Stage, Trouble};

/// Tries X6.
///
/// # Errors
/// When the engine does not tell what it runs.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    composition::try_all(stage);
    running::try_all(stage).await
}
