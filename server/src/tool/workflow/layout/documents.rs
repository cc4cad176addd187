//! Documentation file by file: a count that must be reached, and the notes made on the way.

use std::fmt::Write as _;

use crate::failure::Failure;
use crate::tool::workflow::brief;
use crate::tool::workflow::state::{State, Step};

/// What can be asked for, with the words for it.
const WISHES: [(&str, &str); 4] = [
    ("document_complexity", "running time and memory"),
    ("document_flow", "callers and callees"),
    ("update_existing", "corrections of what is there"),
    (
        "comments_on_complex_logic",
        "comments in difficult passages",
    ),
];

/// Files finished, and files in all.
pub(super) fn count(step: &Step) -> (u32, u32) {
    let number = |name: &str| step.whole(name).unwrap_or(0);
    (
        number("num_files_documented"),
        number("total_files_to_document"),
    )
}

pub(super) fn check(step: &Step) -> Result<(), Failure> {
    let (done, all) = count(step);
    if done <= all {
        return Ok(());
    }
    let message = format!(
        "/num_files_documented is {done} and total_files_to_document {all}. Raise the total, or \
         count a file only once."
    );
    Err(Failure::validation("/num_files_documented", message))
}

pub(super) fn unfinished(step: &Step) -> Option<String> {
    let (done, all) = count(step);
    (done < all).then(|| format!("{done} of {all} files are documented"))
}

pub(super) fn document(state: &State) -> String {
    let (done, all) = state.steps.last().map_or((0, 0), count);
    let mut out = format!("# Documentation: {done} of {all} files");
    let wishes: Vec<&str> = WISHES
        .iter()
        .filter(|(name, _)| state.steps.last().is_some_and(|step| step.flag(name)))
        .map(|(_, words)| *words)
        .collect();
    if !wishes.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n\nAsked for: {}.", wishes.join(", "));
    }
    out.push_str("\n\n");
    out.push_str(&brief::collected(state));
    out
}
