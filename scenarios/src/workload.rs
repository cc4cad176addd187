//! What is done to the server for each criterion. A workload plans and performs; it judges nothing.

pub mod answers;
pub mod at_risk;
pub mod benchmark;
pub mod concurrency;
pub mod failover;
pub mod power;
pub mod reading;
pub mod recovery;
pub mod security;
pub mod soak;
pub mod storage;
