//! The simulators over real sockets: healthy replies, refusals, faults as a raw client and as
//! reqwest see them, the journal's completeness, and the process itself.

#![expect(
    clippy::unwrap_used,
    reason = "a test may fail by panicking, its rig too"
)]

#[path = "simulator/closed.rs"]
mod closed;
#[path = "simulator/faults.rs"]
mod faults;
#[path = "simulator/files.rs"]
mod files;
#[path = "simulator/healthy.rs"]
mod healthy;
#[path = "simulator/process.rs"]
mod process;
#[path = "simulator/rig.rs"]
mod rig;
