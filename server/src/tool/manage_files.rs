//! The files of this server at Kimi, for administrators: what is there, and what should not be.

use serde_json::{Value, json};

use super::call::Reply;
use super::information::reply;
use super::run::Run;
use crate::failure::{Category, Failure};
use crate::files::FileStore;
use crate::files::upkeep::Swept;
use crate::provider::file::RemoteFile;

/// Runs the tool.
///
/// # Errors
/// What the arguments, the provider or the index refuse.
pub async fn run(run: Run<'_>) -> Result<Reply, Failure> {
    let arguments = run.arguments();
    let store = run.store()?;
    let operation = arguments.text("operation").unwrap_or_default();
    let is_dry = arguments.flag("dry_run", false);
    let cancel = &run.call.cancel;
    let provider = run.tool.row.provider.clone().unwrap_or_default();
    let mut done = match operation {
        "list" => list(&run, store, &provider).await?,
        "delete" => delete(&run, store, &provider, is_dry).await?,
        "cleanup_expired" => swept(store.sweep_expired(is_dry, cancel).await?),
        "cleanup_orphaned" => swept(store.sweep_orphans(is_dry, cancel).await?),
        _ => {
            let ids = store
                .forget_copies(run.holder(), &provider, is_dry, cancel)
                .await?;
            json!({"deleted": ids.len(), "file_ids": ids})
        }
    };
    done["operation"] = operation.into();
    done["dry_run"] = is_dry.into();
    Ok(reply(done))
}

fn swept(swept: Swept) -> Value {
    super::surroundings::json(swept)
}

async fn list(run: &Run<'_>, store: &FileStore, provider: &str) -> Result<Value, Failure> {
    let most = run.arguments().whole("limit").unwrap_or(100) as usize;
    let remote = store.remote_files(provider, &run.call.cancel).await?;
    let total = remote.len();
    let mut files = Vec::new();
    for one in remote.iter().take(most) {
        files.push(told(store, one).await?);
    }
    Ok(json!({"files": files, "total": total}))
}

async fn told(store: &FileStore, one: &RemoteFile) -> Result<Value, Failure> {
    let digest = store.digest_of(one);
    let references = match &digest {
        Some(digest) => store
            .references(digest)
            .await
            .map_err(|error| error.at(""))?,
        None => 0,
    };
    Ok(json!({
        "file_id": one.id,
        "uri": digest.map(|digest| digest.uri()),
        "bytes": one.bytes,
        "created_at": one.created_at,
        "references": references,
    }))
}

/// Gives up the caller's references; the copy goes when nobody else has one.
async fn delete(
    run: &Run<'_>,
    store: &FileStore,
    provider: &str,
    is_dry: bool,
) -> Result<Value, Failure> {
    let Some(id) = run.arguments().text("file_id") else {
        let message = "/file_id is missing: delete needs the id of one file; list names them.";
        return Err(Failure::validation("/file_id", message).with_code("missing_argument"));
    };
    let remote = store.remote_files(provider, &run.call.cancel).await?;
    let found = remote.iter().find(|one| one.id == id);
    let digest = found.and_then(|one| store.digest_of(one));
    let Some(digest) = digest else {
        return Err(crate::files::FileError::NotFound.at("/file_id"));
    };
    let cancel = &run.call.cancel;
    let (own, others) = store.release(run.holder(), &digest, is_dry, cancel).await?;
    if own == 0 && others > 0 {
        let message = format!(
            "The file has {others} references of other callers and none of yours, so it stays. \
             cleanup_all deletes every copy at {provider}, whoever refers to it."
        );
        let failure = Failure::new(Category::ToolError, "file_in_use", message);
        return Err(failure.with_retryable(false));
    }
    Ok(json!({"file_id": id, "released": own, "references": others, "deleted": others == 0}))
}
