//! The real binary on free ports: health, identity, the checks before the protocol, the ending.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

#[path = "serving/conversing.rs"]
mod conversing;
#[path = "serving/credentials.rs"]
mod credentials;
#[path = "serving/ending.rs"]
mod ending;
#[path = "serving/faults.rs"]
mod faults;
#[path = "serving/health.rs"]
mod health;
#[path = "serving/limits.rs"]
mod limits;
#[path = "serving/looking.rs"]
mod looking;
#[path = "serving/pipe.rs"]
mod pipe;
#[path = "serving/process.rs"]
mod process;
#[path = "serving/protocol.rs"]
mod protocol;
#[path = "serving/providers.rs"]
mod providers;
#[path = "serving/reviews.rs"]
mod reviews;
#[path = "serving/strangers.rs"]
mod strangers;
#[path = "serving/tools.rs"]
mod tools;
#[path = "serving/upstream.rs"]
mod upstream;
