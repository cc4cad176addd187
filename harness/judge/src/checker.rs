//! A checker folds a history into one finding. One file a criterion.

pub mod answers;
pub mod benchmark;
pub mod chaos;
pub mod concurrency;
pub mod failover;
pub mod power;
pub mod recovery;
pub mod security;
pub mod soak;
pub mod storage;
pub mod target;

use crate::criterion::{Criteria, Criterion, Missing};
use crate::finding::Finding;
use crate::ground::Ground;
use crate::journal::Journal;
use crate::observation::Event;
use crate::run_key::RunKey;

/// What a checker may know before the first observation.
#[derive(Clone, Copy)]
pub struct Brief<'a> {
    /// The catalogue.
    pub criteria: &'a Criteria,
    /// The criterion with the numbers of the run's profile.
    pub criterion: &'a Criterion,
    /// The run key.
    pub key: &'a RunKey,
    /// The run as a whole.
    pub ground: &'a Ground,
}

/// One observation as a checker sees it. A call comes once its provider requests are known.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// When, ns.
    pub at: u64,
    /// What.
    pub event: &'a Event,
    /// Whether it overlaps a fault of our own rig: it counts toward no floor and cannot alone
    /// carry a Fail.
    pub is_tainted: bool,
    /// The provider requests that open calls may refer to.
    pub journal: &'a Journal,
}

/// A fold over the history: no clock, disk, network or luck.
pub trait Checker {
    /// Takes one observation in.
    fn observe(&mut self, seen: &Seen<'_>);

    /// Concludes.
    ///
    /// # Errors
    /// The catalogue lacks a number.
    fn finish(self: Box<Self>) -> Result<Finding, Missing>;
}

/// Starts the checker of a criterion; None when there is none for that id.
///
/// # Errors
/// The catalogue lacks a number the checker needs.
pub fn start<'a>(brief: Brief<'a>) -> Result<Option<Box<dyn Checker + 'a>>, Missing> {
    let checker: Box<dyn Checker + 'a> = match brief.criterion.id.as_str() {
        "V.1" => Box::new(answers::Answers::start(brief)?),
        "V.2" => Box::new(recovery::Recovery::start(brief)?),
        "V.3" => Box::new(concurrency::Concurrency::start(brief)?),
        "V.4" => Box::new(storage::Storage::start(brief)?),
        "V.5" => Box::new(failover::Failover::start(brief)?),
        "V.5p" => Box::new(power::Power::start(brief)?),
        "V.6" => Box::new(security::Security::start(brief)?),
        "V.7" | "V.7m" => Box::new(soak::Soak::start(brief)?),
        "V.8g" | "V.8t" => Box::new(benchmark::Benchmark::start(brief)?),
        "chaos" => Box::new(chaos::Chaos::start(brief)?),
        "wire" | "security" | "panic" => Box::new(target::Family::start(brief)?),
        "load" => Box::new(target::Load::start(brief)),
        "clients" => Box::new(target::Clients::start(brief)),
        _ => return Ok(None),
    };
    Ok(Some(checker))
}
