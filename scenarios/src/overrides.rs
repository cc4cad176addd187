//! Settings that a workload changes, each for the check that asks for it alone: a closed list,
//! shown on the first screen.

use exai_harness::report::facts::Override;

use crate::cli::arguments::{Profile, RunArguments};

/// What V.8 may raise (the closed list of load overrides): a thousand calls a second cannot pass a
/// limit of a thousand under random arrivals.
pub const RAISED: [(&str, i64); 3] = [
    ("limits.rate.global", 20_000),
    ("limits.rate.address", 2_000),
    ("limits.rate.principal", 1_000),
];

/// What V.1 switches on for its phase of the same name; it ships off.
pub const STRUCTURED: &str = "tools.structured";

/// The provider row V.2 adds for MiniMax's other route, where all faults are wanted: three of them
/// exist on that route alone.
pub const CHAT_ROUTE: &str = "minimax_chat";

/// What several instances are run with: the archive of each would be a file of its own, which is no
/// archive of the server they are together.
pub const SEVERAL: [(&str, &str); 1] = [("archive.kind", "none")];

/// What a run of these criteria changes.
#[must_use]
pub fn overrides(arguments: &RunArguments) -> Vec<Override> {
    let named = &arguments.criteria;
    let is_run = |id: &str| named.is_empty() || named.iter().any(|name| name.starts_with(id));
    let of = |key: &str, value: String, id: &str| Override {
        key: key.to_owned(),
        value,
        counts_for: id.to_owned(),
    };
    let raised = RAISED
        .iter()
        .filter(|_| is_run("V.8"))
        .map(|(key, value)| of(key, value.to_string(), "V.8"));
    // Only this profile has the floor that asks for it.
    let structured = (arguments.profile == Profile::Full && is_run("V.1"))
        .then(|| of(STRUCTURED, true.to_string(), "V.1"));
    let lands_all = matches!(arguments.profile, Profile::Quick | Profile::Full);
    let chat =
        (lands_all && is_run("V.2")).then(|| of("provider", format!("+ {CHAT_ROUTE}"), "V.2"));
    let several = SEVERAL
        .iter()
        .filter(|_| arguments.instances > 1)
        .map(|(key, value)| of(key, (*value).to_owned(), "all"));
    raised
        .chain(structured)
        .chain(chat)
        .chain(several)
        .collect()
}
