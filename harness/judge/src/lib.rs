//! The judge: nouns, checkers and verdicts. Pure: no clock, disk, network or luck.
//!
//! Everything asked, answered, broken, healed, sampled or logged in a run is an [`Observation`].
//! A checker folds observations into a [`Finding`]; findings fold into criteria and claims.

pub mod bounds;
pub mod breaker_life;
pub mod checker;
pub mod claim;
pub mod conservation;
pub mod criterion;
pub mod crowding;
pub mod denial;
pub mod fault;
pub mod finding;
pub mod gate;
pub mod generator;
pub mod ground;
pub mod hex;
pub mod journal;
pub mod judge;
pub mod longest;
pub mod observation;
pub mod operation;
pub mod proof;
pub mod prose;
pub mod rate;
pub mod rate_window;
pub mod reaction;
pub mod recovery_time;
pub mod refusal;
pub mod run_key;
pub mod series;
pub mod shift;
pub mod slope;
pub mod tally;
pub mod thread_model;
pub mod timeline;
pub mod tracer;
pub mod units;
pub mod verdict;

pub use claim::Claims;
pub use criterion::{Criteria, Criterion};
pub use finding::Finding;
pub use judge::{Judgement, judge};
pub use observation::{Event, Observation};
pub use operation::{Call, Outcome, Transport};
pub use refusal::{Refusal, Why};
pub use run_key::RunKey;
pub use verdict::{Reason, Verdict};
