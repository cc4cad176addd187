//! S2, S3, S6 and S13 on every transport that more than one client shares: threads, files and kept
//! answers are their owner's, whatever carries the question.

use exai_judge::hex;
use serde_json::{Value, json};

use super::super::asker::{Asker, either, pair, prompt};
use super::super::cells;
use super::super::way::{Way, error_of, word_of};
use crate::stage::{Stage, Trouble};

/// Exchanges of one thread (S13).
const EXCHANGES: usize = 10;
/// A thread that nobody has.
const NOBODYS: &str = "00000000-0000-4000-8000-000000000000";

/// Tries them between two principals of a server that lists every tool.
///
/// # Errors
/// When somebody cannot begin.
pub async fn try_all(stage: &Stage, (ann, bob): (&Asker, &Asker)) -> Result<(), Trouble> {
    let file = store(stage, ann).await;
    for edge in cells::EDGES {
        stage.check_stop()?;
        let mut own = Way::open(ann, edge).await?;
        let mut other = Way::open(bob, edge).await?;
        let both = &mut (&mut own, &mut other);
        threads(stage, edge, both).await;
        files(stage, (edge, &file), both).await;
        kept(stage, edge, both).await;
    }
    Ok(())
}

type Both<'a, 'b> = (&'a mut Way<'b>, &'a mut Way<'b>);

/// Stores a file of the owner's; its address.
async fn store(stage: &Stage, ann: &Asker) -> String {
    let text = format!("a file that strangers ask for, seed {}\n", stage.seed);
    let digest = hex::sha256(text.as_bytes());
    let put = ann.head(&format!("PUT /files/{digest} HTTP/1.1"));
    // One that was not stored shows in what its owner is told.
    ann.send(&put.body(text)).await;
    format!("exai://file/{digest}")
}

/// What an answer says about itself, wherever a dialect keeps it.
fn about(said: &Value) -> &Value {
    let places = ["/result/_meta/dev.exai~1reply", "/_meta/dev.exai~1reply"];
    let mut found = places.iter().filter_map(|place| said.pointer(place));
    found.next().unwrap_or(&Value::Null)
}

fn on(thread: &Value, text: &str) -> Value {
    let mut chat = prompt(text);
    chat["continuation_id"] = thread.clone();
    chat
}

/// S2: a thread of somebody else is like one that there is not. S13: after its last exchange it is
/// full for its owner too.
async fn threads(stage: &Stage, edge: &str, (own, other): &mut Both<'_, '_>) {
    let first = own
        .ask("chat", prompt(&format!("Begin over {edge}.")))
        .await;
    let thread = about(&first)["continuation_id"].clone();
    let theirs = other.ask("chat", on(&thread, "Go on.")).await;
    let nobodys = other.ask("chat", on(&json!(NOBODYS), "Go on.")).await;
    let is_same = refusal(&theirs, &thread) == refusal(&nobodys, &json!(NOBODYS));
    let word = match (word_of(&theirs).as_str(), is_same) {
        ("accepted", _) => "answered",
        (_, true) => "as one that there is not",
        (_, false) => "refused in words of its own",
    };
    let mut turns = 1;
    for turn in 1..EXCHANGES {
        let said = own.ask("chat", on(&thread, &format!("Turn {turn}."))).await;
        turns += usize::from(word_of(&said) == "accepted");
    }
    let good = either(turns == EXCHANGES, "accepted", "ended early");
    let wanted = ["as one that there is not"];
    pair(stage, ("S2", edge), (word, &wanted), (good, &["accepted"]));
    let beyond = word_of(&own.ask("chat", on(&thread, "One more.")).await);
    pair(
        stage,
        ("S13.full", edge),
        (&beyond, &["thread_full"]),
        (good, &["accepted"]),
    );
}

/// All that a refusal tells, without what was asked for and the call's own id.
fn refusal(said: &Value, thread: &Value) -> String {
    let mut error = error_of(said).clone();
    if let Some(error) = error.as_object_mut() {
        error.remove("correlation_id");
    }
    let thread = thread.as_str().unwrap_or("no thread");
    error.to_string().replace(thread, "THREAD")
}

/// S3: a stored file by its address.
async fn files(stage: &Stage, (edge, file): (&str, &str), (own, other): &mut Both<'_, '_>) {
    let rows = [
        (
            "S3.query",
            "smart_file_query",
            json!({"file_path": file, "question": format!("What, over {edge}?")}),
        ),
        (
            "S3.download",
            "smart_file_download",
            json!({"file_id": file}),
        ),
        (
            "S3.chat",
            "chat",
            json!({"prompt": format!("What is in it, over {edge}?"), "files": [file]}),
        ),
    ];
    for (id, tool, arguments) in rows {
        let bad = word_of(&other.ask(tool, arguments.clone()).await);
        let good = word_of(&own.ask(tool, arguments).await);
        let wanted = ["file_not_found", "file_not_readable"];
        pair(stage, (id, edge), (&bad, &wanted), (&good, &["accepted"]));
    }
}

/// S6: an answer that is kept is given to its owner alone.
async fn kept(stage: &Stage, edge: &str, (own, other): &mut Both<'_, '_>) {
    let words = || prompt(&format!("Name a lake, over {edge}."));
    own.ask("chat", words()).await;
    let again = own.ask("chat", words()).await;
    let theirs = other.ask("chat", words()).await;
    let is_kept = |said: &Value| about(said)["from_cache"] == true;
    let is_anew = word_of(&theirs) == "accepted" && !is_kept(&theirs);
    let word = either(is_anew, "asked anew", "from the cache");
    let good = either(is_kept(&again), "accepted", "asked anew");
    pair(
        stage,
        ("S6.user", edge),
        (word, &["asked anew"]),
        (good, &["accepted"]),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_refusals_are_the_same_but_for_the_thread_that_they_name() {
        let said = |thread: &str, code: &str| {
            let error = json!({"code": code, "message": format!("no {thread}"),
                "correlation_id": thread});
            refusal(&json!({"error": {"details": error}}), &json!(thread))
        };
        assert_eq!(said("a-1", "gone"), said("b-2", "gone"));
        assert_ne!(said("a-1", "gone"), said("b-2", "foreign"));
    }
}
