//! The judge judged: three histories a checker, edges of thresholds, mutations and properties.

mod answers;
mod benchmark;
mod catalogue;
mod concurrency;
mod engine;
mod failover;
mod mutation;
mod recovery;
mod security;
mod soak;
mod storage;
mod world;
