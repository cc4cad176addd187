//! What a container of the run is made of (judging.md §6, I8).

use serde::{Deserialize, Serialize};

/// A container as it was ordered, and as its engine holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSeen {
    /// Such as `exai-mcp-server`.
    pub name: String,
    /// [`ContainerSeen::START`] or [`ContainerSeen::END`].
    pub moment: String,
    /// What the run asked for.
    pub ordered: Form,
    /// What there is.
    pub held: Form,
    /// Where its root file system differs from its image; in mounted folders nothing counts.
    pub changes: Vec<PathChanged>,
    /// How many more such paths there are.
    pub more_changes: u64,
}

/// What a container is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// The engine's id of the image; a tag identifies nothing.
    pub image: String,
    /// The whole command line, the image's entry point included.
    pub command: Vec<String>,
    /// SHA-256 (hex) of the environment's `NAME=value`, sorted, with a NUL between, since it holds
    /// secrets.
    pub environment_sha256: String,
    /// The working directory; empty where none is named.
    pub cwd: String,
    /// Sorted by place.
    pub mounts: Vec<Mount>,
}

/// A folder that is not of the image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mount {
    /// Where it is seen in the container.
    pub to: String,
    /// `bind`, `tmpfs`, `volume`, …
    pub kind: String,
    /// Which folder of the machine it is; empty for one in memory.
    pub from: String,
    /// Whether the container may write to it.
    pub is_writable: bool,
}

/// A path of the root file system that is not as in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathChanged {
    /// The path.
    pub path: String,
    /// How.
    pub how: Change,
}

/// How a path differs from the image's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is not in the image.
    Added,
    /// It is in both; for a folder, something in it differs.
    Modified,
    /// It is only in the image.
    Deleted,
}

impl ContainerSeen {
    /// Once all containers of the run stand.
    pub const START: &str = "start";
    /// Before they are removed.
    pub const END: &str = "end";

    /// In words, each way in which it is not what was ordered. Folders that the engine makes for
    /// the mounts and the working directory are no difference.
    #[must_use]
    pub fn differences(&self) -> Vec<String> {
        let (ordered, held) = (&self.ordered, &self.held);
        let mut told = Vec::new();
        if ordered.image != held.image {
            told.push(format!(
                "was of image {}, not {}",
                held.image, ordered.image
            ));
        }
        if ordered.command != held.command {
            let (held, ordered) = (held.command.join(" "), ordered.command.join(" "));
            told.push(format!("ran `{held}`, not `{ordered}`"));
        }
        if ordered.cwd != held.cwd {
            told.push(format!("ran in {:?}, not in {:?}", held.cwd, ordered.cwd));
        }
        if ordered.environment_sha256 != held.environment_sha256 {
            told.push("had another environment than it was given".to_owned());
        }
        let only = |these: &[Mount], those: &[Mount]| -> Vec<String> {
            let missing = these.iter().filter(|mount| !those.contains(mount));
            missing.map(Mount::shown).collect()
        };
        let extra = only(&held.mounts, &ordered.mounts).into_iter();
        told.extend(extra.map(|mount| format!("had {mount} mounted")));
        let missing = only(&ordered.mounts, &held.mounts).into_iter();
        told.extend(missing.map(|mount| format!("lacked {mount}")));
        let mounts = ordered.mounts.iter().map(|mount| mount.to.as_str());
        let made: Vec<&str> = mounts.chain([ordered.cwd.as_str()]).collect();
        let is_made = |change: &PathChanged| {
            let is_there = made.iter().any(|place| is_on_the_way(&change.path, place));
            change.how != Change::Deleted && is_there
        };
        let strange = self.changes.iter().filter(|change| !is_made(change));
        let strange = strange.map(|change| (change.path.as_str(), change.how.word()));
        told.extend(strange.map(|(path, how)| format!("is not its image: {path} was {how}")));
        if self.more_changes > 0 {
            told.push(format!(
                "is not its image at {} more paths",
                self.more_changes
            ));
        }
        told
    }
}

impl Change {
    const fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
        }
    }
}

impl Mount {
    fn shown(&self) -> String {
        let mode = if self.is_writable { "rw" } else { "ro" };
        format!("{} {}:{} ({mode})", self.kind, self.from, self.to)
    }
}

/// Whether a path is that place or a folder above it.
fn is_on_the_way(path: &str, place: &str) -> bool {
    let rest = place.strip_prefix(path.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
