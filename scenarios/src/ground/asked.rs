//! What the command line may ask of the rig, decided before anything starts.

use exai_harness::topology::{self, Launcher, Spoil, StoreKind};
use exai_harness::{engine, redis};

use crate::cli::Ending;
use crate::cli::arguments::{Driver, SpoilWord, StoreChoice};

/// The edge of saboteurs that spoil the launch itself, by name.
const LAUNCHER: &str = "launcher";
const LAUNCHERS: [(&str, Launcher); 7] = [
    ("foreign-build", Launcher::ForeignBuild),
    ("kill-nothing", Launcher::KillsNothing),
    ("unregistered", Launcher::Unregistered),
    ("never-opens", Launcher::NeverOpens),
    ("keeps-none", Launcher::KeepsNone),
    ("forgets", Launcher::Forgets),
    ("hides-schema", Launcher::HidesSchema),
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

/// Decides before anything starts whether this driver can do what was asked for.
///
/// # Errors
/// [`Ending::Usage`] when no engine of this machine answers, with the package to install, or when a
/// saboteur cannot stand in containers.
pub fn choose_driver(
    driver: Driver,
    (spoil, launcher): &(Option<Spoil>, Launcher),
) -> Result<(), Ending> {
    if driver == Driver::Local {
        return Ok(());
    }
    if spoil.is_some() || *launcher == Launcher::Forgets {
        return Err(Ending::Usage(
            "--driver container: saboteurs on an edge, and the launcher that forgets, are shown by \
             the local driver alone. Leave out --spoil or the driver."
                .to_owned(),
        ));
    }
    match engine::ping() {
        Ok(_address) => Ok(()),
        Err(error) => Err(Ending::Usage(format!("--driver container: {error}."))),
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
