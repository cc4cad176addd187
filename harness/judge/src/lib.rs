//! The judge: nouns, checkers and verdicts. Pure: no clock, disk, network or luck.
//!
//! Everything asked, answered, broken, healed, sampled or logged in a run is an [`Observation`].
//! A checker folds observations into a [`Finding`]; findings fold into criteria and claims.

pub mod fault;
pub mod finding;
pub mod observation;
pub mod operation;
pub mod verdict;

pub use finding::Finding;
pub use observation::{Event, Observation};
pub use operation::{Call, Outcome, Transport};
pub use verdict::{Reason, Verdict};
