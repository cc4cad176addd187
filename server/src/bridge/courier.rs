//! What a call needs of the client's machine, carried to the daemon: files that it names by path,
//! and the changes that `precommit` reads. Nothing outside one folder is read or named.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::depot::{self, Parcel};
use super::dial::Target;
use crate::config::{self, Config};
use crate::failure::Failure;
use crate::files::Digest;
use crate::tool::argument::Arguments;
use crate::tool::changes::{self, Wanted};
use crate::tool::file::Reader;
use crate::tool::registry::canonical;

/// Arguments that hold files, and whether there are several of them.
const FILES: [(&str, bool); 4] = [
    ("files", true),
    ("relevant_files", true),
    ("images", true),
    ("file_path", false),
];

/// The tool that reads changes.
const CHANGES: &str = "precommit";

/// Carries files to one daemon.
#[derive(Debug, Clone)]
pub struct Courier {
    target: Target,
    root: PathBuf,
    map: Vec<(PathBuf, PathBuf)>,
    reader: Reader,
    files: config::Files,
    patience: Duration,
}

/// A root that is no folder.
#[derive(Debug, thiserror::Error)]
#[error("bridge.root: {0} is no folder that can be read: {1}")]
pub struct BadRoot(PathBuf, std::io::Error);

impl Courier {
    /// For one daemon, with the root and the map of the configuration.
    ///
    /// # Errors
    /// When the root cannot be read.
    pub fn of(config: &Config, target: Target) -> Result<Self, BadRoot> {
        let given = match config.bridge.root.as_str() {
            "" => PathBuf::from("."),
            root => PathBuf::from(root),
        };
        let root = given.canonicalize();
        let root = root.map_err(|error| BadRoot(given, error))?;
        let pair = |text: &String| {
            let (from, to) = text.split_once('=')?;
            Some((PathBuf::from(from), PathBuf::from(to)))
        };
        Ok(Self {
            target,
            map: config.bridge.map.iter().filter_map(pair).collect(),
            reader: Reader::within(vec![root.clone()], &config.files),
            root,
            files: config.files.clone(),
            patience: config.files.upload_timeout,
        })
    }

    /// Whether a message is a call that names files here or wants changes read.
    #[must_use]
    pub fn is_needed(message: &Value) -> bool {
        if message
            .get("method")
            .is_none_or(|method| method != "tools/call")
        {
            return false;
        }
        let name = message.pointer("/params/name").and_then(Value::as_str);
        let arguments = message.pointer("/params/arguments");
        let Some((name, arguments)) = name.zip(arguments.and_then(Value::as_object)) else {
            return false;
        };
        let named = FILES.iter().any(|(field, _)| match arguments.get(*field) {
            Some(Value::Array(items)) => items.iter().any(is_path),
            Some(item) => is_path(item),
            None => false,
        });
        named || wants_changes(name, arguments)
    }

    /// The message with every path replaced by the handle of a file that the daemon has.
    ///
    /// # Errors
    /// A path that may not be read, or what the daemon has against a file.
    pub async fn carry(&self, mut message: Value) -> Result<Value, Failure> {
        let name = message.pointer("/params/name").and_then(Value::as_str);
        let name = name.unwrap_or_default().to_owned();
        let arguments = message.pointer_mut("/params/arguments");
        let Some(arguments) = arguments.and_then(Value::as_object_mut) else {
            return Ok(message);
        };
        let mut left = self.files.set_bytes;
        for (field, is_list) in FILES {
            match arguments.get_mut(field) {
                Some(Value::Array(items)) if is_list => {
                    for (n, item) in items.iter_mut().enumerate() {
                        self.replace(item, &format!("/{field}/{n}"), &mut left)
                            .await?;
                    }
                }
                Some(item) if !is_list => {
                    self.replace(item, &format!("/{field}"), &mut left).await?;
                }
                _ => {}
            }
        }
        if wants_changes(&name, arguments) {
            let diff = self.changes(arguments).await?;
            arguments.remove("path");
            arguments.insert("diff".to_owned(), diff.into());
        }
        Ok(message)
    }

    async fn replace(&self, item: &mut Value, at: &str, left: &mut u64) -> Result<(), Failure> {
        let Some(path) = item.as_str().filter(|_| is_path(item)) else {
            return Ok(());
        };
        let path = self.here(path);
        let most = usize::try_from((*left).min(self.files.stored_bytes)).unwrap_or(usize::MAX);
        let read = self.reader.path(&json!(path), at, most).await?;
        *left = left.saturating_sub(read.bytes.len() as u64);
        let name = self.name(&path);
        if read.bytes.is_empty() {
            // Nothing to store; that there is nothing in it is worth knowing all the same.
            *item = json!({"name": name, "content": ""});
            return Ok(());
        }
        let digest = Digest::of(&read.bytes);
        let parcel = Parcel {
            digest: &digest,
            name: &name,
            bytes: read.bytes.into(),
        };
        let is_sent = depot::leave(&self.target, parcel, self.patience).await?;
        tracing::debug!(%digest, is_sent, "a file was left at the daemon");
        *item = digest.uri().into();
        Ok(())
    }

    async fn changes(&self, arguments: &Map<String, Value>) -> Result<String, Failure> {
        let arguments = Arguments(arguments);
        let path = arguments.text("path").map(|path| self.here(path));
        let wanted = Wanted::of(arguments)?;
        let folder = self
            .reader
            .folder(path.as_ref().and_then(|path| path.to_str()))
            .await;
        let folder = folder.ok_or_else(|| {
            let message = "/path: there is no such folder inside the bridge's --root. Leave path \
                           out for the root itself.";
            Failure::validation("/path", message).with_code("file_not_readable")
        })?;
        changes::of_folder(folder, wanted, self.files.file_bytes).await
    }

    /// A path of the client as it is called here.
    fn here(&self, path: &str) -> PathBuf {
        let path = Path::new(path);
        let mapped = |(from, to): &(PathBuf, PathBuf)| Some(to.join(path.strip_prefix(from).ok()?));
        self.map
            .iter()
            .find_map(mapped)
            .unwrap_or_else(|| path.to_owned())
    }

    /// A name that says where in the root a file is, and nothing of where the root is.
    fn name(&self, path: &Path) -> String {
        let whole = self.root.join(path).canonicalize();
        let whole = whole.unwrap_or_else(|_| path.to_owned());
        let inside = whole.strip_prefix(&self.root).unwrap_or(path);
        inside.to_string_lossy().into_owned()
    }
}

/// Whether an item names a file of this machine.
fn is_path(item: &Value) -> bool {
    let elsewhere = ["exai://", "data:"];
    item.as_str()
        .is_some_and(|text| !elsewhere.iter().any(|start| text.starts_with(start)))
}

fn wants_changes(name: &str, arguments: &Map<String, Value>) -> bool {
    let is_first = arguments
        .get("step_number")
        .is_some_and(|number| number == 1);
    canonical(name) == CHANGES
        && !arguments.contains_key("diff")
        && (is_first || arguments.contains_key("path"))
}
