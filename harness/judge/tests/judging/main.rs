//! The judge judged: three histories a checker, edges of thresholds, mutations and properties.

mod answers;
mod benchmark;
mod catalogue;
mod concurrency;
mod failover;
mod recovery;
mod security;
mod soak;
mod storage;
mod world;
