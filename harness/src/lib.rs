//! The harness: rig, load, nemesis, evidence and reports.

pub mod canonical;
pub mod client;
pub mod clock;
pub mod doctor;
pub mod evidence;
pub mod history;
pub mod identity;
pub mod link;
pub mod load;
pub mod machine;
pub mod nemesis;
pub mod operation;
pub mod port;
pub mod probe;
pub mod process;
pub mod raw;
pub mod redis;
pub mod report;
pub mod runkey;
pub mod sample;
pub mod scratch;
pub mod server;
pub mod simulator;
pub mod supervisor;
pub mod token;
pub mod topology;
