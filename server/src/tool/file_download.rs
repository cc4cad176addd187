//! A stored file given back: as a resource, as text where it fits, and on stdio as a file.

use std::path::PathBuf;

use serde_json::json;

use super::call::{Link, Reply};
use super::pages;
use super::run::Run;
use crate::failure::{Category, Failure};
use crate::files::{Digest, FileStore, Held};

const AT: &str = "/file_id";

/// Characters kept free on a page for what is said about the file.
const TOLD: usize = 1000;

/// Runs the tool.
///
/// # Errors
/// What is not found, damaged, or may not be written there.
pub async fn run(run: Run<'_>) -> Result<Reply, Failure> {
    let store = run.store()?;
    let held = held(&run, store).await?;
    let destination = match run.arguments().text("destination") {
        None => None,
        Some(path) => Some(run.reader().destination(path, &held.name)?),
    };
    let mut structured = json!({
        "uri": held.digest.uri(),
        "sha256": held.digest.as_str(),
        "name": held.name,
        "type": held.kind,
        "bytes": held.bytes,
    });
    let uri = held.digest.uri();
    let mut told = format!(
        "{uri}\n{} · {} · {} bytes",
        held.name, held.kind, held.bytes
    );
    match destination {
        Some(path) => {
            write(&run, store, &held, path.clone()).await?;
            let path = path.display().to_string();
            told.push_str(&format!("\nwritten to {path}"));
            structured["destination"] = path.into();
        }
        None => match text_of(&run, store, &held).await? {
            Some(text) => {
                told.push_str(&format!("\n\n{text}"));
                structured["text"] = text.into();
            }
            None => told.push_str("\nread it as a resource, or with GET /files/ and its sha256"),
        },
    }
    Ok(Reply {
        link: Some(Link {
            uri,
            name: held.name,
            kind: held.kind,
            bytes: held.bytes,
        }),
        structured: Some(structured),
        ..Reply::of_text(told)
    })
}

/// By handle, digest, or the provider's id.
async fn held(run: &Run<'_>, store: &FileStore) -> Result<Held, Failure> {
    let id = run.arguments().text("file_id").unwrap_or_default();
    let digest = Digest::of_uri(id).or_else(|| id.parse().ok());
    let digest = match digest {
        Some(digest) => Some(digest),
        None => store
            .digest_of_copy(id)
            .await
            .map_err(|error| error.at(AT))?,
    };
    let Some(digest) = digest else {
        return Err(crate::files::FileError::NotFound.at(AT));
    };
    let found = store.find(run.holder(), &digest).await;
    found.map_err(|error| error.at(AT))
}

/// The content, where it is text and fits the result. Its digest is checked either way.
async fn text_of(run: &Run<'_>, store: &FileStore, held: &Held) -> Result<Option<String>, Failure> {
    let most = pages::size(&run.around.settings).saturating_sub(TOLD);
    if held.bytes > most as u64 {
        let opened = store.open_content(run.holder(), held).await;
        return opened.map(|_| None).map_err(|error| error.at(AT));
    }
    let read = store.read(run.holder(), held, most).await;
    let bytes = read.map_err(|error| error.at(AT))?;
    let text = String::from_utf8(bytes).ok();
    Ok(text.filter(|text| !text.contains('\0')))
}

/// Writes the content into a file that is not there yet.
async fn write(
    run: &Run<'_>,
    store: &FileStore,
    held: &Held,
    path: PathBuf,
) -> Result<(), Failure> {
    let opened = store.open_content(run.holder(), held).await;
    let mut from = opened.map_err(|error| error.at(AT))?;
    let made = tokio::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .await;
    let mut to = made.map_err(|error| not_written(&error))?;
    let copied = async {
        tokio::io::copy(&mut from, &mut to).await?;
        to.sync_all().await
    };
    if let Err(error) = copied.await {
        // Half a file would pass for a whole one.
        let _ = tokio::fs::remove_file(&path).await;
        return Err(not_written(&error));
    }
    Ok(())
}

fn not_written(error: &std::io::Error) -> Failure {
    let at = "/destination";
    if error.kind() == std::io::ErrorKind::AlreadyExists {
        let message = "/destination: there is something there already, and nothing is overwritten. \
                       Name another file.";
        return Failure::validation(at, message).with_code("destination_exists");
    }
    let message = "/destination: the file could not be written there.";
    Failure::new(Category::ToolError, "destination_failed", message).with_cause(error)
}
