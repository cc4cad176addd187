//! Files as arguments: content in the call, a file stored before, or a path this server may read.
//!
//! Over stdio the working directory is readable; elsewhere only what `files.roots` names. A path
//! that may not be read and one that does not exist are refused in the same words, so that an
//! argument cannot be used to look around.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::Files;
use crate::failure::{Category, Failure};
use crate::files::digest::PREFIX;
use crate::files::{Digest, FileError, FileStore};
use crate::protocol::caller::{Caller, Transport};

/// A file's text and the name a model knows it by.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileText {
    /// As the caller wrote it, on one line.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// A file's bytes.
pub(crate) struct FileBytes {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Which folders a call may read, and how much.
#[derive(Debug, Clone)]
pub struct Reader {
    roots: Vec<PathBuf>,
    limits: Files,
    store: Option<(FileStore, Caller)>,
}

impl Reader {
    /// The folders for one transport, resolved.
    #[must_use]
    pub fn new(transport: Transport, configured: &Files) -> Self {
        let own = match transport {
            Transport::Stdio => std::env::current_dir().ok(),
            Transport::Http | Transport::WebSocket => None,
        };
        let all = own.iter().chain(&configured.roots);
        // A folder that does not exist makes nothing readable.
        let roots = all.filter_map(|root| root.canonicalize().ok()).collect();
        Self::within(roots, configured)
    }

    /// These folders and no others.
    #[must_use]
    pub fn within(roots: Vec<PathBuf>, configured: &Files) -> Self {
        let limits = configured.clone();
        Self {
            roots,
            limits,
            store: None,
        }
    }

    /// The same, and the files that `caller` has stored.
    #[must_use]
    pub fn with_store(self, store: FileStore, caller: &Caller) -> Self {
        let store = Some((store, caller.clone()));
        Self { store, ..self }
    }

    /// Bytes of all images of one call.
    #[must_use]
    pub const fn image_bytes(&self) -> usize {
        self.limits.image_bytes
    }

    /// Reads the files of one argument; `at` is its JSON pointer.
    ///
    /// # Errors
    /// `file_not_readable`, `file_too_large`, `file_not_text` with the pointer of the item.
    pub async fn texts(&self, items: &[Value], at: &str) -> Result<Vec<FileText>, Failure> {
        let mut files = Vec::with_capacity(items.len());
        let mut total = 0;
        for (n, item) in items.iter().enumerate() {
            let at = format!("{at}/{n}");
            let file = match inline(item) {
                Some((name, content)) => FileText {
                    name: one_line(name),
                    text: content.to_owned(),
                },
                None => into_text(self.path(item, &at, self.limits.file_bytes).await?, &at)?,
            };
            total += file.text.len();
            if total > self.limits.call_bytes {
                let most = self.limits.call_bytes;
                let limit = format!("the files of one call may hold {most} bytes together");
                return Err(too_large(&at, &limit));
            }
            files.push(file);
        }
        Ok(files)
    }

    /// The folder a path names, where this call may read it; without a path the first readable one.
    pub(crate) async fn folder(&self, path: Option<&str>) -> Option<PathBuf> {
        let Some(path) = path else {
            return self.roots.first().cloned();
        };
        for root in &self.roots {
            // Resolved first, so that neither `..` nor a link leads outside.
            let Ok(resolved) = tokio::fs::canonicalize(root.join(path)).await else {
                continue;
            };
            let is_inside = self.roots.iter().any(|root| resolved.starts_with(root));
            if is_inside && resolved.is_dir() {
                return Some(resolved);
            }
        }
        None
    }

    /// Reads one item that is a path, `most` bytes at most.
    pub(crate) async fn path(
        &self,
        item: &Value,
        at: &str,
        most: usize,
    ) -> Result<FileBytes, Failure> {
        let Some(path) = item.as_str() else {
            let message = format!("{at}: give a path, {{name, content}} or {PREFIX}<sha256>.");
            return Err(Failure::validation(at, message));
        };
        if path.starts_with("exai://") {
            return self.stored(path, at, most).await;
        }
        let (roots, owned, at) = (self.roots.clone(), PathBuf::from(path), at.to_owned());
        let name = one_line(path);
        // Reading a file blocks; a slow disk must not hold up other calls.
        let read = move || read_inside(&roots, &owned, &at, most);
        let bytes = tokio::task::spawn_blocking(read).await.map_err(|error| {
            Failure::new(
                Category::ServerError,
                "file_reader",
                "A file could not be read.",
            )
            .with_cause(error)
        })??;
        Ok(FileBytes { name, bytes })
    }
}

/// What callers have stored, and where they may have it written.
impl Reader {
    async fn stored(&self, uri: &str, at: &str, most: usize) -> Result<FileBytes, Failure> {
        let found = async {
            let digest = Digest::of_uri(uri).ok_or(FileError::NotFound)?;
            let (store, caller) = self.store.as_ref().ok_or(FileError::NotFound)?;
            let holder = super::run::holder_of(caller);
            let held = store.find(holder, &digest).await?;
            let bytes = store.read(holder, &held, most).await?;
            let name = held.name;
            Ok::<_, FileError>(FileBytes { name, bytes })
        };
        found.await.map_err(|error| error.at(at))
    }

