//! `exai support-bundle`: what somebody needs who helps from afar, and no secret. No conversation,
//! no file and no log is in it.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{Failed, Layers, doctor, say};
use crate::config::{self, Sources};
use crate::observe::manifest::{COMMIT, VERSION, is_dirty};

/// What stands where a secret stood.
const REMOVED: &str = "(removed)";

/// Shorter texts are no secrets: replacing them would spoil the rest.
const SHORTEST: usize = 6;

/// Where the bundle goes.
#[derive(Debug, Args)]
pub(super) struct Wish {
    #[command(flatten)]
    layers: Layers,
    /// The file to write; standard output when left out
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(wish: Wish) -> Result<(), Failed> {
    let out = wish.out.clone();
    let sources = wish.layers.sources();
    let text = without(&secrets(&sources), &bundle(&sources).to_string());
    let Some(path) = out else {
        say(&text);
        return Ok(());
    };
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written
        .map_err(|error| Failed::Usage(format!("{} cannot be written: {error}", path.display())))?;
    let _ = writeln!(std::io::stderr(), "written: {}", path.display());
    Ok(())
}

fn bundle(sources: &Sources) -> Value {
    let settings: Vec<Value> = config::told(sources)
        .into_iter()
        .map(|(key, value, layer)| json!({ "key": key, "value": value, "from": layer }))
        .collect();
    // Of a variable the name alone is told: any value may be a secret.
    let names: Vec<&String> = sources.environment.keys().collect();
    json!({
        "version": VERSION,
        "commit": COMMIT,
        "dirty": is_dirty(),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "made_at": jiff::Timestamp::now().to_string(),
        "settings": settings,
        "environment_names": names,
        "doctor": doctor::told(sources),
    })
}

/// Everything that may be a secret: the values of all variables but the plainest, and what stands
/// for user and password in an address.
pub(super) fn secrets(sources: &Sources) -> Vec<String> {
    let plain = [
        "PATH", "HOME", "PWD", "SHELL", "TERM", "LANG", "USER", "LOGNAME", "TMPDIR",
    ];
    let is_secret = |name: &str| {
        let name = name.to_uppercase();
        let words = ["KEY", "TOKEN", "SECRET", "PASS", "CRED", "AUTH"];
        !plain.contains(&&*name) && words.iter().any(|word| name.contains(word))
    };
    let from_variables = sources
        .environment
        .iter()
        .filter(|(name, _)| is_secret(name))
        .map(|(_, value)| value.clone());
    let addresses = config::told(sources).into_iter().map(|(_, value, _)| value);
    let addresses = addresses.chain(sources.environment.values().cloned());
    let mut all: Vec<String> = from_variables
        .chain(addresses.flat_map(|text| in_address(&text)))
        .filter(|text| text.len() >= SHORTEST)
        .collect();
    // A longer one first: it may hold a shorter one.
    all.sort_by_key(|text| std::cmp::Reverse(text.len()));
    all
}

/// User, password and query of an address.
fn in_address(text: &str) -> Vec<String> {
    let Some((_, rest)) = text.trim_matches('"').split_once("://") else {
        return Vec::new();
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or_default();
    let people = authority.rsplit_once('@').map_or("", |(people, _)| people);
    let parts = people.split(':').chain(query.split('&'));
    let parts = parts.map(|part| part.rsplit_once('=').map_or(part, |(_, value)| value));
    parts.map(str::to_owned).collect()
}

/// A text without them.
pub(super) fn without(secrets: &[String], text: &str) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        let quoted = Value::from(secret.as_str()).to_string();
        text = text.replace(secret.as_str(), REMOVED);
        text = text.replace(quoted.trim_matches('"'), REMOVED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_a_password_in_an_address_is_found() {
        let parts = in_address("\"rediss://exai:p4nary-Pass@host:6379/0?token=p4nary-Token\"");
        assert_eq!(parts, ["exai", "p4nary-Pass", "p4nary-Token"]);
        assert!(in_address("127.0.0.1:80").is_empty());
        assert_eq!(
            without(&["a\"b\\cde".to_owned()], r#"{"x":"a\"b\\cde"}"#),
            r#"{"x":"(removed)"}"#
        );
    }
}
