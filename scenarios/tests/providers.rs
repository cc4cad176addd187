//! Each provider against its strict simulator, from outside the process: what every provider must
//! do (the conformance suite), and what breakers, clocks and fallbacks do about one that fails.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test without its ground has failed"
)]

#[path = "providers/breakers.rs"]
mod breakers;
#[path = "providers/check.rs"]
mod check;
#[path = "providers/clocks.rs"]
mod clocks;
#[path = "providers/conformance.rs"]
mod conformance;
#[path = "providers/failover.rs"]
mod failover;
#[path = "providers/ground.rs"]
mod ground;
#[path = "providers/live.rs"]
mod live;
#[path = "providers/pins.rs"]
mod pins;
#[path = "providers/redis.rs"]
mod redis;
#[path = "providers/row.rs"]
mod row;
#[path = "providers/simulator.rs"]
mod simulator;
#[path = "providers/stand_in.rs"]
mod stand_in;
#[path = "providers/suite.rs"]
mod suite;
#[path = "providers/typed.rs"]
mod typed;
