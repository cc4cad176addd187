//! Everything kept of one principal, taken out into a folder or removed.
//!
//! Works beside running servers, on the same stores. What a server holds in memory it forgets by
//! itself when it sees that something was purged. Audit lines stay: they hold who did what, never
//! what was said.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{open_archive, open_store, unwatched};
use crate::archive::Keeper;
use crate::config::Config;
use crate::files::{FileStore, Holder};
use crate::observe::Metrics;
use crate::router::Router;
use crate::store::{Exchange, Store, StoreError};

/// Files of one principal that are looked at.
const MOST_FILES: usize = 1_000_000;

/// What there is of one principal, and where.
struct Places {
    store: Store,
    keeper: Option<Keeper>,
    files: FileStore,
}

impl Places {
    async fn open(config: &Config) -> Result<Self, String> {
        let told = |part: &str, error: &dyn std::fmt::Display| format!("{part}: {error}");
        let store = open_store(config, unwatched()).await;
        let store = store.map_err(|error| told("store", &error))?;
        store.probe().await.map_err(|error| told("store", &error))?;
        let keeper = open_archive(config, &store, unwatched().1, Arc::default()).await;
        let keeper = keeper.map_err(|error| told("archive", &error))?;
        let metrics = Metrics::new();
        let router = Router::from_config(config, metrics.clone());
        let router = Arc::new(router.map_err(|error| told("providers", &error))?);
        let files = FileStore::open(config, Some(router), metrics);
        Ok(Self {
            store,
            keeper,
            files: files.map_err(|error| told("files", &error))?,
        })
    }
}

fn holder(owner: &str) -> Holder<'_> {
    Holder {
        owner,
        correlation_id: "exai data",
        transport: "none",
    }
}

/// Writes everything of `owner` into a new folder: `threads.json` (exchanges with the thoughts that
/// were kept for them), `calls.json`, each file under `files/` by its digest, and `manifest.json`
/// with names and counts, which it returns.
///
/// # Errors
/// A sentence: a part that cannot be read, a folder that is there already.
pub(crate) async fn export(config: &Config, owner: &str, folder: &Path) -> Result<Value, String> {
    let places = Places::open(config).await?;
    let threads = threads(&places, owner).await?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let belongings = places.store.belongings(owner, now_ms).await;
    let belongings = belongings.map_err(|error| format!("store: {error}"))?;
    let parsed = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
    let calls: Vec<Value> = belongings
        .calls
        .into_iter()
        .map(|(facts, outcome)| json!({"facts": parsed(facts), "outcome": outcome.map(parsed)}))
        .collect();
    let at = |error: std::io::Error| format!("{}: {error}", folder.display());
    let private = |path: &Path| std::fs::DirBuilder::new().mode(0o700).create(path);
    private(folder).map_err(at)?;
    private(&folder.join("files")).map_err(at)?;
    let held = places.files.list(holder(owner), MOST_FILES).await;
    let mut files = Vec::new();
    for one in held.map_err(|error| format!("files: {error}"))? {
        let bytes = places.files.read(holder(owner), &one, usize::MAX).await;
        let bytes = bytes.map_err(|error| format!("file {}: {error}", one.digest))?;
        let path = folder.join("files").join(one.digest.as_str());
        write(&path, &bytes).map_err(at)?;
        files.push(
            json!({"sha256": one.digest.as_str(), "name": one.name, "type": one.kind,
            "bytes": one.bytes}),
        );
    }
    let manifest = json!({"principal": owner, "threads": threads.len(), "calls": calls.len(),
        "files": files});
    let documents = [
        ("threads.json", json!(threads)),
        ("calls.json", json!(calls)),
        ("manifest.json", manifest.clone()),
    ];
    for (name, value) in documents {
        let text = serde_json::to_string_pretty(&value).unwrap_or_default();
        write(&folder.join(name), text.as_bytes()).map_err(at)?;
    }
    Ok(manifest)
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)
}

fn thread(id: &str, title: &str, exchanges: &[Exchange], state: Option<&str>) -> Value {
    json!({"id": id, "title": title, "exchanges": exchanges, "state": state})
}

/// Archived threads and those that live, each once; one that lives counts as the whole.
async fn threads(places: &Places, owner: &str) -> Result<Vec<Value>, String> {
    let mut threads: BTreeMap<String, Value> = BTreeMap::new();
    if let Some(keeper) = &places.keeper {
        // What waits belongs to the export as well.
        keeper
            .drain()
            .await
            .map_err(|error| format!("archive: {error}"))?;
        let archived = keeper.archive().of_owner(owner).await;
        for one in archived.map_err(|error| format!("archive: {error}"))? {
            let kept = thread(&one.id, &one.title, &one.exchanges, None);
            threads.insert(one.id, kept);
        }
    }
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let belongings = places.store.belongings(owner, now_ms).await;
    for id in belongings
        .map_err(|error| format!("store: {error}"))?
        .threads
    {
        match places.store.read(owner, id, now_ms).await {
            Ok(one) => {
                let (id, state) = (one.id.to_string(), one.state.as_deref());
                threads.insert(id.clone(), thread(&id, &one.title, &one.exchanges, state));
            }
            // It expired since the list was made; its copy is in the archive.
            Err(StoreError::NotFound) => {}
            Err(error) => return Err(format!("store: {error}")),
        }
    }
    Ok(threads.into_values().collect())
}

/// Removes everything of `owner`: threads, keys, calls, waiting and archived copies, dead letters,
/// files and their copies at providers. Returns how much there was.
///
/// # Errors
/// A sentence that names the part; what was removed until then is removed, and the same command
/// goes on.
pub(crate) async fn purge(config: &Config, owner: &str) -> Result<Value, String> {
    let places = Places::open(config).await?;
    let store = places.store.purge(owner).await;
    let store = store.map_err(|error| format!("store: {error}"))?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let (archived, letters) = match &places.keeper {
        None => (0, 0),
        Some(keeper) => {
            let purged = keeper.archive().purge(owner, now_ms).await;
            purged.map_err(|error| format!("archive: {error}"))?
        }
    };
    let held = places.files.list(holder(owner), MOST_FILES).await;
    let held = held.map_err(|error| format!("files: {error}"))?;
    let never = CancellationToken::new();
    for one in &held {
        let released = places
            .files
            .release(holder(owner), &one.digest, false, &never)
            .await;
        released.map_err(|failure| format!("file {}: {}", one.digest, failure.message))?;
    }
    places
        .files
        .scrub()
        .await
        .map_err(|error| format!("files: {error}"))?;
    Ok(
        json!({"principal": owner, "threads": store.threads, "calls": store.calls,
        "waiting": store.waiting, "archived": archived, "dead_letters": letters,
        "files": held.len()}),
    )
}
