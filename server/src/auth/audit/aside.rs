//! Older audit files: `FILE.N`, N being the number of lines of the chain up to its end. None is
//! ever removed here.

use std::io;
use std::path::{Path, PathBuf};

/// The older files that are there, oldest first.
pub(super) fn older(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder.unwrap_or(Path::new(".")))? {
        let number = number(path, &entry?.file_name().to_string_lossy());
        found.extend(number.map(|number| (number, numbered(path, number))));
    }
    found.sort();
    Ok(found)
}

fn number(path: &Path, name: &str) -> Option<u64> {
    let own = path.file_name()?.to_string_lossy();
    let rest = name.strip_prefix(&*own)?.strip_prefix('.')?;
    let number: u64 = rest.parse().ok()?;
    // Not `FILE.07` or `FILE.+7`.
    (number.to_string() == rest).then_some(number)
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Sets the file aside, whose last line is this one of the chain. One that was moved away already
/// is no matter.
pub(super) fn set(path: &Path, count: u64) -> io::Result<()> {
    match std::fs::rename(path, numbered(path, count)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
