//! The judge judged: three histories a checker, edges of thresholds, mutations and properties.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a test builds itself is there; where it is not, the test should stop"
)]

mod answers;
mod benchmark;
mod breaker;
mod catalogue;
mod chaos;
mod claims;
mod concurrency;
mod conservation;
mod edges;
mod engine;
mod estimators;
mod failover;
mod folding;
mod generator;
mod ground;
mod journal;
mod lateness;
mod mutation;
mod power;
mod proof;
mod recovery;
mod security;
mod several;
mod soak;
mod storage;
mod target;
mod threads;
mod thresholds;
mod trials;
mod verdicts;
mod world;
