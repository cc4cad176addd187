//! What the server is told: its environment and its settings on top of the shipped defaults.

use exai_mocks::provider::Provider;

use super::{Containers, Credentials, Launcher, Setup, Site, Store, Vendor};
use crate::scratch::Scratch;
use crate::server::Settings;

/// Failures in a row that no workload produces.
const NEVER: i64 = 1_000_000;

/// What every process of a production host has in its environment.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What instances on one machine share beside their store.
pub(super) fn together(scratch: &Scratch) -> std::io::Result<Settings> {
    let files = scratch.folder("files")?;
    Ok(Settings::default().with("files.dir", files.display().to_string()))
}

/// Cleared and rebuilt: what production would have, and nothing that names a judge.
pub(super) fn environment(
    vendors: &[Vendor],
    store: Vec<(String, String)>,
    credentials: &Credentials,
    containers: Option<&Containers>,
) -> Vec<(String, String)> {
    let plain = [("PATH", PATH), ("LANG", "C.UTF-8")];
    let keys = vendors
        .iter()
        .map(|vendor| (vendor.variable().to_owned(), vendor.key().to_owned()));
    let plain = plain.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let all = plain.into_iter().chain(keys);
    let engines = containers.map(|_| Containers::environment());
    all.chain(store)
        .chain(credentials.environment())
        .chain(engines.into_iter().flatten())
        .collect()
}

/// The shipped defaults and site keys alone: what is judged is what ships.
pub(super) fn settings(
    site: &Site,
    vendors: &[Vendor],
    store: &Store,
    credentials: &Credentials,
) -> Settings {
    let base = credentials
        .settings()
        .with("server.instance", site.instance.clone())
        .with("store.kind", store.word())
        .with(
            &format!("models.aliases.{}", site.alias),
            site.aliased.clone(),
        );
    vendors.iter().fold(base, |settings, vendor| {
        let name = vendor.provider().name();
        settings
            .with(&format!("provider.{name}.base_url"), vendor.base_url())
            .with(&format!("provider.{name}.label"), site.label_of(name))
            .with(&format!("provider.{name}.allow_private"), true)
    })
}

impl Setup {
    /// The settings asked for, on top of what a launcher that cheats changes behind our back.
    pub(super) fn asked(&self) -> Settings {
        let own = match self.launcher {
            Launcher::Unregistered => {
                let key = format!("provider.{}.enabled", Provider::Glm.name());
                Settings::default().with(&key, false)
            }
            Launcher::NeverOpens => Settings::default().with("breaker.failures", NEVER),
            Launcher::KeepsNone => Settings::default().with("tools.result_bytes", 0),
            Launcher::OtherStore => Settings::default().with("store.kind", Store::Embedded.word()),
            Launcher::Honest
            | Launcher::ForeignBuild
            | Launcher::KillsNothing
            | Launcher::Apart
            | Launcher::Forgets
            | Launcher::SyncsLate
            | Launcher::HidesSchema
            | Launcher::PanicsQuietly
            | Launcher::WrongKey
            | Launcher::SlowSimulator
            | Launcher::LosesLines
            | Launcher::TakenPort => Settings::default(),
        };
        own.merged(&self.settings)
    }
}
