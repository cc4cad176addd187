//! Three sample runs through every writer, read back by parsers we did not write.

mod browser;
mod exported;
mod formats;
mod honesty;
mod page;
mod plots;
pub(crate) mod samples;
mod trend;
