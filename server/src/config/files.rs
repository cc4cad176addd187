//! `[files]`: what a call may read, what is stored and for how long.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::section::Server;
use super::{Config, duration};

/// `[files]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Folders readable by path.
    pub roots: Vec<PathBuf>,
    /// Bytes of one file of a call.
    pub file_bytes: usize,
    /// Bytes of all files of one call.
    pub call_bytes: usize,
    /// Bytes of all images of one call.
    pub image_bytes: usize,
    /// Bytes of steps, files and images kept by one workflow.
    pub workflow_bytes: usize,
    /// Where stored files are; empty means `files` in the state folder.
    pub dir: String,
    /// Bytes of one stored file.
    pub stored_bytes: u64,
    /// Bytes that one caller is storing at one time.
    pub set_bytes: u64,
    /// Bytes of all stored files.
    pub total_bytes: u64,
    /// Files one caller may store in 24 hours.
    pub day_files: u64,
    /// Bytes one caller may store in 24 hours.
    pub day_bytes: u64,
    /// Uploads at once, from callers and to providers each.
    pub uploads: usize,
    /// One upload.
    #[serde(deserialize_with = "duration::one")]
    pub upload_timeout: Duration,
    /// A smaller text goes into the question itself.
    pub embed_below: u64,
    /// From this size an upload to a provider is read piece by piece.
    pub gateway_from: u64,
    /// Bytes of one file's text that a model is shown.
    pub shown_bytes: usize,
    /// Bytes of the largest file for Kimi.
    pub kimi_bytes: u64,
    /// Bytes of the largest file for GLM.
    pub glm_bytes: u64,
    /// Bytes of the largest file read as a resource.
    pub read_bytes: usize,
    /// A stored file is dropped when unused for this long.
    #[serde(deserialize_with = "duration::one")]
    pub retention: Duration,
    /// A local copy that a provider could give back is dropped when unused for this long.
    #[serde(deserialize_with = "duration::one")]
    pub cache: Duration,
    /// Between two clean-ups.
    #[serde(deserialize_with = "duration::one")]
    pub sweep: Duration,
    /// Extensions never stored.
    pub blocked: Vec<String>,
    /// Types that are stored; `*` at the end stands for anything.
    pub types: Vec<String>,
}

impl Files {
    /// Where stored files are.
    #[must_use]
    pub fn folder(&self, server: &Server) -> PathBuf {
        match self.dir.as_str() {
            "" => server.state_dir().join("files"),
            dir => PathBuf::from(dir),
        }
    }
}

/// Relations between the keys of this section, as key and sentence.
pub(super) fn broken(config: &Config) -> Vec<(&'static str, &'static str)> {
    let files = &config.files;
    let table = [
        (
            files.stored_bytes == 0,
            "files.stored_bytes",
            "must be at least 1",
        ),
        (files.uploads == 0, "files.uploads", "must be at least 1"),
        (
            files.upload_timeout.is_zero(),
            "files.upload_timeout",
            "must be longer than 0",
        ),
        (
            files.sweep.is_zero(),
            "files.sweep",
            "must be longer than 0",
        ),
        (
            files.set_bytes < files.stored_bytes,
            "files.set_bytes",
            "must not be below files.stored_bytes, or no file of that size could be stored",
        ),
        (
            files.total_bytes < files.stored_bytes,
            "files.total_bytes",
            "must not be below files.stored_bytes, or no file of that size could be stored",
        ),
        (
            files.gateway_from < files.embed_below,
            "files.gateway_from",
            "must not be below files.embed_below",
        ),
        (
            files.embed_below > files.shown_bytes as u64,
            "files.embed_below",
            "must not exceed files.shown_bytes",
        ),
    ];
    let broken = table.into_iter().filter(|(is_broken, ..)| *is_broken);
    broken.map(|(_, key, message)| (key, message)).collect()
}
