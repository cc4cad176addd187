//! Instructions of an operator in place of the embedded ones: `NAME.md` of one folder.
//!
//! A file that cannot be used is kept as its reason and costs the tools that need it, no others.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Bytes of one file.
const MOST_BYTES: u64 = 64 * 1024;

/// What became of each file, by its name without `.md`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompts(BTreeMap<String, Result<String, String>>);

impl Prompts {
    /// Reads every `.md` file of a folder; without a folder there are none.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn read(folder: &str) -> io::Result<Self> {
        let mut prompts = BTreeMap::new();
        if folder.is_empty() {
            return Ok(Self(prompts));
        }
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str());
            let is_prompt = path.extension().is_some_and(|extension| extension == "md");
            if let Some(name) = name.filter(|_| is_prompt) {
                prompts.insert(name.to_owned(), text_of(&path));
            }
        }
        Ok(Self(prompts))
    }

    /// The text under a name, or why there is none; `None` when no file has the name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Result<&str, &str>> {
        let found = self.0.get(name)?;
        Some(found.as_deref().map_err(String::as_str))
    }

    /// Every name with its text or the reason.
    pub fn all(&self) -> impl Iterator<Item = (&str, Result<&str, &str>)> {
        self.0.iter().map(|(name, found)| {
            let found = found.as_deref().map_err(String::as_str);
            (name.as_str(), found)
        })
    }
}

fn text_of(path: &Path) -> Result<String, String> {
    let read = || {
        let mut text = String::new();
        let file = File::open(path)?;
        file.take(MOST_BYTES + 1).read_to_string(&mut text)?;
        io::Result::Ok(text)
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The reason is shown to callers, so it names the file and not its folder.
    let text = read().map_err(|error| format!("its instruction {name}: {}", error.kind()))?;
    if text.trim().is_empty() {
        return Err(format!("its instruction {name} is empty"));
    }
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("its instruction {name} is over {MOST_BYTES} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_its_text_or_its_own_reason() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        };
        write("chat.md", b"Answer in rhyme.");
        write("debug.md", b" \n");
        write("analyze.md", b"\xff\xfe");
        write("testgen.md", &[b'x'; 70_000]);
        write("notes.txt", b"no instruction");
        let prompts = Prompts::read(folder.path().to_str().unwrap()).unwrap();
        assert_eq!(prompts.get("chat"), Some(Ok("Answer in rhyme.")));
        for (name, part) in [
            ("debug", "empty"),
            ("analyze", "analyze.md"),
            ("testgen", "65536"),
        ] {
            let reason = prompts.get(name).unwrap().unwrap_err();
            assert!(reason.contains(part), "{reason}");
            assert!(!reason.contains('/'), "{reason}");
        }
        assert_eq!(prompts.all().count(), 4);
        assert!(Prompts::read("/no/such/folder").is_err());
        assert_eq!(Prompts::read("").unwrap(), Prompts::default());
    }
}
