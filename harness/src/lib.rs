//! The harness: rig, load, nemesis, evidence and reports.

pub mod history;
