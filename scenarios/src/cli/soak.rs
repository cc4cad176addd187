//! `verify soak`: a run with the soak's workload instead of the criteria's, and going on from one
//! that was interrupted.

use std::path::Path;

use exai_judge::verdict::Exit;
use jiff::Timestamp;

use super::Ending;
use super::arguments::soak::SoakArguments;
use super::arguments::{Profile, RunArguments, StoreChoice};
use crate::run;
use crate::soak::checkpoint::Checkpoint;
use crate::soak::{Resumed, SoakPlan};

/// How long a soak is when nothing is said: V.7m's half hour, s.
const HALF_AN_HOUR: u64 = 1_800;
/// From here on the soak answers for V.7, before for V.7m, s.
const FOUR_HOURS: u64 = 4 * 3_600;
const SEED: u64 = 7;

/// Soaks.
///
/// # Errors
/// The user's mistakes, a rig that could not work, or a bug of ours.
pub fn soak(arguments: &SoakArguments, quiet: bool) -> Result<Exit, Ending> {
    let fresh = RunArguments {
        criteria: vec!["V.7".to_owned(), "V.7m".to_owned()],
        profile: Profile::Full,
        store: arguments.store.unwrap_or(StoreChoice::Auto),
        seed: arguments.seed.unwrap_or(SEED),
        server: arguments.server.clone(),
        json: arguments.json,
        quiet,
        reports: arguments.reports.clone(),
        ..RunArguments::default()
    };
    let mut asked = match &arguments.resume {
        Some(run) => resumed(fresh, run)?,
        None => RunArguments {
            soak: Some(SoakPlan {
                seconds: arguments.duration.map_or(HALF_AN_HOUR, |span| span.seconds),
                users: arguments.users,
                resumes: None,
            }),
            ..fresh
        },
    };
    let seconds = asked.soak.as_ref().map_or(0, |soak| soak.seconds);
    let claim = if seconds < FOUR_HOURS {
        "release-candidate"
    } else {
        "production-ready"
    };
    asked.claim = Some(claim.to_owned());
    run::run(&asked)
}

/// What is left of an earlier soak, on the same kind of store, with the same seed.
fn resumed(fresh: RunArguments, run: &str) -> Result<RunArguments, Ending> {
    let name = Path::new(run).file_name().unwrap_or_default();
    let folder = run::reports_folder(&fresh).join("runs").join(name);
    let usage = |says: String| Ending::Usage(format!("--resume {run}: {says}"));
    let left = Checkpoint::read(&folder).map_err(|why| {
        usage(format!(
            "{why}. Soaks that can go on have one in reports/runs/."
        ))
    })?;
    let seconds = left.planned.saturating_sub(left.measured);
    if seconds == 0 {
        let whole = exai_judge::units::span(left.planned);
        return Err(usage(format!("it lasted its {whole}; nothing is left.")));
    }
    let store = match left.store.as_str() {
        "redis" => StoreChoice::Redis,
        _ => StoreChoice::Embedded,
    };
    let gap = Timestamp::now().duration_since(left.at).as_secs();
    Ok(RunArguments {
        store,
        seed: left.seed,
        soak: Some(SoakPlan {
            seconds,
            users: left.users,
            resumes: Some(Resumed {
                run: left.run,
                seconds: left.measured,
                gap_s: u64::try_from(gap).unwrap_or_default(),
                server_sha256: left.server_sha256,
            }),
        }),
        ..fresh
    })
}

/// A soak goes on with the binary it began with.
///
/// # Errors
/// [`Ending::Refused`] for another.
pub fn same_binary(arguments: &RunArguments, server_sha256: &str) -> Result<(), Ending> {
    let earlier = arguments
        .soak
        .as_ref()
        .and_then(|soak| soak.resumes.as_ref());
    match earlier.filter(|earlier| earlier.server_sha256 != server_sha256) {
        Some(earlier) => Err(Ending::Refused(format!(
            "--resume {}: it judged binary {}, and this one is {server_sha256}; begin a new soak",
            earlier.run, earlier.server_sha256
        ))),
        None => Ok(()),
    }
}
