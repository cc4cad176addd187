//! What the command line may ask of the rig, decided before anything starts.

use std::collections::BTreeSet;

use exai_harness::load::hindrance::Hindrance;
use exai_harness::topology::{self, Launcher, Spoil, StoreKind};
use exai_harness::{engine, redis};
use exai_judge::judge::Handicap;

use super::mishap::Mishap;
use crate::cli::Ending;
use crate::cli::arguments::{Driver, RunArguments, SpoilWord, StoreChoice};

/// The edge of saboteurs that spoil the launch itself, by name.
const LAUNCHER: &str = "launcher";
const LAUNCHERS: [(&str, Launcher); 15] = [
    ("foreign-build", Launcher::ForeignBuild),
    ("kill-nothing", Launcher::KillsNothing),
    ("unregistered", Launcher::Unregistered),
    ("never-opens", Launcher::NeverOpens),
    ("keeps-none", Launcher::KeepsNone),
    ("forgets", Launcher::Forgets),
    ("syncs-late", Launcher::SyncsLate),
    ("hides-schema", Launcher::HidesSchema),
    ("panics-quietly", Launcher::PanicsQuietly),
    ("other-store", Launcher::OtherStore),
    ("apart", Launcher::Apart),
    ("wrong-key", Launcher::WrongKey),
    ("slow-simulator", Launcher::SlowSimulator),
    ("loses-lines", Launcher::LosesLines),
    ("taken-port", Launcher::TakenPort),
];

/// The criteria whose checkers know of several instances.
const OF_SEVERAL: [&str; 4] = ["V.1", "V.2", "V.3", "V.4"];
/// The edges on which a saboteur stands before one server, and past the others.
const BEFORE_ONE: [&str; 3] = ["client", "websocket", "admin"];

/// The edge of saboteurs that spoil the judge's own ground, by name.
const HARNESS: &str = "harness";
const DAMAGES: [(&str, Damage); 13] = [
    ("idle", Damage::Load(Hindrance::Idle)),
    ("drops-arrivals", Damage::Load(Hindrance::Drops)),
    ("late", Damage::Load(Hindrance::Late)),
    ("pauses", Damage::Load(Hindrance::Pauses)),
    ("panics", Damage::Panics),
    ("deaf", Damage::Deaf),
    ("simulator-dies", Damage::Befallen(Mishap::SimulatorDies)),
    ("store-dies", Damage::Befallen(Mishap::StoreDies)),
    ("disk-full", Damage::Befallen(Mishap::DiskFull)),
    ("no-descriptors", Damage::Befallen(Mishap::NoDescriptors)),
    ("clock-steps", Damage::Befallen(Mishap::ClockSteps)),
    ("neighbours", Damage::Befallen(Mishap::Neighbours)),
    ("stays-slow", Damage::Befallen(Mishap::StaysSlow)),
];

/// What is broken on purpose in the harness itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Damage {
    /// Nothing.
    #[default]
    None,
    /// The load of V.3.
    Load(Hindrance),
    /// The checkers of the criteria that were named.
    Panics,
    /// The ear for exits that nobody ordered, of the instance that proves the detector.
    Deaf,
    /// The rig, by something that nobody ordered.
    Befallen(Mishap),
}

/// The channel on which an exit that nobody ordered is told.
const EXITS: &str = "unordered_exit";

impl Damage {
    /// What it does to the load.
    #[must_use]
    pub const fn hindrance(self) -> Hindrance {
        match self {
            Self::Load(hindrance) => hindrance,
            Self::None | Self::Panics | Self::Deaf | Self::Befallen(_) => Hindrance::None,
        }
    }

