//! What the server says about itself: logs, metrics, health, manifest, one id through them all.

pub mod correlation;
pub mod health;
pub mod log;
pub mod manifest;
pub mod metrics;
pub mod probe;
pub mod process;
pub mod stage;

pub use correlation::CorrelationId;
pub use health::{Health, Status};
pub use metrics::Metrics;
