//! What a gate is asked about: where the evidence is, and what runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use exai_harness::gate::runtime::{self, Instance};

use crate::cli::arguments::evidence::GateArguments;
use crate::cli::{Ending, trust};
use crate::target::book;

/// Where the evidence is. A target's record is about the command that its target.toml names, which
/// no binary and no running exai stands for.
pub(super) fn reports(arguments: &GateArguments) -> Result<PathBuf, Ending> {
    let named = arguments.trust.reports.clone();
    if let Some(named) = named.as_ref().filter(|named| !named.is_dir()) {
        let says = format!("--reports {}: there is no such folder.", named.display());
        return Err(Ending::Usage(says));
    }
    if arguments.claim != book::CLAIM {
        return Ok(trust::reports(&arguments.trust));
    }
    if arguments.server.is_some() || !arguments.url.is_empty() {
        return Err(Ending::Usage(format!(
            "{} is about the command of a target.toml, as its record names it: leave out --server \
             and --url.",
            book::CLAIM
        )));
    }
    Ok(named.unwrap_or_else(|| PathBuf::from(crate::target::REPORTS)))
}

/// The instances behind the URLs asked about.
pub(super) fn instances(arguments: &GateArguments) -> Result<BTreeMap<String, Instance>, Ending> {
    if arguments.url.is_empty() {
        return Ok(BTreeMap::new());
    }
    for url in &arguments.url {
        runtime::address(url).map_err(Ending::Usage)?;
    }
    let token = arguments.token_env.as_deref().map(|name| {
        let unset = |_| Ending::Usage(format!("--token-env {name}: the variable is not set."));
        std::env::var(name).map_err(unset)
    });
    let token = token.transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Ending::Harness(format!("could not start a runtime: {error}")))?;
    let asked = runtime::ask(&arguments.url, token.as_deref(), arguments.replicas);
    runtime.block_on(asked).map_err(Ending::Open)
}
