//! The four layers and what each set: one value per key, with the layer it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::schema::{ALIASES, Kind, Schema, flatten};
use super::{Fault, Sources, secret};

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// The embedded `default.toml`.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A command-line flag, as typed.
    Flag(String),
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A key set on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag, such as `--listen` or `--set`.
    pub flag: String,
    /// The dotted key it sets.
    pub key: String,
    /// The value's text.
    pub value: String,
}

/// A variable of our prefix that only tests read.
const OF_TESTS: &str = "EXAI_REQUIRE";

/// The one variable with a name of its own.
const STATE_DIR: &str = "EXAI_STATE_DIR";

/// The dotted key that a variable sets; `None` where it is no key's: a stranger's, a secret's.
pub(super) fn key_of(name: &str) -> Option<String> {
    let rest = name.strip_prefix("EXAI_")?;
    match name {
        STATE_DIR => Some("server.state_dir".to_owned()),
        OF_TESTS => None,
        _ if secret::ALL.contains(&name) => None,
        _ => Some(rest.to_lowercase().replace("__", ".")),
    }
}

/// All layers merged; faults collected on the way.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    rows: BTreeMap<String, (Value, Layer)>,
    pub(crate) faults: Vec<Fault>,
}

impl Settings {
    pub(crate) fn defaults(schema: &Schema) -> Self {
        let row = |entry: &super::schema::Entry| (entry.default.clone(), Layer::Default);
        let rows = schema
            .entries
            .iter()
            .map(|(key, entry)| (key.clone(), row(entry)))
            .collect();
        Self {
            rows,
            faults: Vec::new(),
        }
    }

    /// The layers of `sources` over the defaults.
    pub(crate) fn merged(sources: &Sources, schema: &Schema) -> Self {
        let mut settings = Self::defaults(schema);
        settings.faults.extend(sources.unread.iter().cloned());
        if let Some(path) = &sources.file {
            settings.add_file(path, schema);
        }
        settings.add_environment(sources, schema);
        settings.add_flags(&sources.flags, schema);
        settings
    }

    pub(crate) fn add_file(&mut self, path: &Path, schema: &Schema) {
        let layer = Layer::File(path.to_owned());
        match std::fs::read_to_string(path) {
            Ok(text) => self.add_text(&text, &layer, schema),
            Err(error) => {
                let message = format!("could not be read: {error}");
                self.faults.push(Fault::new("--config", layer, message));
            }
        }
    }

    pub(crate) fn add_text(&mut self, text: &str, layer: &Layer, schema: &Schema) {
        let table: Table = match toml::from_str(text) {
            Ok(table) => table,
            Err(error) => {
                let message = error.to_string().trim().to_owned();
                return self.faults.push(Fault::new("--config", layer, message));
            }
        };
        let mut leaves = BTreeMap::new();
        flatten("", &table, &mut leaves);
        for (key, value) in leaves {
            self.add(&key, layer, schema, |kind| {
                kind.check(&value).map(|()| value.clone())
            });
        }
    }

    pub(crate) fn add_environment(&mut self, from: &Sources, schema: &Schema) {
        for (name, text) in &from.environment {
            let Some(key) = key_of(name) else {
                continue;
            };
            let layer = Layer::Environment(from.set_by(name));
            self.add(&key, &layer, schema, |kind| kind.parse(text));
        }
    }

    pub(crate) fn add_flags(&mut self, flags: &[Flag], schema: &Schema) {
        for flag in flags {
            let layer = Layer::Flag(flag.flag.clone());
            self.add(&flag.key, &layer, schema, |kind| kind.parse(&flag.value));
        }
    }

    fn add(
        &mut self,
        key: &str,
        layer: &Layer,
        schema: &Schema,
        value: impl FnOnce(Kind) -> Result<Value, String>,
    ) {
        let Some((kind, _)) = schema.find(key) else {
            let hint = schema
                .nearest(key)
                .map(|known| format!("; did you mean {known}?"));
            let message = format!("unknown key{}", hint.unwrap_or_default());
            return self.faults.push(Fault::new(key, layer, message));
        };
        match value(kind) {
            Ok(value) => drop(self.rows.insert(key.to_owned(), (value, layer.clone()))),
            Err(message) => self.faults.push(Fault::new(key, layer, message)),
        }
    }

    /// A fault of a key, blamed on the layer that set it. A list's index is cut off.
    pub(crate) fn fault(&self, key: &str, message: impl Into<String>) -> Fault {
        let plain = key.split('[').next().unwrap_or(key);
        let layer = self
            .rows
            .get(plain)
            .map_or(&Layer::Default, |(_, layer)| layer);
        Fault::new(key, layer, message)
    }

    /// A string setting, empty when the key does not exist.
    pub(crate) fn text(&self, key: &str) -> String {
        let value = self.rows.get(key).and_then(|(value, _)| value.as_str());
        value.unwrap_or_default().to_owned()
    }

    /// Every key with its value.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.rows
            .iter()
            .map(|(key, (value, _))| (key.as_str(), value))
    }

    /// Every key with its value as TOML and where it was set.
    pub(super) fn told(&self) -> Vec<(String, String, String)> {
        let row = |(key, (value, layer)): (&String, &(Value, Layer))| {
            (key.clone(), value.to_string(), layer.to_string())
        };
        self.rows.iter().map(row).collect()
    }

    /// The names of the tables directly under `prefix`.
    pub(crate) fn names_under(&self, prefix: &str) -> Vec<String> {
        let under = self
            .rows
            .keys()
            .filter_map(|key| key.strip_prefix(prefix)?.split('.').next());
        let mut names: Vec<String> = under.map(str::to_owned).collect();
        names.dedup();
        names
    }

    /// One section as a TOML table again.
    pub(crate) fn table(&self, section: &str) -> Table {
        let mut table = Table::new();
        let prefix = format!("{section}.");
        for (key, value) in self.values() {
            let Some(rest) = key.strip_prefix(&prefix) else {
                continue;
            };
            let alias = key
                .strip_prefix(ALIASES)
                .and_then(|rest| rest.strip_prefix('.'));
            let path: Vec<&str> = match alias {
                Some(alias) => vec!["aliases", alias],
                None => rest.split('.').collect(),
            };
            put(&mut table, &path, value.clone());
        }
        table
    }
}

fn put(table: &mut Table, path: &[&str], value: Value) {
    match path {
        [] => {}
        [leaf] => drop(table.insert((*leaf).to_owned(), value)),
        [first, rest @ ..] => {
            let inner = table
                .entry((*first).to_owned())
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}
