//! Reports: one value built from findings and run facts, and one writer per format that reads
//! nothing else.
//!
//! [`model::Report::build`] folds [`build::Evidence`]; [`files::write`] writes every format.

pub mod blocker;
pub mod build;
pub mod charts;
pub mod facts;
pub mod files;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod model;
pub mod opening;
pub mod progress;
pub mod secrets;
pub mod series;
pub mod terminal;
pub mod wording;

#[cfg(test)]
mod tests;

pub use build::Evidence;
pub use model::Report;
