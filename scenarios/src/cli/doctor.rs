//! `verify doctor`: is this machine fit to judge on?

use exai_harness::doctor;
use exai_judge::verdict::Exit;
use serde_json::json;

use super::arguments::DoctorArguments;
use super::{Ending, print};
use crate::binaries;

/// Prints what was found and what to do. Missing things make criteria Inconclusive, not this.
///
/// # Errors
/// None today; the signature is that of every command.
pub fn doctor(arguments: &DoctorArguments) -> Result<Exit, Ending> {
    let rows = doctor::look(&binaries::reports());
    if arguments.json {
        print(&json!({"schema": "exai-verify-doctor/1", "rows": rows}).to_string());
    } else {
        doctor::lines(&rows).iter().for_each(|line| print(line));
    }
    Ok(Exit::Pass)
}
