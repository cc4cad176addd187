//! Starts that must be refused: weak or empty secrets, and no policy.

use std::time::Duration;

use exai_harness::server::Settings;
use exai_harness::server::beside::Start;

use super::{Came, Seen, note};
use crate::stage::{Stage, Trouble};

const EDGE: &str = "start";
/// A start takes this long at most.
const LIMIT: Duration = Duration::from_secs(10);
/// The exit code of what its operator can mend.
const USAGE: i32 = 64;
const SECRET: &str = "EXAI_JWT_SECRET";
const SCRAPE: &str = "EXAI_METRICS_TOKEN";
/// As random as any, and the run's alone.
const GOOD: &str = "3be07a5d91c46f28e1d09b7754ac83f216d5";

/// Tries J40, A11 and X7.
///
/// # Errors
/// When the rig cannot start a process.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let same = "a".repeat(64);
    let secrets = [
        ("J40.short", SECRET, "9f2c81d4e6b7a035"),
        ("J40.one letter", SECRET, same.as_str()),
        ("J40.word", SECRET, "password-password-password-password-1"),
        ("X7.empty", SECRET, ""),
        (
            "X7.example",
            SCRAPE,
            "changeme-changeme-changeme-0123456789",
        ),
    ];
    for (id, name, value) in secrets {
        stage.check_stop()?;
        refused(stage, id, (&Settings::default(), &[(name, value)])).await?;
        served(stage, id, (&Settings::default(), &[(name, GOOD)])).await?;
    }
    let empty = stage.ground.file("empty-policy.toml", "")?;
    let broken = stage.ground.file("broken-policy.toml", "roles = 3\n")?;
    let valid = "[roles.user]\ntools = [\"version\"]\n";
    let valid = stage.ground.file("valid-policy.toml", valid)?;
    let with = |path: &str| Settings::default().with("auth.policy_file", path);
    let policies = [
        ("A11.missing", "/nowhere/policy.toml"),
        ("A11.empty", empty.as_str()),
        ("A11.unparsable", broken.as_str()),
    ];
    for (id, path) in policies {
        refused(stage, id, (&with(path), &[])).await?;
    }
    served(stage, "A11", (&with(&valid), &[])).await
}

type Changes<'a> = (&'a Settings, &'a [(&'a str, &'a str)]);

async fn refused(stage: &Stage, id: &str, changes: Changes<'_>) -> Result<(), Trouble> {
    start(stage, (id, false, "refused"), changes).await
}

async fn served(stage: &Stage, id: &str, changes: Changes<'_>) -> Result<(), Trouble> {
    start(stage, (id, true, "accepted"), changes).await
}

async fn start(
    stage: &Stage,
    (id, good, wanted): (&str, bool, &str),
    (settings, variables): Changes<'_>,
) -> Result<(), Trouble> {
    let start = stage
        .ground
        .start_beside(settings, variables, LIMIT)
        .await?;
    let word = match start {
        Start::Served => "accepted".to_owned(),
        Start::Ended(Some(USAGE)) => "refused".to_owned(),
        Start::Ended(code) => format!("ended with {code:?}"),
        Start::Neither => "timeout".to_owned(),
    };
    let seen = Seen {
        id,
        edge: EDGE,
        good,
        allowed: &[wanted],
    };
    note(stage, &seen, Came::word(word));
    Ok(())
}
