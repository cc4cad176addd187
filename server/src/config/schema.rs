//! The keys that exist, read from `default.toml`: kind, mark, default and note of each.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{DEFAULT_TOML, Fault, Faults, Layer, duration};

/// What a value looks like, inferred from its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number that is not negative.
    Whole,
    /// true or false.
    Switch,
    /// A duration such as `10s`.
    Span,
    /// A list of strings.
    Texts,
    /// A list of durations.
    Spans,
}

impl Kind {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) if duration::parse(text).is_ok() => Some(Self::Span),
            Value::String(_) => Some(Self::Text),
            Value::Integer(_) => Some(Self::Whole),
            Value::Boolean(_) => Some(Self::Switch),
            Value::Array(items) if items.first().and_then(Self::of) == Some(Self::Span) => {
                Some(Self::Spans)
            }
            Value::Array(_) => Some(Self::Texts),
            _ => None,
        }
    }

    /// The kind in words, for messages.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Whole => "a whole number",
            Self::Switch => "true or false",
            Self::Span => "a duration such as \"10s\"",
            Self::Texts => "a list of strings",
            Self::Spans => "a list of durations",
        }
    }

    /// Whether a value from a file fits.
    ///
    /// # Errors
    /// A sentence that says what is accepted.
    pub fn check(self, value: &Value) -> Result<(), String> {
        let wanted = || Err(format!("{value} is not {}", self.describe()));
        match (self, value) {
            (Self::Text, Value::String(_)) | (Self::Switch, Value::Boolean(_)) => Ok(()),
            (Self::Whole, Value::Integer(number)) if *number >= 0 => Ok(()),
            (Self::Span, Value::String(text)) => duration::parse(text).map(drop),
            (Self::Texts, Value::Array(items)) if items.iter().all(Value::is_str) => Ok(()),
            (Self::Spans, Value::Array(items)) => {
                items.iter().try_for_each(|item| Self::Span.check(item))
            }
            _ => wanted(),
        }
    }

    /// A value from the text of a variable or a flag. Lists are TOML arrays or comma-separated.
    ///
    /// # Errors
    /// A sentence that says what is accepted.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        let refused = || format!("{text:?} is not {}", self.describe());
        let value = match self {
            Self::Text | Self::Span => Value::String(text.to_owned()),
            Self::Whole => Value::Integer(text.parse().map_err(|_| refused())?),
            Self::Switch => Value::Boolean(text.parse().map_err(|_| refused())?),
            Self::Texts | Self::Spans if text.starts_with('[') => {
                let line = format!("list = {text}");
                let table: Table = toml::from_str(&line).map_err(|_| refused())?;
                table.get("list").cloned().ok_or_else(refused)?
            }
            Self::Texts | Self::Spans => {
                let items = text
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty());
                Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
            }
        };
        self.check(&value).map(|()| value)
    }
}

/// Which digest a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Changes behaviour.
    Policy,
    /// Where an instance stands and whom it talks to.
    Site,
}

/// One key that exists.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What a value looks like.
    pub kind: Kind,
    /// Which digest it belongs to.
    pub mark: Mark,
    /// The embedded default.
    pub default: Value,
    /// The comment beside it.
    pub note: String,
}

/// Every key of `default.toml`, by dotted name.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The keys in order.
    pub entries: BTreeMap<String, Entry>,
}

/// The row whose keys any other provider row may use as well.
const PROVIDER_PATTERN: &str = "provider.kimi.";

/// The table whose keys are free: extra names for models.
pub(crate) const ALIASES: &str = "models.aliases";

impl Schema {
    /// The schema of the embedded defaults.
    ///
    /// # Errors
    /// When `default.toml` itself is wrong, which a test excludes.
    pub fn embedded() -> Result<Self, Faults> {
        Self::parse(DEFAULT_TOML).map_err(|m| Fault::new("default.toml", Layer::Default, m).into())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
        let notes = notes(text)?;
        let mut leaves = BTreeMap::new();
        flatten("", &table, &mut leaves);
        let mut entries = BTreeMap::new();
        for (key, default) in leaves {
            let (mark, note) = notes
                .get(&key)
                .cloned()
                .ok_or(format!("{key} has no mark"))?;
            let kind = Kind::of(&default).ok_or(format!("{key} has no kind"))?;
            entries.insert(
                key,
                Entry {
                    kind,
                    mark,
                    default,
                    note,
                },
            );
        }
        Ok(Self { entries })
    }

    /// Kind and mark of a key, or `None` when it does not exist.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<(Kind, Mark)> {
        if let Some(alias) = key
            .strip_prefix(ALIASES)
            .and_then(|rest| rest.strip_prefix('.'))
        {
            return (!alias.is_empty()).then_some((Kind::Text, Mark::Site));
        }
        let known = self.entries.get(key).or_else(|| {
            let (name, leaf) = key.strip_prefix("provider.")?.split_once('.')?;
            is_row_name(name).then_some(())?;
            self.entries.get(&format!("{PROVIDER_PATTERN}{leaf}"))
        });
        known.map(|entry| (entry.kind, entry.mark))
    }

    /// The existing key that looks most like an unknown one, for the message.
    #[must_use]
    pub fn nearest(&self, key: &str) -> Option<&str> {
        let leaf = key.rsplit('.').next().unwrap_or(key);
        let shared = |known: &str| common_prefix(known, key) + 2 * common_suffix(known, leaf);
        let best = self.entries.keys().max_by_key(|known| shared(known))?;
        (shared(best) >= 4).then_some(best.as_str())
    }
}

fn common_prefix(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count()
}

fn common_suffix(a: &str, b: &str) -> usize {
    a.bytes()
        .rev()
        .zip(b.bytes().rev())
        .take_while(|(x, y)| x == y)
        .count()
}

fn is_row_name(name: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    (1..=32).contains(&name.len()) && name.bytes().all(fits)
}

/// Puts every leaf of a table under its dotted name; an alias keeps the dots of its own name.
pub(crate) fn flatten(prefix: &str, table: &Table, into: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Table(inner) if prefix != ALIASES => flatten(&key, inner, into),
            leaf => drop(into.insert(key, leaf.clone())),
        }
    }
}

/// Mark and note of each line `key = value # mark: note`.
fn notes(text: &str) -> Result<BTreeMap<String, (Mark, String)>, String> {
    let mut section = String::new();
    let mut notes = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.split(']').next().unwrap_or_default().to_owned();
            continue;
        }
        let Some((key, rest)) = line.split_once(" = ") else {
            continue;
        };
        let comment = rest.rsplit_once("# ").map(|(_, comment)| comment.trim());
        let comment = comment.ok_or(format!("{section}.{key} has no comment"))?;
        let (mark, note) = comment.split_once(':').unwrap_or((comment, ""));
        let mark = match mark {
            "policy" => Mark::Policy,
            "site" => Mark::Site,
            other => return Err(format!("{section}.{key} is marked {other:?}")),
        };
        notes.insert(format!("{section}.{key}"), (mark, note.trim().to_owned()));
    }
    Ok(notes)
}
