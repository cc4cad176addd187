//! The harness: rig, load, nemesis, evidence and reports.

pub mod clock;
pub mod history;
pub mod link;
pub mod port;
pub mod process;
