//! The catalogue: what is tried, on which ground, and the command line that runs it.

pub mod account;
pub mod advisories;
pub mod binaries;
pub mod catalogue;
pub mod chaos;
pub mod cli;
pub mod conclude;
pub mod drawing;
pub mod earlier;
pub mod facts;
pub mod ground;
pub mod hold_lock;
pub mod overrides;
#[cfg(test)]
mod published;
pub mod rules;
pub mod run;
pub mod saboteur;
pub mod screen;
pub mod selftest;
pub mod signal;
pub mod soak;
pub mod stage;
pub mod target;
pub mod vector;
pub mod workload;
