//! The catalogue: what is tried, on which ground, and the command line that runs it.

pub mod binaries;
pub mod cli;
pub mod saboteur;
pub mod vector;
