//! The run key and fresh tracers, both from the operating system's generator. The printed seed
//! never touches them: two runs with one seed share no tracer.

use std::sync::{Mutex, PoisonError};

use exai_judge::{RunKey, tracer};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("could not draw random bytes: {0}")]
pub struct NoRandomness(getrandom::Error);

/// Draws the key of a run.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn draw() -> Result<RunKey, NoRandomness> {
    Ok(RunKey::new(bytes()?))
}

fn bytes() -> Result<[u8; 32], NoRandomness> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes)
}

/// A source of tracers of one run, and of other values nobody may guess.
pub struct Tracers {
    key: RunKey,
    random: Mutex<ChaCha20Rng>,
}

impl Tracers {
    /// A source under `key`, seeded by the operating system.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new(key: RunKey) -> Result<Self, NoRandomness> {
        let random = Mutex::new(ChaCha20Rng::from_seed(bytes()?));
        Ok(Self { key, random })
    }

    /// A tracer never given before.
    #[must_use]
    pub fn issue(&self) -> String {
        tracer::issue(&self.key, &self.draw())
    }

    /// 128 random bits in hexadecimal, such as an idempotency key or a site needle.
    #[must_use]
    pub fn token(&self) -> String {
        exai_judge::hex::encode(&self.draw()[..16])
    }

    fn draw(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn tracers_are_genuine_and_never_repeat() {
        let key = draw().unwrap();
        let tracers = Tracers::new(key.clone()).unwrap();
        let issued: BTreeSet<String> = (0..500).map(|_| tracers.issue()).collect();
        assert_eq!(issued.len(), 500);
        assert!(issued.iter().all(|issued| tracer::is_genuine(&key, issued)));
        assert!(
            !issued
                .iter()
                .any(|issued| tracer::is_genuine(&draw().unwrap(), issued))
        );
    }
}
