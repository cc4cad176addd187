//! The digests of a run's files and of the criteria it was judged by, under one root.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{DIGESTS, EvidenceError, merkle};

/// The version of this layout.
const FORMAT: u32 = 1;

/// What `digests.json` holds; every field is under the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    /// The version of this layout.
    pub format: u32,
    /// The run's folder name.
    pub run: String,
    /// File name to SHA-256 (hex), every file of the folder but this one.
    pub files: BTreeMap<String, String>,
    /// Criterion to SHA-256 (hex) of its text as judged.
    pub criteria: BTreeMap<String, String>,
    /// The Merkle root over all of the above.
    pub root: String,
}

impl Digests {
    /// Digests everything in `folder`.
    ///
    /// # Errors
    /// [`EvidenceError::Refused`] when it cannot be read or holds a folder.
    pub fn of_folder(
        folder: &Path,
        run: &str,
        criteria: BTreeMap<String, String>,
    ) -> Result<Self, EvidenceError> {
        let mut digests = Self {
            format: FORMAT,
            run: run.to_owned(),
            files: files(folder)?,
            criteria,
            root: String::new(),
        };
        digests.root = digests.computed_root();
        Ok(digests)
    }

    /// Refuses a folder that differs in any file from the one digested.
    pub(super) fn check(&self, folder: &Path) -> Result<(), EvidenceError> {
        if self.format != FORMAT {
            return Err(EvidenceError::refused(DIGESTS, "has another format"));
        }
        if self.computed_root() != self.root {
            return Err(EvidenceError::refused(
                DIGESTS,
                "does not hash to its own root",
            ));
        }
        let present = files(folder)?;
        for (name, digest) in &self.files {
            match present.get(name) {
                None => return Err(EvidenceError::refused(name, "is missing")),
                Some(found) if found != digest => {
                    return Err(EvidenceError::refused(name, "was changed after the run"));
                }
                Some(_) => {}
            }
        }
        match present.keys().find(|name| !self.files.contains_key(*name)) {
            Some(added) => Err(EvidenceError::refused(added, "was added after the run")),
            None => Ok(()),
        }
    }

    fn computed_root(&self) -> String {
        let mut leaves = vec![
            format!("format\0{}", self.format),
            format!("run\0{}", self.run),
        ];
        let named =
            |kind: &str, (name, digest): (&String, &String)| format!("{kind}\0{name}\0{digest}");
        leaves.extend(self.files.iter().map(|file| named("file", file)));
        leaves.extend(
            self.criteria
                .iter()
                .map(|criterion| named("criterion", criterion)),
        );
        merkle::root(&leaves)
    }
}

/// Every file of the folder but the digests themselves. A folder inside it is refused: nothing
/// writes one.
fn files(folder: &Path) -> Result<BTreeMap<String, String>, EvidenceError> {
    let unreadable = |name: &str, cause: &std::io::Error| {
        EvidenceError::refused(name, format!("cannot be read: {cause}"))
    };
    let mut found = BTreeMap::new();
    let entries = std::fs::read_dir(folder).map_err(|cause| unreadable(".", &cause))?;
    for entry in entries {
        let entry = entry.map_err(|cause| unreadable(".", &cause))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry
            .file_type()
            .map_err(|cause| unreadable(&name, &cause))?;
        if !kind.is_file() {
            return Err(EvidenceError::refused(name, "is not a file"));
        }
        if name != DIGESTS {
            let digest = digest(&entry.path()).map_err(|cause| unreadable(&name, &cause))?;
            found.insert(name, digest);
        }
    }
    Ok(found)
}

fn digest(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(exai_judge::hex::encode(&hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}
