//! `exai audit`: whether the record of denials is whole.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::document::say_document;
use super::{Failed, Layers, say};
use crate::auth::audit::{Anchor, Broken, Verified, verify};
use crate::config::Config;

/// What to do with it.
#[derive(Debug, Subcommand)]
pub(super) enum Wish {
    /// Check the chain of the audit file and of the older ones beside it
    Verify {
        /// The file; the configuration's audit.file when left out
        file: Option<PathBuf>,
        #[command(flatten)]
        layers: Layers,
        /// A line that must be there still, as the component audit of /health showed it: finds
        /// lines that were cut off the end
        #[arg(long, value_name = "COUNT:HASH")]
        anchor: Option<Anchor>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(wish: Wish) -> Result<(), Failed> {
    let Wish::Verify {
        file,
        layers,
        anchor,
        json,
    } = wish;
    let path = match file {
        Some(path) => path,
        None => {
            let config = Config::load(&layers.sources())?;
            config.audit.path(&config.server.state_dir())
        }
    };
    let verified = verify(&path, anchor.as_ref());
    if let Err(unreadable @ Broken::Unreadable(..)) = &verified {
        return Err(Failed::Usage(unreadable.to_string()));
    }
    match json {
        true => say_document("exai-audit-verify/1", &document(&path, &verified)),
        false => say(&sentence(&verified)),
    }
    let is_whole = verified.is_ok();
    is_whole.then_some(()).ok_or(Failed::No(String::new()))
}

fn document(path: &Path, verified: &Result<Verified, Broken>) -> Value {
    let broken = verified.as_ref().err();
    let at = match broken {
        Some(Broken::Chain(file, line)) => {
            json!({"file": file.display().to_string(), "line": line})
        }
        _ => Value::Null,
    };
    let whole = verified.as_ref().ok();
    json!({
        "ok": whole.is_some(),
        "file": path.display().to_string(),
        "files": whole.map(|whole| whole.files),
        "anchor": whole.map(|whole| whole.end.to_string()),
        "torn_bytes": whole.map(|whole| whole.torn),
        "broken_at": at,
        "broken": broken.map(ToString::to_string),
    })
}

fn sentence(verified: &Result<Verified, Broken>) -> String {
    match verified {
        Ok(Verified { files, end, torn }) => {
            let torn = match torn {
                0 => String::new(),
                bytes => format!("; {bytes} bytes of a line that is not whole yet"),
            };
            let noun = if *files == 1 { "file" } else { "files" };
            let count = end.count;
            format!("ok   {count} lines, the last in {files} {noun} here; anchor {end}{torn}")
        }
        Err(broken) => format!("BAD  {broken}"),
    }
}