    /// The kind of critical error that is not heard of the detector's proof.
    #[must_use]
    pub fn swallowed(self) -> Option<&'static str> {
        (self == Self::Deaf).then_some(EXITS)
    }

    /// What befalls the rig meanwhile.
    #[must_use]
    pub const fn mishap(self) -> Option<Mishap> {
        match self {
            Self::Befallen(mishap) => Some(mishap),
            Self::None | Self::Load(_) | Self::Panics | Self::Deaf => None,
        }
    }

    /// What it does to the judge of these criteria.
    #[must_use]
    pub fn handicap(self, criteria: &[String]) -> Handicap {
        let panicking: BTreeSet<String> = match self {
            Self::Panics => criteria.iter().cloned().collect(),
            Self::None | Self::Load(_) | Self::Deaf | Self::Befallen(_) => BTreeSet::new(),
        };
        Handicap {
            panicking,
            ..Handicap::default()
        }
    }
}

/// What a word of `--spoil` breaks in the harness; [`spoiled`] has refused unknown ones.
#[must_use]
pub fn damaged(word: Option<&SpoilWord>) -> Damage {
    let named = |word: &SpoilWord| {
        let known = DAMAGES.iter().find(|(name, _)| *name == word.name);
        known.map(|(_, damage)| *damage)
    };
    let word = word.filter(|word| word.edge == HARNESS);
    word.and_then(named).unwrap_or_default()
}

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

/// Decides before anything starts whether several instances can be judged as one by what was asked
/// for.
///
/// # Errors
/// [`Ending::Usage`] with what to leave out or to name instead.
pub fn choose_instances(
    arguments: &RunArguments,
    store: StoreKind,
    (spoil, launcher): &(Option<Spoil>, Launcher),
) -> Result<(), Ending> {
    let several = arguments.instances;
    if several < 2 {
        let alone = "there is one: its launcher spoils what several share. Add --instances 2.";
        return match launcher {
            Launcher::Apart => Err(Ending::Usage(format!("--spoil apart: {alone}"))),
            _ => Ok(()),
        };
    }
    let named = &arguments.criteria;
    let others: Vec<&str> = named
        .iter()
        .map(String::as_str)
        .filter(|name| !OF_SEVERAL.contains(name))
        .collect();
    let has_edge = spoil
        .as_ref()
        .is_some_and(|spoil| BEFORE_ONE.contains(&spoil.edge.as_str()));
    let why = if named.is_empty() {
        format!("name the criteria to judge, of {}", OF_SEVERAL.join(", "))
    } else if !others.is_empty() {
        let others = others.join(" and ");
        let known = OF_SEVERAL.join(", ");
        format!("{others} is judged on one instance; over several only {known}")
    } else if store != StoreKind::Redis {
        "they need one store; add --store redis, and redis-server on PATH".to_owned()
    } else if arguments.driver != Driver::Local {
        "the container driver has one of each; leave out --driver".to_owned()
    } else if has_edge {
        let edges = BEFORE_ONE.join(", ");
        format!("a saboteur stands before one server on {edges}; leave out --spoil")
    } else {
        return Ok(());
    };
    Err(Ending::Usage(format!("--instances {several}: {why}.")))
}

/// What a word of `--spoil` asks for: a saboteur on an edge, or a launcher that cheats.
///
/// # Errors
/// [`Ending::Usage`] for a launcher or damage that there is none of; edges and spoilers are known
/// to the rig.
pub fn spoiled(word: Option<&SpoilWord>) -> Result<(Option<Spoil>, Launcher), Ending> {
    let Some(word) = word else {
        return Ok((None, Launcher::Honest));
    };
    if word.edge == HARNESS {
        let names = DAMAGES.map(|(name, _)| name);
        return names
            .contains(&word.name.as_str())
            .then_some((None, Launcher::Honest))
            .ok_or_else(|| unknown(word, &names));
    }
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
    known
        .map(|(_, launcher)| (None, *launcher))
        .ok_or_else(|| unknown(word, &LAUNCHERS.map(|(name, _)| name)))
}

fn unknown(word: &SpoilWord, names: &[&str]) -> Ending {
    let SpoilWord { name, edge, .. } = word;
    let names = names.join(", ");
    Ending::Usage(format!(
        "--spoil {name}@{edge}: there is no such {edge}. Known: {names}."
    ))
}

#[cfg(test)]
mod tests;
