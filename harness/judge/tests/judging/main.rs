//! The judge judged: three histories a checker, edges of thresholds, mutations and properties.

mod answers;
mod catalogue;
mod concurrency;
mod failover;
mod recovery;
mod security;
mod storage;
mod world;
