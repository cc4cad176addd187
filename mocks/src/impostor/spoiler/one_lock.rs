//! Saboteur 7: all calls behind one lock.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::{Before, Stage};
use crate::impostor::call::Call;

/// The lock.
#[derive(Default)]
pub struct Lock(Arc<Mutex<()>>);

impl Lock {
    /// A call is spoiled when it had to wait.
    pub async fn before(&self, stage: &Stage, call: &Call) -> Before {
        if call.tool().is_none() {
            return Before::Forward(None);
        }
        let lock = Arc::clone(&self.0);
        let _ = stage.trigger.due();
        let held = match Arc::clone(&lock).try_lock_owned() {
            Ok(held) => held,
            Err(_) => {
                stage.spoiled(call);
                lock.lock_owned().await
            }
        };
        Before::Forward(Some(held))
    }
}
