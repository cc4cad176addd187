//! The router turns one question into one answer: candidates, attempts, failover, trace.

pub mod ask;