    /// Where a file may be written: `path` itself, or `name` inside it when it is a folder.
    pub(super) fn destination(&self, path: &str, name: &str) -> Result<PathBuf, Failure> {
        let refused = || {
            let message = "/destination: this server may not write there. Over stdio name a file \
                           inside the working directory or files.roots; elsewhere leave \
                           destination out and read the resource.";
            Failure::validation("/destination", message).with_code("destination_refused")
        };
        let is_stdio = |(_, caller): &(FileStore, Caller)| caller.transport == Transport::Stdio;
        if !self.store.as_ref().is_some_and(is_stdio) || path.contains('\0') {
            return Err(refused());
        }
        let base = Path::new(name).file_name().unwrap_or_default();
        let target = |root: &PathBuf| {
            let joined = root.join(path);
            let whole = if joined.is_dir() {
                joined.join(base)
            } else {
                joined
            };
            let folder = whole.parent()?.canonicalize().ok()?;
            let is_inside = self.roots.iter().any(|root| folder.starts_with(root));
            // `..` and the like have no name of their own.
            is_inside.then_some(folder.join(whole.file_name()?))
        };
        self.roots.iter().find_map(target).ok_or_else(refused)
    }
}

/// The name and content of an item that carries both.
pub(super) fn inline(item: &Value) -> Option<(&str, &str)> {
    let item = item.as_object()?;
    Some((item.get("name")?.as_str()?, item.get("content")?.as_str()?))
}

fn read_inside(roots: &[PathBuf], path: &Path, at: &str, most: usize) -> Result<Vec<u8>, Failure> {
    let found = roots.iter().find_map(|root| {
        // Resolved first, so that neither `..` nor a link leads outside.
        let resolved = root.join(path).canonicalize().ok()?;
        let is_inside = roots.iter().any(|root| resolved.starts_with(root));
        // A pipe or device could be read for ever.
        (is_inside && resolved.metadata().ok()?.is_file()).then_some(resolved)
    });
    let file = found.and_then(|path| open(&path).ok());
    let Some(file) = file else {
        return Err(not_readable(at));
    };
    let mut bytes = Vec::new();
    file.take(most as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| not_readable(at))?;
    if bytes.len() > most {
        return Err(too_large(at, &format!("one file may hold {most} bytes")));
    }
    Ok(bytes)
}

/// Opens a file that was found to be one. What took its place since is not followed, waited for or
/// read.
fn open(path: &Path) -> std::io::Result<std::fs::File> {
    use nix::fcntl::OFlag;
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(std::io::ErrorKind::InvalidInput.into())
}

fn into_text(file: FileBytes, at: &str) -> Result<FileText, Failure> {
    match String::from_utf8(file.bytes) {
        Ok(text) if !text.contains('\0') => Ok(FileText {
            name: file.name,
            text,
        }),
        _ => {
            let message = format!("{at} is not UTF-8 text. Send images in `images`.");
            Err(Failure::validation(at, message).with_code("file_not_text"))
        }
    }
}

fn not_readable(at: &str) -> Failure {
    let message = format!(
        "{at}: this server may not read that path, or there is nothing there. Send the content \
         instead, as an object {{name, content}}, or connect through `exai bridge`, which sends \
         your files."
    );
    Failure::validation(at, message).with_code("file_not_readable")
}

fn too_large(at: &str, limit: &str) -> Failure {
    Failure::validation(at, format!("{at}: {limit}. Send the part that matters."))
        .with_code("file_too_large")
}

fn one_line(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Files as a model is shown them, after the message they came with.
#[must_use]
pub fn render(files: &[FileText]) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for FileText { name, text } in files {
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "\n\n--- file: {name} ---\n{text}\n--- end of file: {name} ---"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn files(roots: &[&Path]) -> Files {
        let mut files = crate::config::Config::from_toml("").unwrap().files;
        files.roots = roots.iter().map(|root| root.to_path_buf()).collect();
        files
    }

    #[tokio::test]
    async fn only_files_inside_a_root_are_read_and_all_refusals_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("sub/a.rs"), "fn a() {}").unwrap();
        std::fs::write(folder.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), root.join("link")).unwrap();
        let reader = Reader::new(Transport::Http, &files(&[&root]));
        let read = reader.texts(&[json!("sub/a.rs")], "/files").await.unwrap();
        assert_eq!(read[0].text, "fn a() {}");
        let absolute = json!(root.join("sub/../sub/a.rs"));
        assert_eq!(
            reader.texts(&[absolute], "/files").await.unwrap()[0].text,
            "fn a() {}"
        );
        let mut refusals = Vec::new();
        for path in ["../secret", "link", "/etc/passwd", "absent", "sub", "\0"] {
            refusals.push(reader.texts(&[json!(path)], "/files").await.unwrap_err());
        }
        assert!(
            refusals.iter().all(|refusal| *refusal == refusals[0]),
            "{refusals:?}"
        );
        assert_eq!(refusals[0].field.as_deref(), Some("/files/0"));
    }

    #[tokio::test]
    async fn over_http_no_path_is_readable_without_roots() {
        let reader = Reader::new(Transport::Http, &files(&[]));
        let here = reader
            .texts(&[json!("Cargo.toml")], "/files")
            .await
            .unwrap_err();
        assert_eq!(here.code, "file_not_readable");
        let stdio = Reader::new(Transport::Stdio, &files(&[]));
        assert!(stdio.texts(&[json!("Cargo.toml")], "/files").await.is_ok());
    }

    #[tokio::test]
    async fn content_is_taken_as_it_is_and_limits_hold() {
        let reader = Reader::new(Transport::Http, &files(&[]));
        let item = json!({"name": "a\nb.rs", "content": "x"});
        let read = reader.texts(&[item], "/files").await.unwrap();
        assert_eq!(
            read,
            [FileText {
                name: "a b.rs".into(),
                text: "x".into()
            }]
        );
        let big = json!({"name": "big", "content": "x".repeat(2_097_153)});
        let refused = reader.texts(&[big], "/files").await.unwrap_err();
        assert_eq!(refused.code, "file_too_large");
    }
}
