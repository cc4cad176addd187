//! A wall clock that can be stepped while the machine's stands: libfaketime, loaded before the C
//! library of a process, adds to the time of day what a file says. Durations stay the machine's.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Debian package that it comes with.
pub const PACKAGE: &str = "libfaketime";
/// Where distributions put it, below the folder of each architecture or beside it.
const FOLDERS: [&str; 2] = ["/usr/lib", "/usr/lib64"];
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
/// The variable that names the file, as every other that a process needs to stand behind it.
const FILE: &str = "FAKETIME_TIMESTAMP_FILE";
const PRELOAD: &str = "LD_PRELOAD";
/// How long a process goes by what it read, in seconds, the least there is.
const READ_AGAIN: (&str, &str) = ("FAKETIME_CACHE_DURATION", "1");
const DURATIONS_STAY: (&str, &str) = ("FAKETIME_DONT_FAKE_MONOTONIC", "1");

/// The library, where it is installed.
#[must_use]
pub fn library() -> Option<PathBuf> {
    let beside = FOLDERS.iter().map(|folder| Path::new(folder).join(LIBRARY));
    let below = std::fs::read_dir(FOLDERS[0]);
    let below = below.into_iter().flatten().flatten();
    let below = below.map(|entry| entry.path().join(LIBRARY));
    beside.chain(below).find(|path| path.is_file())
}

/// What a process needs in its environment to go by `file`.
#[must_use]
pub fn variables(library: &Path, file: &Path) -> Vec<(String, String)> {
    let path = |path: &Path| path.display().to_string();
    [
        (PRELOAD, path(library)),
        (FILE, path(file)),
        (READ_AGAIN.0, READ_AGAIN.1.to_owned()),
        (DURATIONS_STAY.0, DURATIONS_STAY.1.to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// The file that this process goes by, if it stands behind such a clock.
#[must_use]
pub fn own_file() -> Option<PathBuf> {
    std::env::var_os(FILE).map(PathBuf::from)
}

/// Starts a command by the machine's clock, whatever this process goes by.
pub fn without(command: &mut Command) {
    command.env_remove(PRELOAD).env_remove(FILE);
}

/// Puts the clock so many seconds before or behind the machine's; each process sees it within two.
///
/// # Errors
/// When the file cannot be written.
pub fn step(file: &Path, seconds: i64) -> io::Result<()> {
    std::fs::write(file, text(seconds))
}

fn text(seconds: i64) -> String {
    format!("{seconds:+}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_its_sign_and_a_process_needs_four_variables() {
        assert_eq!([text(30), text(-30), text(0)], ["+30\n", "-30\n", "+0\n"]);
        let needed = variables(Path::new("/l.so"), Path::new("/f"));
        let names: Vec<&str> = needed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [PRELOAD, FILE, READ_AGAIN.0, DURATIONS_STAY.0]);
        assert_eq!(own_file(), None, "this test stands behind none");
    }
}
