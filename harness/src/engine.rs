//! The container engine, spoken to through a leaf process of its own (`harness/containers`), so
//! that no build but that one carries an engine's client. This module starts nothing by itself.

mod life;
mod plan;
pub mod wire;
