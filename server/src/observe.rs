//! What the server says about itself: logs, metrics, health, manifest, one id through them all.

pub mod alert;
pub mod call_log;
pub mod correlation;
pub mod dashboard;
pub mod disk;
pub mod event;
pub mod health;
pub mod history;
pub mod log;
pub mod manifest;
pub mod metrics;
pub mod probe;
pub mod process;
pub mod stage;
pub mod telemetry;
pub mod trace;
pub mod trend;
pub mod watch;

pub use correlation::CorrelationId;
pub use health::{Health, Status};
pub use metrics::Metrics;
