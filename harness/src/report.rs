//! Reports: one value built from findings and run facts, and one writer per format that reads
//! nothing else.
//!
//! In order: [`plots::Plots`] adds to the findings what only an eye needs, [`Report::build`] folds
//! [`Evidence`], [`files::write`] writes every format. [`progress`] is what is shown meanwhile.

pub mod blocker;
pub mod build;
pub mod charts;
pub mod facts;
pub mod files;
pub mod gap;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod model;
pub mod opening;
pub mod openmetrics;
pub mod plots;
pub mod progress;
pub mod sarif;
pub mod secrets;
pub mod series;
pub mod terminal;
pub mod wording;

#[cfg(test)]
pub(crate) mod tests;

pub use build::Evidence;
pub use model::Report;
