//! The client's file on disk: what it would become, and the change with a copy of what was there.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Client, ConnectError, Wish, jsonc, toml_text};

/// A file before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is there; empty when nothing is.
    pub before: String,
    /// What should be there.
    pub after: String,
}

impl Change {
    /// The change that puts the entry into a file.
    ///
    /// # Errors
    /// When the file cannot take it.
    pub fn of(client: &Client, wish: &Wish, before: String) -> Result<Self, ConnectError> {
        let entry = client.entry(wish);
        let mut after = if client.is_toml() {
            toml_text::with_table(&before, &client.at, &entry)?
        } else {
            jsonc::with_value(&before, &client.at, &Value::Object(entry))?
        };
        if let Some(key) = &client.inputs {
            after = with_asked(after, key, client.asked(wish))?;
        }
        Ok(Self { before, after })
    }

    /// The lines that differ, each with its sign: the common ones at both ends left out.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let (old, new): (Vec<_>, Vec<_>) =
            (self.before.lines().collect(), self.after.lines().collect());
        let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
            pairs.take_while(|(old, new)| old == new).count()
        };
        let head = same(&mut old.iter().zip(&new));
        let most = old.len().min(new.len()) - head;
        let tail = same(&mut old.iter().rev().zip(new.iter().rev())).min(most);
        let signed = |sign: char, lines: &[&str]| -> Vec<String> {
            let middle = &lines[head..lines.len() - tail];
            middle.iter().map(|line| format!("{sign} {line}")).collect()
        };
        [signed('-', &old), signed('+', &new)].concat()
    }

    /// Writes the file. What was there is kept beside it under a name with `stamp`; a link is
    /// followed, and the permissions stay. The copy's path, when there was anything to keep.
    ///
    /// # Errors
    /// What the disk refuses; the file is then as before.
    pub fn write(&self, path: &Path, stamp: &str) -> io::Result<Option<PathBuf>> {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let beside = |ending: &str| {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(format!(".exai-{stamp}.{ending}"));
            folder.join(name)
        };
        let kept = path.exists().then(|| beside("bak"));
        if let Some(kept) = &kept {
            std::fs::copy(&path, kept)?;
        }
        let fresh = beside("new");
        std::fs::write(&fresh, &self.after)?;
        if let Ok(old) = std::fs::metadata(&path) {
            std::fs::set_permissions(&fresh, old.permissions())?;
        }
        std::fs::rename(&fresh, &path)?;
        Ok(kept)
    }
}

/// The list of questions with ours added; one that is there already stays as it is.
fn with_asked(text: String, key: &str, asked: Vec<Value>) -> Result<String, ConnectError> {
    let read = jsonc::read(&text)?;
    let mut all = match read.get(key) {
        None => Vec::new(),
        Some(Value::Array(all)) => all.clone(),
        Some(_) => return Err(ConnectError::NoTable(key.to_owned())),
    };
    let is_new = |one: &Value| all.iter().all(|old| old["id"] != one["id"]);
    let fresh: Vec<Value> = asked.into_iter().filter(is_new).collect();
    if fresh.is_empty() {
        return Ok(text);
    }
    all.extend(fresh);
    jsonc::with_value(&text, &[key.to_owned()], &Value::Array(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_shows_what_is_added_and_removed_alone() {
        let change = |before: &str, after: &str| {
            let (before, after) = (before.to_owned(), after.to_owned());
            Change { before, after }.lines()
        };
        assert_eq!(change("a\nb\nc\n", "a\nx\ny\nc\n"), ["- b", "+ x", "+ y"]);
        assert_eq!(change("a\na\n", "a\n"), ["- a"]);
        assert_eq!(change("", "a\n"), ["+ a"]);
        assert!(change("a\n", "a\n").is_empty());
    }
}
