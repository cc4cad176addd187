//! Saboteur 23: every request leaves memory behind, in a process of the server's tree.

use std::sync::{Mutex, PoisonError};

use super::{Before, Stage};
use crate::impostor::call::Call;

/// What is never given back.
#[derive(Default)]
pub struct Kept(Mutex<Vec<Vec<u8>>>);

impl Kept {
    pub fn before(&self, stage: &Stage, call: &Call) -> Before {
        if stage.trigger.due().is_some() {
            // Written to, not only reserved: untouched pages would not be resident.
            let bytes = vec![0xa5; stage.params.leak_bytes];
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(bytes);
            stage.spoiled(call);
        }
        Before::Forward(None)
    }
}
