//! `exai migrate`: what the archive's tables lack of what this build knows, and doing it.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::call::UNAVAILABLE;
use super::document::say_document;
use super::{Failed, Layers, say};
use crate::app;
use crate::archive::{Archive, Fault, Plan, Step};
use crate::config::{ArchiveKind, Config};

/// One step may take so long; a server's own clock would cut it on tables that have grown.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// What to do.
#[derive(Debug, Args)]
pub(super) struct Wish {
    #[command(flatten)]
    layers: Layers,
    /// Print what would be done, which is what happens without a flag
    #[arg(long, conflicts_with = "apply")]
    plan: bool,
    /// Do it, each version in a transaction of its own; may run beside servers and other runs
    #[arg(long)]
    apply: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What was found, and what was done about it.
#[derive(Default)]
struct Told {
    /// `sqlite`, `postgres` or `none`.
    kind: &'static str,
    found: i64,
    /// Versions that this run brought.
    applied: Vec<i64>,
    pending: Vec<Step>,
}

pub(super) fn run(wish: Wish) -> Result<(), Failed> {
    let config = Config::load(&wish.layers.sources())?;
    if config.archive.kind == ArchiveKind::Sqlite {
        // Where nothing was started yet there is no folder.
        let folder = config.server.state_dir();
        app::prepare_state_dir(&folder).map_err(|error| {
            Failed::Usage(format!(
                "{}: {error}; set server.state_dir",
                folder.display()
            ))
        })?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failed::Usage(error.to_string()))?;
    let told = match app::archive_alone(&config, PATIENCE).map_err(failed)? {
        Some(archive) => runtime
            .block_on(look(&archive, wish.apply))
            .map_err(failed)?,
        None => Told {
            kind: "none",
            ..Told::default()
        },
    };
    match wish.json {
        true => say_document("exai-migrate/1", &document(&told)),
        false => say(&text(&told)),
    }
    Ok(())
}

async fn look(archive: &Archive, is_wanted: bool) -> Result<Told, Fault> {
    let Plan { found, steps } = archive.plan().await?;
    let applied = match is_wanted {
        true => archive.migrate().await?,
        false => Vec::new(),
    };
    Ok(Told {
        kind: archive.kind(),
        found,
        applied,
        pending: if is_wanted { Vec::new() } else { steps },
    })
}

fn failed(fault: Fault) -> Failed {
    let text = format!("could not {fault}; see archive.url, archive.path");
    match fault {
        Fault::Unavailable(_) => Failed::Coded(UNAVAILABLE, text),
        Fault::Poison(_) | Fault::Schema(_) => Failed::Usage(text),
    }
}

fn document(told: &Told) -> Value {
    let pending = told.pending.iter().map(|step| {
        json!({"version": step.version, "oldest": step.oldest,
            "statements": step.statements.iter().map(|text| one_line(text)).collect::<Vec<_>>()})
    });
    json!({"kind": told.kind, "found": told.found, "applied": told.applied,
        "pending": pending.collect::<Vec<_>>()})
}

fn text(told: &Told) -> String {
    if told.kind == "none" {
        return "there is no archive: archive.kind is \"none\"".to_owned();
    }
    let mut lines = vec![format!(
        "{} archive, schema_version {}",
        told.kind, told.found
    )];
    for version in &told.applied {
        lines.push(format!("version {version} applied"));
    }
    for step in &told.pending {
        lines.push(format!(
            "version {} is missing; programs that know {} go on working after it",
            step.version, step.oldest
        ));
        let statements = step.statements.iter();
        lines.extend(statements.map(|text| format!("    {}", one_line(text))));
    }
    lines.push(match (told.pending.is_empty(), told.applied.is_empty()) {
        (false, _) => "exai migrate --apply does this".to_owned(),
        (true, true) => "nothing to do".to_owned(),
        (true, false) => "done".to_owned(),
    });
    lines.join("\n")
}

fn one_line(statement: &str) -> String {
    statement.split_whitespace().collect::<Vec<_>>().join(" ")
}
