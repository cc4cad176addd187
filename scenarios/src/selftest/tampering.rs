//! The record of the honest control with one byte changed, or forged and sealed anew: whoever reads
//! it must refuse it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use exai_judge::verdict::Exit;

use super::resealed::{FILES, FORGERIES, forge};

/// What is wrong: files of the record of which a changed byte went unnoticed, a forgery that was
/// believed, or a record that is refused as it is. Empty when exactly the changed ones are.
pub(super) fn misses(run: &Path) -> Vec<String> {
    let tried = || -> Result<Vec<String>, String> {
        if is_refused(run)? {
            return Ok(vec!["the record is refused as it is".to_owned()]);
        }
        let mut missed = Vec::new();
        for file in files(run)? {
            let whole = std::fs::read(&file).map_err(|error| error.to_string())?;
            let changed = with_byte(&whole);
            std::fs::write(&file, changed).map_err(|error| error.to_string())?;
            if !is_refused(run)? {
                missed.push(format!("{} with one byte changed", file.display()));
            }
            std::fs::write(&file, whole).map_err(|error| error.to_string())?;
        }
        for forgery in &FORGERIES {
            let kept = FILES.map(|file| (run.join(file), std::fs::read(run.join(file))));
            forge(run, forgery)?;
            if !is_refused(run)? {
                missed.push(format!("{}: {}", run.display(), forgery.0));
            }
            for (file, whole) in kept {
                let restored = whole.and_then(|whole| std::fs::write(file, whole));
                restored.map_err(|error| error.to_string())?;
            }
        }
        Ok(missed)
    };
    tried().unwrap_or_else(|why| vec![why])
}

/// The files of a record, those in folders of it too, and at least one.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(format!("{}: there is nothing to change", folder.display()));
    }
    Ok(found)
}

/// The middle byte with its lowest bit turned.
fn with_byte(whole: &[u8]) -> Vec<u8> {
    let mut changed = whole.to_vec();
    match changed.get_mut(whole.len() / 2) {
        Some(byte) => *byte ^= 1,
        None => changed.push(b' '),
    }
    changed
}

/// Whether `verify judge` refuses a record.
fn is_refused(run: &Path) -> Result<bool, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let status = Command::new(own)
        .args(["judge", "--quiet"])
        .arg(run)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let code = status.map_err(|error| error.to_string())?.code();
    Ok(code == Some(i32::from(Exit::Refused as u8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_byte_is_another_and_an_empty_file_gets_one() {
        assert_eq!(with_byte(b"abc"), b"acc");
        assert_eq!(with_byte(b""), b" ");
    }

    #[test]
    fn the_files_of_folders_count_and_nothing_is_no_record() {
        let folder = tempfile::tempdir().unwrap();
        assert!(files(folder.path()).is_err());
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("inner/one"), "1").unwrap();
        std::fs::write(folder.path().join("two"), "2").unwrap();
        assert_eq!(files(folder.path()).unwrap().len(), 2);
    }
}
