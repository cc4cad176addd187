//! A disk of its own for a server beside the one under judgement, so that it can be full.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use super::beside::{Beside, Other, succeeded};
use super::{Server, ServerError};
use crate::process::Spec;

/// Mounts `$2` as a file system of `$1` bytes and becomes the program that follows.
const MOUNT: &str = r#"mount -t tmpfs -o "size=$1,mode=700" disk "$2" && shift 2 && exec "$@""#;

/// What fills the disk.
const BALLAST: &str = "ballast";

impl Server {
    /// As [`Server::beside`], its state folder on a disk of its own of so many bytes. The disk is
    /// memory, mounted by `unshare` and `mount` of util-linux in namespaces that nobody else sees
    /// and that end with the process.
    ///
    /// # Errors
    /// As [`Server::beside`], also where the kernel gives unprivileged users no namespaces.
    pub async fn beside_on_disk(
        &self,
        other: Other<'_>,
        bytes: u64,
        limit: Duration,
    ) -> Result<Beside, ServerError> {
        let within = |spec, state: &Path| on_disk(spec, state, bytes);
        self.beside_within(other, limit, within).await
    }
}

fn on_disk(spec: Spec, state: &Path, bytes: u64) -> Spec {
    let namespaces = ["--user", "--map-root-user", "--mount", "--propagation"];
    let shell = ["private", "sh", "-c", MOUNT, "sh"];
    let words = namespaces.into_iter().chain(shell).map(OsString::from);
    let disk = [bytes.to_string().into(), state.into(), spec.program.into()];
    Spec {
        program: "unshare".into(),
        args: words.chain(disk).chain(spec.args).collect(),
        ..spec
    }
}

impl Beside {
    /// Fills the disk of its own to the last block.
    ///
    /// # Errors
    /// When it has none, or nothing can be written there.
    pub async fn fill_disk(&self) -> io::Result<()> {
        let inside = self.inside()?;
        if fs::metadata(&inside)?.dev() == fs::metadata(self.state())?.dev() {
            return Err(io::Error::other(
                "its state folder is on no disk of its own",
            ));
        }
        let all = r#"cat /dev/zero >"$1" 2>/dev/null; test -s "$1""#;
        self.to_ballast("sh", &["-c", all, "sh"]).await
    }

    /// Gives back what [`Self::fill_disk`] took.
    ///
    /// # Errors
    /// When it has ended, or nothing was taken.
    pub async fn free_disk(&self) -> io::Result<()> {
        self.to_ballast("rm", &[]).await
    }

    /// Only its own user is somebody in its namespaces.
    async fn to_ballast(&self, program: &str, words: &[&str]) -> io::Result<()> {
        let mut command = Self::command_of_its_user(program);
        command.args(words).arg(self.inside()?.join(BALLAST));
        succeeded(&mut command).await
    }

    /// Its state folder as it sees it.
    fn inside(&self) -> io::Result<PathBuf> {
        let gone = || io::Error::other("it has ended");
        let pid = self.row().ok_or_else(gone)?.pid;
        let state = self.state().strip_prefix("/").unwrap_or(self.state());
        Ok(Path::new("/proc")
            .join(pid.to_string())
            .join("root")
            .join(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_goes_on_its_disk_with_its_own_words() {
        let mut spec = Spec::new("server", Path::new("/bin/exai"), Path::new("/work"));
        spec.args = vec!["serve".into()];
        let wrapped = on_disk(spec, Path::new("/state"), 7);
        let words: Vec<_> = wrapped
            .args
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        assert_eq!(wrapped.program, Path::new("unshare"));
        assert_eq!(
            words[words.len() - 4..],
            ["7", "/state", "/bin/exai", "serve"]
        );
    }
}
