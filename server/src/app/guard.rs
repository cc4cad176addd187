//! One daemon on one listen address: an advisory lock on a file named after the address.
//!
//! The kernel drops the lock with its process, so a file that a crash left behind blocks nobody.
//! Daemons on Redis are replicas and take no lock; any number of `exai stdio` may run.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Another daemon, or a lock that could not be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum GuardError {
    /// The lock is held.
    #[error(
        "{address}: {holder} serves this address already; stop it, or choose another \
         server.listen (lock {path})"
    )]
    Taken {
        address: SocketAddr,
        holder: String,
        path: PathBuf,
    },
    /// The file cannot be used.
    #[error("{path}: {cause}")]
    File { path: PathBuf, cause: io::Error },
}

/// The lock, held until dropped.
#[derive(Debug)]
pub(super) struct Guard {
    _file: Option<Flock<File>>,
}

impl Guard {
    /// Takes the lock of an address. Port 0 names no address yet and needs none.
    ///
    /// # Errors
    /// `Taken` with the pid of the holder, or what keeps the file from being used.
    pub(super) fn take(folder: &Path, address: SocketAddr) -> Result<Self, GuardError> {
        if address.port() == 0 {
            return Ok(Self { _file: None });
        }
        let path = folder.join(file_name(address));
        let own = std::process::id();
        match lock(&path, own) {
            Ok(file) => Ok(Self { _file: Some(file) }),
            Err(Refused::Held(Some(pid))) if pid == own => {
                // Only in another pid namespace can a process have this pid: a container that
                // shares the folder and not the address.
                tracing::warn!(path = %path.display(), "the lock is held under this very pid");
                Ok(Self { _file: None })
            }
            Err(Refused::Held(pid)) => Err(GuardError::Taken {
                address,
                holder: pid.map_or("another process".to_owned(), |pid| format!("process {pid}")),
                path,
            }),
            Err(Refused::File(cause)) => Err(GuardError::File { path, cause }),
        }
    }
}

enum Refused {
    /// By whom, as far as the file says.
    Held(Option<u32>),
    File(io::Error),
}

impl From<io::Error> for Refused {
    fn from(cause: io::Error) -> Self {
        Self::File(cause)
    }
}

fn lock(path: &Path, own: u32) -> Result<Flock<File>, Refused> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let file = options.open(path)?;
    let mut file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => file,
        Err((file, Errno::EWOULDBLOCK)) => {
            let mut text = String::new();
            file.take(20).read_to_string(&mut text)?;
            return Err(Refused::Held(text.trim().parse().ok()));
        }
        Err((_, errno)) => return Err(io::Error::from(errno).into()),
    };
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{own}")?;
    Ok(file)
}

fn file_name(address: SocketAddr) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '_'
        }
    };
    let address: String = address.to_string().chars().map(plain).collect();
    format!("daemon-{address}.lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_file_and_its_lock_is_free_again_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let (one, six): (SocketAddr, SocketAddr) = (
            "127.0.0.1:8079".parse().unwrap(),
            "[::1]:8079".parse().unwrap(),
        );
        assert_eq!(file_name(one), "daemon-127.0.0.1_8079.lock");
        assert_eq!(file_name(six), "daemon-___1__8079.lock");
        let held = lock(&folder.path().join("l"), 7);
        let again = lock(&folder.path().join("l"), 8);
        assert!(matches!(again, Err(Refused::Held(Some(7)))));
        drop(held);
        assert!(lock(&folder.path().join("l"), 8).is_ok());
        assert!(Guard::take(folder.path(), six).is_ok());
    }

    #[test]
    fn a_lock_held_under_this_pid_does_not_block_and_one_of_another_does() {
        let folder = tempfile::tempdir().unwrap();
        let address: SocketAddr = "127.0.0.1:8079".parse().unwrap();
        let path = folder.path().join(file_name(address));
        let held = lock(&path, std::process::id());
        assert!(held.is_ok());
        assert!(Guard::take(folder.path(), address).is_ok());
        drop(held);
        let _other = lock(&path, 1);
        let refused = Guard::take(folder.path(), address).unwrap_err().to_string();
        assert!(refused.contains("process 1 serves"), "{refused}");
    }
}
