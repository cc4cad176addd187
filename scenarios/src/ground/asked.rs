//! What the command line may ask of the rig, decided before anything starts.

use exai_harness::redis;
use exai_harness::topology::{self, Launcher, Spoil, StoreKind};

use crate::cli::Ending;
use crate::cli::arguments::{SpoilWord, StoreChoice};

/// The edge of saboteurs that spoil the launch itself, by name.
const LAUNCHER: &str = "launcher";
const LAUNCHERS: [(&str, Launcher); 5] = [
    ("foreign-build", Launcher::ForeignBuild),
    ("kill-nothing", Launcher::KillsNothing),
    ("unregistered", Launcher::Unregistered),
    ("never-opens", Launcher::NeverOpens),
    ("forgets", Launcher::Forgets),
];

/// Decides before anything starts; never falls back silently.
///
/// # Errors
/// [`Ending::Usage`] when Redis was asked for and is not here, with the package to install.
pub fn choose_store(choice: StoreChoice) -> Result<StoreKind, Ending> {
    match choice {
        StoreChoice::Embedded => Ok(StoreKind::Embedded),
        StoreChoice::Auto => Ok(topology::auto_store()),
        StoreChoice::Redis if redis::which("redis-server").is_some() => Ok(StoreKind::Redis),
        StoreChoice::Redis => Err(Ending::Usage(
            "--store redis: redis-server is not on PATH. Install it (apt-get install \
             redis-server), or run with --store embedded."
                .to_owned(),
        )),
    }
}

/// What a word of `--spoil` asks for: a saboteur on an edge, or a launcher that cheats.
///
/// # Errors
/// [`Ending::Usage`] for a launcher that there is none of; edges and spoilers are known to the rig.
pub fn spoiled(word: Option<&SpoilWord>) -> Result<(Option<Spoil>, Launcher), Ending> {
    let Some(word) = word else {
        return Ok((None, Launcher::Honest));
    };
    if word.edge != LAUNCHER {
        let spoil = Spoil {
            name: word.name.clone(),
            edge: word.edge.clone(),
            every: word.every,
            offset: word.offset,
        };
        return Ok((Some(spoil), Launcher::Honest));
    }
    let known = LAUNCHERS.iter().find(|(name, _)| *name == word.name);
    known.map(|(_, launcher)| (None, *launcher)).ok_or_else(|| {
        let names = LAUNCHERS.map(|(name, _)| name).join(", ");
        Ending::Usage(format!(
            "--spoil {}@{LAUNCHER}: there is no such launcher. Known: {names}.",
            word.name
        ))
    })
}

#[cfg(test)]
mod tests;
