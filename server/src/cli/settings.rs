//! `exai config show`: every key with its value, and on demand where it was set; `exai config
//! diff`: what two files say differently.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::bundle::{secrets, without};
use super::document::document;
use super::{Failed, Layers, say};
use crate::app::needs_restart;
use crate::config::difference::{Difference, differences};
use crate::config::{self, Config, Sources};

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum Wish {
    /// Print every key with its value; secrets are left out
    Show(Show),
    /// Say what two files give differently, each over the defaults; ends with 1 where anything is
    Diff(Diff),
}

/// Which files, and how it is told.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The one file, TOML
    before: PathBuf,
    /// The other
    after: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
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

/// Does what was asked for.
pub(super) fn run(wish: Wish) -> Result<(), Failed> {
    match wish {
        Wish::Show(show) => shown(show),
        Wish::Diff(diff) => differing(&diff),
    }
}

fn differing(diff: &Diff) -> Result<(), Failed> {
    let rows = differences(&diff.before, &diff.after)?;
    let text = if diff.json {
        let rows: Vec<Value> = rows.iter().map(told).collect();
        document("exai-config-diff/1", &json!({ "differences": rows }))
    } else {
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let hidden = |path: &Path| {
        secrets(&Sources {
            file: Some(path.to_owned()),
            ..Sources::default()
        })
    };
    let text = without(&hidden(&diff.before), &text);
    let text = without(&hidden(&diff.after), &text);
    if diff.json || !rows.is_empty() {
        say(&text);
    }
    // As of every program that compares, with nothing more to say.
    rows.is_empty()
        .then_some(())
        .ok_or_else(|| Failed::No(String::new()))
}

fn told(row: &Difference) -> Value {
    json!({
        "key": row.key,
        "before": row.before,
        "after": row.after,
        "restart": needs_restart(&row.key),
    })
}

fn line(row: &Difference) -> String {
    let value = |side: &Option<String>| side.clone().unwrap_or_else(|| "(none)".to_owned());
    let force = if needs_restart(&row.key) {
        "needs a restart"
    } else {
        "a reload puts it in force"
    };
    let (before, after) = (value(&row.before), value(&row.after));
    format!("{}: {before} -> {after}  # {force}", row.key)
}

/// Shows what the layers say, and then every fault of it, if there is one.
fn shown(show: Show) -> Result<(), Failed> {
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
