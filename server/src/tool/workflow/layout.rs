//! Workflows that no model reviews: the caller's own steps, laid out as one document.

mod documents;
mod plan;
mod trace;

use super::state::{State, Step};
use crate::failure::Failure;
use crate::tool::catalogue::Layout;

/// Refuses a step whose own parameters do not fit the steps before it.
///
/// # Errors
/// `validation_error` naming the parameter and what it should be.
pub(super) fn check(layout: Layout, before: &State, step: &Step) -> Result<(), Failure> {
    match layout {
        Layout::Plan => plan::check(before, step),
        Layout::Trace => trace::check(step),
        Layout::Documents => documents::check(step),
    }
}

/// Why a step that wants to end may not, in words; `None` when it may.
pub(super) fn unfinished(layout: Option<Layout>, step: &Step) -> Option<String> {
    match layout {
        Some(Layout::Plan) => plan::unfinished(step),
        Some(Layout::Documents) => documents::unfinished(step),
        Some(Layout::Trace) | None => None,
    }
}

/// Everything the steps hold, laid out.
pub(super) fn document(layout: Layout, state: &State) -> String {
    match layout {
        Layout::Plan => plan::document(state),
        Layout::Trace => trace::document(state),
        Layout::Documents => documents::document(state),
    }
}
