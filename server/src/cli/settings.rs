//! `exai config show`: every key with its value, and on demand where it was set.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::bundle::{secrets, without};
use super::document::document;
use super::{Failed, Layers, say};
use crate::config::{self, Config};

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum Wish {
    /// Print every key with its value; secrets are left out
    Show(Show),
}

/// How it is shown.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    layers: Layers,
    /// Say of each value which layer set it: default, file, environment or flag
    #[arg(long)]
    origin: bool,
    /// As JSON, always with the origin
    #[arg(long)]
    json: bool,
}

/// Shows what the layers say, and then every fault of it, if there is one.
pub(super) fn run(Wish::Show(show): Wish) -> Result<(), Failed> {
    let (has_origin, is_json) = (show.origin, show.json);
    let sources = show.layers.sources();
    let rows = config::told(&sources);
    let text = if is_json {
        let settings: Vec<Value> = rows
            .iter()
            .map(|(key, value, from)| json!({"key": key, "value": value, "origin": from}))
            .collect();
        document("exai-config/1", &json!({ "settings": settings }))
    } else {
        let line = |(key, value, from): &(String, String, String)| match has_origin {
            true => format!("{key} = {value}  # {from}"),
            false => format!("{key} = {value}"),
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    say(&without(&secrets(&sources), &text));
    Config::load(&sources)?;
    Ok(())
}
