//! The options that say where a configuration comes from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::config::{Flag, Sources};

/// Where the configuration comes from.
#[derive(Debug, Args)]
pub(super) struct Layers {
    /// Configuration file, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One key, such as --set thread.ttl=1h; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl Layers {
    /// The same layers as words of another command line.
    pub(super) fn words(&self) -> Vec<OsString> {
        let file = self.config.iter();
        let file = file.flat_map(|path| ["--config".into(), path.clone().into_os_string()]);
        let keys = self.set.iter();
        let keys = keys.flat_map(|(key, value)| ["--set".into(), format!("{key}={value}").into()]);
        file.chain(keys).collect()
    }

    pub(super) fn sources(self) -> Sources {
        let flag = |(key, value): (String, String)| Flag {
            flag: format!("--set {key}"),
            key,
            value,
        };
        Sources {
            file: self.config,
            environment: environment(),
            flags: self.set.into_iter().map(flag).collect(),
            demo: false,
            ..Sources::default()
        }
        .with_files()
    }
}

/// The variables of this process that are text.
pub(super) fn environment() -> BTreeMap<String, String> {
    let text = |part: OsString| part.into_string().ok();
    let pairs = std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
    pairs.collect()
}
