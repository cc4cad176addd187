//! Files, kept answers, request states and past calls of one principal, reached for by another. On
//! a server that lists every tool.

use exai_harness::raw::RawReply;
use exai_judge::hex;
use serde_json::{Value, json};

use super::asker::{Asker, about, code, either, pair, prompt, result, tell};
use super::{Seen, record};
use crate::stage::{Stage, Trouble};

const HTTP: &str = "http-2026-07-28";
const OWNER: usize = 570;
const OTHER: usize = 571;
const KEY: &str = "dev.exai/idempotency-key";
/// Exchanges of one thread (S13).
const EXCHANGES: usize = 10;

/// Tries S3, S4, S6, S11, S13 and A9.
///
/// # Errors
/// When someone pressed Ctrl-C.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let (ann, bob) = (Asker::user(stage, OWNER), Asker::user(stage, OTHER));
    files(stage, &ann, &bob).await;
    stage.check_stop()?;
    replays(stage, &ann, &bob).await;
    kept(stage, &ann, &bob).await;
    states(stage, &ann, &bob).await;
    stage.check_stop()?;
    full(stage).await;
    past_calls(stage, &ann, &bob).await;
    Ok(())
}

fn show(stage: &Stage, reply: &RawReply) {
    stage.search("a reply", &String::from_utf8_lossy(&reply.body));
}

/// S3: a stored file by its id.
async fn files(stage: &Stage, ann: &Asker, bob: &Asker) {
    let text = format!("a file of the battery, seed {}\n", stage.seed);
    let digest = hex::sha256(text.as_bytes());
    let put = ann.head(&format!("PUT /files/{digest} HTTP/1.1"));
    let put = ann.send(&put.body(text.clone())).await;
    let path = format!("/files/{digest}");
    let uri = format!("exai://file/{digest}");
    let (theirs, own) = (bob.get(&path).await, ann.get(&path).await);
    let word = either(
        put.status == Some(201) && own.body == text.as_bytes(),
        "accepted",
        "not given back",
    );
    pair(
        stage,
        ("S3.get", HTTP),
        (&theirs.word(), &["404"]),
        (word, &["accepted"]),
    );
    let nobodys = bob.get(&format!("/files/{}", "0".repeat(64))).await;
    let same = either(
        theirs.status == nobodys.status && theirs.body.len() == nobodys.body.len(),
        "as one that there is not",
        "in words of its own",
    );
    tell(
        stage,
        ("S3.same", HTTP),
        (false, &["as one that there is not"]),
        same,
    );
    let ask = [
        (
            "S3.query",
            "smart_file_query",
            json!({"file_path": uri, "question": "what?"}),
        ),
        (
            "S3.download",
            "smart_file_download",
            json!({"file_id": uri}),
        ),
    ];
    for (id, tool, arguments) in ask {
        let theirs = bob.call(tool, arguments.clone()).await;
        let own = ann.call(tool, arguments).await;
        show(stage, &theirs);
        pair(
            stage,
            (id, HTTP),
            (&code(&theirs), &["file_not_found"]),
            (&own.word(), &["accepted"]),
        );
    }
}

/// S4: a call key is its owner's.
async fn replays(stage: &Stage, ann: &Asker, bob: &Asker) {
    let key = format!("battery-{}", stage.seed);
    let more = json!({"_meta": {KEY: key}});
    let ask = |who: &Asker| {
        let (who, more) = (who.clone(), more.clone());
        async move { who.call_with("chat", prompt("Name a bird."), more).await }
    };
    let (first, theirs, again) = (ask(ann).await, ask(bob).await, ask(ann).await);
    let thread = |reply: &RawReply| about(reply)["continuation_id"].clone();
    let is_own = theirs.word() == "accepted"
        && about(&theirs)["replayed"] != true
        && thread(&theirs) != thread(&first);
    let is_again = about(&again)["replayed"] == true && thread(&again) == thread(&first);
    pair(
        stage,
        ("S4", HTTP),
        (either(is_own, "asked anew", "replayed"), &["asked anew"]),
        (either(is_again, "accepted", "not replayed"), &["accepted"]),
    );
}

