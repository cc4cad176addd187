//! The content of stored files on disk, one file for each digest. A file appears whole or not at
//! all: it is written elsewhere, put on disk, and then given its name.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::digest::Digest;
use super::fault::FileError;
use super::kind::Look;

/// Bytes read at once.
const BLOCK: usize = 8 * 1024;

/// The folder of contents and the one of files that are still coming in.
#[derive(Debug, Clone)]
pub struct Blobs {
    whole: PathBuf,
    coming: PathBuf,
}

/// A file that is coming in; gone again unless it is kept.
#[derive(Debug)]
pub struct Incoming {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    look: Look,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // What was kept is no longer under this name.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Incoming {
    /// Takes the next piece.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.hasher.update(piece);
        self.look.at(piece);
        self.file.write_all(piece).await
    }

    /// What has passed by.
    #[must_use]
    pub const fn look(&self) -> &Look {
        &self.look
    }

    /// The digest of what came so far.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::finished(self.hasher.clone())
    }
}

impl Blobs {
    /// Opens or makes the folders, for their owner alone.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn open(root: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let blobs = Self {
            whole: root.join("content"),
            coming: root.join("incoming"),
        };
        for folder in [&blobs.whole, &blobs.coming] {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        Ok(blobs)
    }

    /// Where a content is, or would be.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let (start, rest) = digest.as_str().split_at(2);
        self.whole.join(start).join(rest)
    }

    /// Begins a file.
    ///
    /// # Errors
    /// When there is no place to write.
    pub async fn begin(&self) -> io::Result<Incoming> {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let path = self.coming.join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .await?;
        Ok(Incoming {
            path,
            file,
            hasher: Sha256::new(),
            look: Look::default(),
        })
    }

    /// Gives a whole file its name; what stands there under this digest is replaced.
    ///
    /// # Errors
    /// When it cannot be put on disk.
    pub async fn keep(&self, mut incoming: Incoming) -> io::Result<Digest> {
        let digest = incoming.digest();
        let path = self.path(&digest);
        incoming.file.flush().await?;
        incoming.file.sync_all().await?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).await?;
            fs::rename(&incoming.path, &path).await?;
            // The name is on disk only when its folder is.
            File::open(folder).await?.sync_all().await?;
        }
        Ok(digest)
    }

    /// Opens a content, after its digest was found right; `None` when it is not here.
    ///
    /// # Errors
    /// `Damaged`, or what keeps it from being read.
    pub async fn open_checked(&self, digest: &Digest) -> Result<Option<File>, FileError> {
        let mut file = match File::open(self.path(digest)).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (mut hasher, mut block) = (Sha256::new(), vec![0; BLOCK]);
        loop {
            let read = file.read(&mut block).await?;
            if read == 0 {
                break;
            }
            hasher.update(block.get(..read).unwrap_or_default());
        }
        if Digest::finished(hasher) != *digest {
            return Err(FileError::Damaged);
        }
        tokio::io::AsyncSeekExt::rewind(&mut file).await?;
        Ok(Some(file))
    }

    /// Whether a content is on disk, damaged or not.
    pub async fn has(&self, digest: &Digest) -> bool {
        fs::try_exists(self.path(digest)).await.unwrap_or(false)
    }

    /// Removes a content; one that is not there is none the worse for it.
    ///
    /// # Errors
    /// When it is there and stays.
    pub async fn remove(&self, digest: &Digest) -> io::Result<()> {
        match fs::remove_file(self.path(digest)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Removes what began to come in longer ago than `age` and never became whole.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn remove_abandoned(&self, age: Duration) -> io::Result<u64> {
        let mut removed = 0;
        let mut entries = fs::read_dir(&self.coming).await?;
        while let Some(entry) = entries.next_entry().await? {
            if is_older(&entry, age).await && fs::remove_file(entry.path()).await.is_ok() {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// The digests of contents that came longer ago than `age`, `most` at most.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub async fn older(&self, age: Duration, most: usize) -> io::Result<Vec<Digest>> {
        let mut found = Vec::new();
        let mut folders = fs::read_dir(&self.whole).await?;
        while let Some(folder) = folders.next_entry().await? {
            let start = folder.file_name().to_string_lossy().into_owned();
            let mut entries = fs::read_dir(folder.path()).await?;
            while let Some(entry) = entries.next_entry().await? {
                let name = format!("{start}{}", entry.file_name().to_string_lossy());
                let Ok(digest) = name.parse() else { continue };
                if is_older(&entry, age).await {
                    found.push(digest);
                }
                if found.len() >= most {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}

async fn is_older(entry: &fs::DirEntry, age: Duration) -> bool {
    let Ok(about) = entry.metadata().await else {
        return false;
    };
    let since = about
        .modified()
        .map(|at| SystemTime::now().duration_since(at));
    matches!(since, Ok(Ok(since)) if since > age)
}
