//! A question about one file: stored once, sent to a provider once where it is large, and shown to
//! the model as text.

use serde_json::{Value, json};

use super::call::{Kept, Reply, trace_fields};
use super::file::{self, FileText};
use super::question::{ask, user};
use super::run::Run;
use crate::failure::{Category, Failure};
use crate::files::route::{self, Reader, Route};
use crate::files::{Digest, FileStore, Held, Holder};
use crate::router::ask::CallKind;
use crate::thread::Turn;

/// Where the file stands among the arguments.
const AT: &str = "/file_path";

/// How a file became text.
struct Shown {
    text: String,
    about: Value,
}

/// Runs the tool.
///
/// # Errors
/// What the file, the provider, the router or the store refuse.
pub async fn run(run: Run<'_>) -> Result<Reply, Failure> {
    let arguments = run.arguments();
    run.check_length("question")?;
    let question = arguments.text("question").unwrap_or_default();
    let store = run.store()?;
    let held = held(&run, store).await?;
    let provider = match arguments.text("provider") {
        Some("kimi") => Some("kimi"),
        Some("glm") => Some("glm"),
        _ => None,
    };
    let shown = shown(&run, (store, &held), provider).await?;
    let conversation = run.conversation().await?;
    let name = held.name.clone();
    let attached = file::render(&[FileText {
        name,
        text: shown.text,
    }]);
    let messages = vec![user(format!("{question}{attached}"), Vec::new())];
    let mut asked = ask(&run, messages, CallKind::Chat)?;
    // A row of Kimi's dialect may have another name; then it is the one that is meant.
    asked.provider = match provider {
        Some("kimi") => store.keeper().or_else(|| provider.map(str::to_owned)),
        other => other.map(str::to_owned),
    };
    let answer = run.ask(asked, run.call.cancel.child_token()).await?;
    let mut trace = trace_fields(&answer.trace);
    trace.insert("file".to_owned(), shown.about);
    let kept = Kept {
        text: answer.text.clone(),
        trace,
        workflow: None,
    };
    let turn = Turn {
        tool: run.tool.name,
        user: question.to_owned(),
        attached,
        assistant: answer.text,
        thoughts: answer.thoughts,
        model: answer.trace.model_used,
        provider: answer.trace.provider,
        state: None,
        is_strict: false,
        reply: String::new(),
        correlation_id: run.call.caller.correlation_id.to_string(),
    };
    run.keep(&conversation, turn, kept).await
}

/// The file, stored now or before.
async fn held(run: &Run<'_>, store: &FileStore) -> Result<Held, Failure> {
    let given = run.call.arguments.get("file_path").unwrap_or(&Value::Null);
    let holder = run.holder();
    if let Some(digest) = given.as_str().and_then(Digest::of_uri) {
        let found = store.find(holder, &digest).await;
        return found.map_err(|error| error.at(AT));
    }
    let most = usize::try_from(store.settings().stored_bytes).unwrap_or(usize::MAX);
    let stored = match file::inline(given) {
        Some((name, content)) => store.put(holder, name, content.as_bytes()).await,
        None => {
            let read = run.reader().path(given, AT, most).await?;
            store.put(holder, &read.name, &read.bytes).await
        }
    };
    stored
        .map(|stored| stored.held)
        .map_err(|error| error.at(AT))
}

async fn shown(
    run: &Run<'_>,
    (store, held): (&FileStore, &Held),
    provider: Option<&str>,
) -> Result<Shown, Failure> {
    let may_ask = run.may_ask();
    let keeper = store
        .keeper()
        .filter(|keeper| provider != Some("glm") && may_ask.permits(keeper, None));
    let reader = match keeper {
        Some(_) => Reader::Kimi,
        None => Reader::Nobody,
    };
    let way = route::choose(held, reader, store.settings()).map_err(|error| error.at(AT))?;
    let most = store.settings().shown_bytes;
    let mut about = json!({
        "uri": held.digest.uri(),
        "name": held.name,
        "bytes": held.bytes,
        "type": held.kind,
        "route": way.name(),
    });
    let bytes = match (way, keeper) {
        (Route::Direct | Route::Gateway, Some(keeper)) => {
            let (text, told) = read_there(run, (store, held), &keeper, way).await?;
            about["copy"] = told;
            text
        }
        _ => {
            let read = store.read(run.holder(), held, most).await;
            read.map_err(|error| error.at(AT))?
        }
    };
    if bytes.len() > most {
        let message = format!(
            "{AT}: its text holds {} bytes, and a model is shown {most} at most. Send the part \
             that matters.",
            bytes.len()
        );
        return Err(Failure::validation(AT, message).with_code("file_too_large"));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        let message = format!("{AT} is not UTF-8 text, and nobody could read it as text.");
        Failure::validation(AT, message).with_code("file_not_text")
    })?;
    Ok(Shown { text, about })
}

/// The text as the provider reads it, from a copy that is made where there is none.
async fn read_there(
    run: &Run<'_>,
    (store, held): (&FileStore, &Held),
    keeper: &str,
    way: Route,
) -> Result<(Vec<u8>, Value), Failure> {
    let (holder, cancel) = (run.holder(), &run.call.cancel);
    // A copy that the provider has lost is made once more.
    for _ in 0..2 {
        let made = store.copy_at(keeper, (holder, held), way, cancel).await;
        let (copy, is_new) = made?;
        if let Some(text) = store.text_of(&copy, cancel).await? {
            let references = store.references(&held.digest).await;
            let told = json!({
                "provider": copy.provider,
                "file_id": copy.file_id,
                "uploaded": is_new,
                "references": references.map_err(|error| error.at(AT))?,
            });
            return Ok((text.to_vec(), told));
        }
        let lost = store.lose(Holder { ..holder }, &copy).await;
        lost.map_err(|error| error.at(AT))?;
    }
    let message = format!("{keeper} does not keep the file it was sent. Try again.");
    Err(Failure::new(
        Category::ProviderError,
        "file_not_kept",
        message,
    ))
}