/// S6: a kept answer stays with its principal, its tool and its thread.
async fn kept(stage: &Stage, ann: &Asker, bob: &Asker) {
    let words = format!("Name a river, {}.", stage.seed);
    let is_kept = |reply: &RawReply| about(reply)["from_cache"] == true;
    let first = ann.call("chat", prompt(&words)).await;
    let again = ann.call("chat", prompt(&words)).await;
    let good = either(is_kept(&again), "accepted", "asked anew");
    let step = json!({"step": words, "step_number": 1, "total_steps": 1,
        "next_step_required": false, "findings": "none"});
    let mut on = prompt(&words);
    on["continuation_id"] = about(&first)["continuation_id"].clone();
    let others = [
        ("S6.user", bob.call("chat", prompt(&words)).await),
        ("S6.tool", ann.call("thinkdeep", step).await),
        ("S6.thread", ann.call("chat", on).await),
    ];
    for (id, reply) in others {
        let is_anew = reply.word() == "accepted" && !is_kept(&reply);
        let word = either(is_anew, "asked anew", "from the cache");
        pair(
            stage,
            (id, HTTP),
            (word, &["asked anew"]),
            (good, &["accepted"]),
        );
    }
}

/// S11: what a client carries for the server between two calls.
async fn states(stage: &Stage, ann: &Asker, bob: &Asker) {
    let trace = json!({"step": "follow main", "step_number": 1, "total_steps": 1,
        "next_step_required": false, "findings": "main -> run\nrun -> stop",
        "trace_mode": "ask", "target_description": "main"});
    let name = "io.modelcontextprotocol/clientCapabilities";
    let capable = json!({"_meta": {name: {"elicitation": {"form": {}}}}});
    let asked = ann
        .call_with("tracer", trace.clone(), capable.clone())
        .await;
    let state = result(&asked)["requestState"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let carry = |who: &Asker, arguments: &Value, state: String| {
        let choice = json!({"action": "accept", "content": {"trace_mode": "precision"}});
        let mut more = capable.clone();
        more["requestState"] = state.into();
        more["inputResponses"] = json!({"choice": choice});
        let (who, arguments) = (who.clone(), arguments.clone());
        async move { who.call_with("tracer", arguments, more).await }
    };
    let mut changed = state.clone().into_bytes();
    if let Some(byte) = changed.get_mut(state.len() / 2) {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    let changed = String::from_utf8(changed).unwrap_or_default();
    let mut another = trace.clone();
    another["target_description"] = json!("stop");
    let bad = [
        ("S11.changed", carry(ann, &trace, changed).await),
        ("S11.empty", carry(ann, &trace, String::new()).await),
        ("S11.user", carry(bob, &trace, state.clone()).await),
        ("S11.call", carry(ann, &another, state.clone()).await),
    ];
    let good = carry(ann, &trace, state).await.word();
    for (id, reply) in bad {
        show(stage, &reply);
        pair(
            stage,
            (id, HTTP),
            (&code(&reply), &["request_state_refused"]),
            (&good, &["accepted"]),
        );
    }
}

/// S13: the exchange after the last is refused, and nothing of the thread is dropped silently.
async fn full(stage: &Stage) {
    let asker = Asker::user(stage, OWNER + 2);
    let mut thread = Value::Null;
    let mut turns = 0;
    for turn in 0..EXCHANGES {
        let mut arguments = prompt(&format!("Turn {turn}."));
        if !thread.is_null() {
            arguments["continuation_id"] = thread.clone();
        }
        let reply = asker.call("chat", arguments).await;
        turns += usize::from(reply.word() == "accepted");
        thread = about(&reply)["continuation_id"].clone();
    }
    let mut beyond = prompt("One more.");
    beyond["continuation_id"] = thread;
    let beyond = asker.call("chat", beyond).await;
    pair(
        stage,
        ("S13.full", HTTP),
        (&code(&beyond), &["thread_full"]),
        (
            either(turns == EXCHANGES, "accepted", "ended early"),
            &["accepted"],
        ),
    );
}

/// A9: a user looks back at own calls alone.
async fn past_calls(stage: &Stage, ann: &Asker, bob: &Asker) {
    ann.call("version", json!({})).await;
    bob.call("version", json!({})).await;
    let names = [OWNER, OTHER].map(|number| format!("user-{number}"));
    for tool in ["activity", "toolcall_log_tail"] {
        let reply = bob.call(tool, json!({})).await;
        let text = result(&reply)["content"][0]["text"].to_string();
        let (foreign, own) = (text.contains(&names[0]), text.contains(&names[1]));
        let id = format!("A9.{tool}");
        pair(
            stage,
            (&id, HTTP),
            (
                either(foreign, "another's line", "filtered out"),
                &["filtered out"],
            ),
            (either(own, "accepted", "own lines missing"), &["accepted"]),
        );
    }
    let log = json!({"source": "server"});
    let seen = |good, allowed| Seen {
        id: "A9.server",
        edge: HTTP,
        good,
        allowed,
    };
    let reply = bob.call("activity", log.clone()).await;
    record(stage, &seen(false, &["auth_error"]), &reply);
    let operator = Asker::with(stage, OTHER + 2, &["admin"]);
    record(
        stage,
        &seen(true, &["accepted"]),
        &operator.call("activity", log).await,
    );
}
