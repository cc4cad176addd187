//! What this machine offers: programs, free disk, descriptors. Readings only; what is enough is
//! said where it is needed.

use std::io;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;

/// Looks a program up on PATH.
#[must_use]
pub fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Bytes free for us where `folder` is.
///
/// # Errors
/// The operating system's, such as for a folder that is not there.
pub fn free_disk(folder: &Path) -> io::Result<u64> {
    let stat = statvfs(folder)?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// How many descriptors this process may have open.
///
/// # Errors
/// The operating system's.
pub fn descriptor_limit() -> io::Result<u64> {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(soft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_not_found() {
        assert!(which("sh").is_some());
        assert!(which("no-such-program-anywhere").is_none());
    }

    #[test]
    fn the_disk_of_a_folder_that_is_not_there_is_unknown() {
        assert!(free_disk(Path::new("/")).is_ok());
        assert!(free_disk(Path::new("/no/such/folder")).is_err());
        assert!(descriptor_limit().is_ok_and(|limit| limit > 0));
    }
}
