//! The container engine, spoken to through a leaf process of its own (`harness/containers`), so
//! that no build but that one carries an engine's client.

mod berth;
mod container;
pub mod form;
mod leaf;
mod life;
mod ping;
mod plan;
pub mod wire;

pub(crate) use berth::pairs;
pub use berth::{Berth, Greet, Tenant};
pub use container::Container;
pub use leaf::{Engine, EngineError};
pub use ping::ping;
