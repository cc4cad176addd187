//! The files of this server at Kimi, for administrators: what is there, and what should not be.
//!
//! What removes something is first told as it would be, and done when that was confirmed.

use serde_json::{Value, json};

use super::call::Reply;
use super::information::reply;
use super::run::Run;
use crate::choice::{Blank, Choice, Goal};
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
    let operation = arguments.text("operation").unwrap_or_default();
    let is_dry = arguments.flag("dry_run", false);
    if operation == "list" || is_dry {
        return done(&run, operation, is_dry).await.map(reply);
    }
    if arguments.text("confirm") == Some(operation) {
        return done(&run, operation, false).await.map(reply);
    }
    let would = done(&run, operation, true).await?;
    Err(unconfirmed(operation, &would))
}

/// Does what the operation says, or tells what it would do.
async fn done(run: &Run<'_>, operation: &str, is_dry: bool) -> Result<Value, Failure> {
    let store = run.store()?;
    let cancel = &run.call.cancel;
    let provider = run.tool.row.provider.clone().unwrap_or_default();
    let mut done = match operation {
        "list" => list(run, store, &provider).await?,
        "delete" => delete(run, store, &provider, is_dry).await?,
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
    Ok(done)
}

/// Nothing was removed yet: what would be, and how to say yes.
fn unconfirmed(operation: &str, would: &Value) -> Failure {
    let would = told_shortly(would);
    let message = format!(
        "{operation} removes files for good ({would}), so it must be confirmed. Send the call \
         again with /confirm \"{operation}\", or with /dry_run true to see the whole list."
    );
    let choice = Choice {
        question: format!("{operation} removes files for good: {would}. Do it?"),
        blanks: vec![Blank {
            name: "confirm".to_owned(),
            title: "Confirm by the operation's name".to_owned(),
            options: vec![operation.to_owned()],
            is_optional: false,
        }],
        goal: Goal::Arguments,
    };
    let failure = Failure::validation("/confirm", message).with_code("confirmation_required");
    failure.with_choice(choice)
}

/// The figures of a dry run, without its lists.
fn told_shortly(would: &Value) -> String {
    let fields = would.as_object().into_iter().flatten();
    let figures = fields.filter(|(name, value)| {
        let is_plain = value.is_number() || value.is_boolean() || name.as_str() == "file_id";
        is_plain && name.as_str() != "dry_run"
    });
    let told: Vec<String> = figures
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    told.join(", ")
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
