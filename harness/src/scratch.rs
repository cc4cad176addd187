//! The run's private folder for what the judged processes read and write: configuration, state,
//! copies of executables. It is never the evidence folder, which they may not see.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::process::Nobody;

/// A folder that goes away with the run.
pub struct Scratch {
    folder: TempDir,
    user: Option<Nobody>,
}

impl Scratch {
    /// A fresh folder with a random name. Its entries can be reached by name but not listed by
    /// others, and each subfolder belongs to `user`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(user: Option<Nobody>) -> io::Result<Self> {
        // By the path that an engine tells of it too.
        let within = std::env::temp_dir().canonicalize()?;
        let folder = tempfile::Builder::new().prefix("r").tempdir_in(within)?;
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711))?;
        Ok(Self { folder, user })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A subfolder that belongs to the judged processes' user alone.
    ///
    /// # Errors
    /// The operating system's.
    pub fn folder(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path().join(name);
        std::fs::create_dir_all(&path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o700))?;
        self.hand_over(&path)?;
        Ok(path)
    }

    /// A file the judged processes may read; replaced if it is there, at one moment: whoever looks
    /// sees the old one or the new one, whole and readable.
    ///
    /// # Errors
    /// The operating system's.
    pub fn file(&self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.path().join(name);
        let fresh = self.path().join(format!("{name}.new"));
        write_private(&fresh, content)?;
        self.hand_over(&fresh)?;
        std::fs::rename(&fresh, &path)?;
        Ok(path)
    }

    /// Leaves the folder where it is, for somebody to look into, and says where.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    fn hand_over(&self, path: &Path) -> io::Result<()> {
        self.user.map_or(Ok(()), |user| user.own(path))
    }
}

/// Writes a file of mode 0600, replacing what was there.
///
/// # Errors
/// The operating system's.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_file_is_private_and_goes_away_with_the_folder() {
        let scratch = Scratch::new(None).unwrap();
        let path = scratch.file("server.toml", b"one").unwrap();
        scratch.file("server.toml", b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(scratch);
        assert!(!path.exists());
    }
}
