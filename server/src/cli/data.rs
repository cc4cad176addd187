//! `exai data`: everything kept of one principal, exported or purged.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::document::say_document;
use super::{Failed, Layers};
use crate::app;
use crate::config::Config;

/// What to do with it.
#[derive(Debug, Subcommand)]
pub(super) enum Wish {
    /// Write threads (with what models thought, where that is kept), kept calls and files of a
    /// principal into a new folder
    Export {
        #[command(flatten)]
        of: Of,
        /// The folder, which must not exist
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Remove everything of a principal from every store
    Purge {
        #[command(flatten)]
        of: Of,
    },
}

/// Whose, and where.
#[derive(Debug, Args)]
pub(super) struct Of {
    #[command(flatten)]
    layers: Layers,
    /// The principal: the subject of its tokens, or anonymous
    #[arg(long, value_name = "NAME")]
    principal: String,
}

pub(super) fn run(wish: Wish) -> Result<(), Failed> {
    let (schema, told) = match wish {
        Wish::Export { of, out } => {
            let config = Config::load(&of.layers.sources())?;
            let told = app::export(&config, &of.principal, &out)?;
            ("exai-data-export/1", told)
        }
        Wish::Purge { of } => {
            let config = Config::load(&of.layers.sources())?;
            ("exai-data-purge/1", app::purge(&config, &of.principal)?)
        }
    };
    say_document(schema, &told);
    Ok(())
}
