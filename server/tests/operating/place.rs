//! Where things are in this repository, and the files in it that are drawn from others.

use std::path::PathBuf;

/// A path under the repository's root.
pub fn at(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

/// A file's text.
pub fn text_of(path: &str) -> String {
    std::fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Holds a drawn file to what it must be; `EXAI_WRITE_DOCS=1` writes it.
pub fn drawn(path: &str, wanted: &str) {
    if std::env::var_os("EXAI_WRITE_DOCS").is_some() {
        std::fs::write(at(path), wanted).unwrap();
    }
    let found = std::fs::read_to_string(at(path)).unwrap_or_default();
    assert!(
        found == wanted,
        "{path} is out of date; EXAI_WRITE_DOCS=1 writes it"
    );
}
