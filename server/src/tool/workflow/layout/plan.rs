//! A plan: steps in order, each in its newest wording, alternatives as branches.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::failure::Failure;
use crate::tool::workflow::state::{State, Step};

pub(super) fn check(before: &State, step: &Step) -> Result<(), Failure> {
    let (revises, opens) = (revised(step), step.flag("is_branch_point"));
    if step.flag("is_step_revision") && revises.is_none() {
        return refuse("revises_step_number", "is required with is_step_revision");
    }
    if revises.is_some() && opens {
        let says = "cannot be true in a step that revises another";
        return refuse("is_branch_point", says);
    }
    if let Some(number) = revises {
        must_exist(before, "revises_step_number", number)?;
    }
    let (from, branch) = (step.whole("branch_from_step"), step.text("branch_id"));
    if opens && from.is_none() {
        return refuse("branch_from_step", "is required with is_branch_point");
    }
    if opens && branch.is_none() {
        return refuse("branch_id", "is required with is_branch_point");
    }
    if let Some(number) = from {
        must_exist(before, "branch_from_step", number)?;
    }
    match branch {
        Some(branch) if !opens && !branches(before).contains_key(branch) => {
            let says = "names no branch; open it with is_branch_point and branch_from_step";
            refuse("branch_id", says)
        }
        Some(branch) if opens && branches(before).contains_key(branch) => {
            refuse("branch_id", "names a branch that is open already")
        }
        _ => Ok(()),
    }
}

fn must_exist(before: &State, name: &str, number: u32) -> Result<(), Failure> {
    if before.steps.iter().any(|step| step.number == number) {
        return Ok(());
    }
    let held: Vec<String> = before.steps.iter().map(|s| s.number.to_string()).collect();
    let held = if held.is_empty() {
        "none yet".to_owned()
    } else {
        held.join(", ")
    };
    refuse(
        name,
        &format!("names no step of this plan (there is: {held})"),
    )
}

fn refuse(name: &str, says: &str) -> Result<(), Failure> {
    Err(Failure::validation(
        format!("/{name}"),
        format!("/{name} {says}."),
    ))
}

pub(super) fn unfinished(step: &Step) -> Option<String> {
    step.flag("more_steps_needed")
        .then(|| "more_steps_needed is true".to_owned())
}

/// The step this one replaces.
fn revised(step: &Step) -> Option<u32> {
    step.whole("revises_step_number")
        .filter(|_| step.flag_or("is_step_revision", true))
}

/// Each branch and the step it departs from.
fn branches(state: &State) -> BTreeMap<&str, u32> {
    let opened = state.steps.iter().filter(|s| s.flag("is_branch_point"));
    opened
        .filter_map(|step| Some((step.text("branch_id")?, step.whole("branch_from_step")?)))
        .collect()
}

pub(super) fn document(state: &State) -> String {
    // A revision of a revision is one of the first wording.
    let mut origin: BTreeMap<u32, u32> = BTreeMap::new();
    let mut newest: BTreeMap<u32, &Step> = BTreeMap::new();
    let mut earlier: Vec<&Step> = Vec::new();
    for step in &state.steps {
        let target = revised(step).map_or(step.number, |number| {
            origin.get(&number).copied().unwrap_or(number)
        });
        origin.insert(step.number, target);
        earlier.extend(newest.insert(target, step));
    }
    let branch_of = |number: u32| {
        let step = state.steps.iter().find(|step| step.number == number);
        step.and_then(|step| step.text("branch_id"))
    };
    let mut out = "# Plan".to_owned();
    for (number, step) in newest.iter().filter(|(n, _)| branch_of(**n).is_none()) {
        write_step(&mut out, "##", *number, step);
    }
    for (branch, from) in branches(state) {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n\n## Branch {branch} (from step {from})");
        for (number, step) in newest
            .iter()
            .filter(|(n, _)| branch_of(**n) == Some(branch))
        {
            write_step(&mut out, "###", *number, step);
        }
    }
    if !earlier.is_empty() {
        out.push_str("\n\n## Earlier wordings");
        for step in earlier {
            let number = origin.get(&step.number).copied().unwrap_or(step.number);
            write_step(&mut out, "###", number, step);
        }
    }
    out
}

fn write_step(out: &mut String, level: &str, number: u32, step: &Step) {
    let by = if step.number == number {
        String::new()
    } else {
        format!(" (revised by step {})", step.number)
    };
    // Writing to a String cannot fail.
    let _ = write!(out, "\n\n{level} Step {number}{by}\n{}", step.step);
}
