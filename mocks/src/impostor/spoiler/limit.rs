//! Saboteur 22: a rate limit that is none, or one that refills ten times too slowly.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::response::Parts;

/// The two ways to spoil a limit.
pub enum RateLimited<'a> {
    /// A refusal is retried as other principals.
    Lifted(&'a Rotation),
    /// A caller once refused is mostly refused.
    Slowed(&'a Refused),
}

/// The principals tried in turn.
#[derive(Default)]
pub struct Rotation(AtomicUsize);

impl Rotation {
    /// The next token of a list; `None` for an empty one.
    pub fn next<'a>(&self, tokens: &'a [String]) -> Option<&'a str> {
        let turn = self.0.fetch_add(1, Ordering::Relaxed);
        tokens
            .get(turn.checked_rem(tokens.len())?)
            .map(String::as_str)
    }
}

/// A refusal as it was first seen, to be shown again.
#[derive(Clone)]
pub struct Refusal {
    /// Status and headers.
    pub parts: Parts,
    /// The body.
    pub body: Bytes,
}

/// Callers that were refused, with that refusal and the requests seen since.
#[derive(Default)]
pub struct Refused(Mutex<HashMap<String, (Refusal, u64)>>);

/// One request in this many passes once a caller was refused.
const ONE_IN: u64 = 10;

impl Refused {
    /// The refusal to show this caller instead of asking the server.
    pub fn instead(&self, caller: &str) -> Option<Refusal> {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (refusal, seen) = refused.get_mut(caller)?;
        *seen += 1;
        (!seen.is_multiple_of(ONE_IN)).then(|| refusal.clone())
    }

    /// Remembers a caller's first refusal.
    pub fn remember(&self, caller: &str, refusal: Refusal) {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.entry(caller.to_owned()).or_insert((refusal, 0));
    }
}
