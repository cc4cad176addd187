//! Calls that outlast whoever sent them: promised, collected, left, cut.

use tokio::sync::watch;

use super::*;
use crate::tool::Answered;
use crate::tool::long::Standing;

/// A toolbox whose model answers when the test says so, and how often it was asked.
struct Slow {
    bench: Bench,
    toolbox: Toolbox,
    open: watch::Sender<bool>,
    asked: watch::Receiver<usize>,
}

const PATIENCE: &str = "[limits]\nsoft_deadline = \"60ms\"\ntask_after = \"60ms\"";

impl Slow {
    async fn new(config: &str) -> Self {
        let bench = Bench::new(config, Arc::new(|_| Ok(String::new()))).await;
        let (open, opened) = watch::channel(false);
        let (asking, asked) = watch::channel(0);
        let mut around = bench.toolbox.surroundings().clone();
        around.ask = Arc::new(move |ask, _| {
            let mut opened = opened.clone();
            asking.send_modify(|asked| *asked += 1);
            async move {
                drop(opened.wait_for(|open| *open).await);
                let text = format!("re: {}", last_text(&ask));
                Ok(answer(&ask, text))
            }
            .boxed()
        });
        let toolbox = Toolbox::new(around);
        Self {
            bench,
            toolbox,
            open,
            asked,
        }
    }

    async fn is_asked(&self) {
        let mut asked = self.asked.clone();
        asked.wait_for(|asked| *asked > 0).await.unwrap();
    }

    fn times(&self) -> usize {
        *self.asked.borrow()
    }
}

fn of(owner: &str, name: &str, arguments: Value) -> Call {
    let mut call = call(name, arguments);
    call.caller.principal = owner.into();
    call
}

/// What a reply before the answer says: its handle and the call that collects.
fn promise(reply: &Reply) -> (String, String, Value) {
    let said = reply.structured.as_ref().unwrap();
    assert_eq!(said["status"], "in_progress", "{said}");
    let read: Value = serde_json::from_str(&reply.text).unwrap();
    assert_eq!(&read, said, "each form is complete alone");
    let next = &said["next_call"];
    let tool = next["tool"].as_str().unwrap().to_owned();
    let handle = said["continuation_id"].as_str().unwrap().to_owned();
    (handle, tool, next["arguments"].clone())
}

#[tokio::test]
async fn a_call_past_the_soft_deadline_is_collected_by_its_next_call_and_asked_once() {
    let slow = Slow::new(PATIENCE).await;
    let long_text = "why? ".repeat(100);
    let call = of("ada", "chat", json!({"prompt": long_text}));
    let first = slow.toolbox.call(call).await.unwrap();
    let (handle, tool, arguments) = promise(&first);
    assert!(
        arguments["prompt"].as_str().unwrap().len() <= 100,
        "{arguments}"
    );
    let next = |owner: &str| of(owner, &tool, arguments.clone());

    let again = slow.toolbox.call(next("ada")).await.unwrap();
    assert_eq!(promise(&again).0, handle);
    let foreign = slow.toolbox.call(next("eve")).await.unwrap_err();
    assert_eq!(foreign.code, "call_not_found");
    let early = of(
        "ada",
        "chat",
        json!({"prompt": "and?", "continuation_id": handle}),
    );
    let refused = slow.toolbox.call(early.clone()).await.unwrap_err();
    assert_eq!(refused.code, "call_in_progress");
    assert!(refused.retry_after.is_some(), "{refused:?}");

    slow.open.send_replace(true);
    let wanted = format!("re: {long_text}");
    let collected = loop {
        let reply = slow.toolbox.call(next("ada")).await.unwrap();
        if reply.structured.is_none() {
            break reply;
        }
    };
    assert_eq!(collected.text, wanted);
    assert_eq!(slow.times(), 1);
    // Another process answers the same, as often as it is asked.
    let other = slow.bench.restarted().await;
    let elsewhere = other.call(next("ada")).await.unwrap();
    assert_eq!(elsewhere.text, wanted);
    // Anything else that names the handle goes on in the answer's thread.
    let went_on = slow.toolbox.call(early).await.unwrap();
    let about = |reply: &Reply| reply.about.clone().unwrap().receipt;
    assert_eq!(about(&went_on).thread, about(&collected).thread);
    assert_eq!(about(&went_on).turn, 2);
}

#[tokio::test]
async fn work_that_asked_a_model_survives_its_caller_and_lands_in_the_thread() {
    let slow = Slow::new("").await;
    let call = of("ada", "chat", json!({"prompt": "one"}));
    let leaving = tokio::spawn({
        let toolbox = slow.toolbox.clone();
        async move { toolbox.call(call).await }
    });
    slow.is_asked().await;
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    slow.open.send_replace(true);
    slow.toolbox.finish().await;
    let threads = &slow.toolbox.surroundings().threads;
    let kept = threads.list("ada", 9).await.unwrap();
    assert_eq!((kept.len(), kept[0].turns), (1, 1));
    let thread = threads.read("ada", &kept[0].id).await.unwrap();
    assert_eq!(thread.exchanges[0].assistant, "re: one");
    let late = of("ada", "chat", json!({"prompt": "two"}));
    assert_eq!(slow.toolbox.call(late).await.unwrap_err().code, "draining");
}

#[tokio::test]
async fn work_that_asked_nobody_stops_with_its_caller() {
    let slow = Slow::new("").await;
    let keyed = || Call {
        idempotency_key: Some("k".into()),
        ..of("ada", "chat", json!({"prompt": "one"}))
    };
    let first = tokio::spawn({
        let (toolbox, call) = (slow.toolbox.clone(), keyed());
        async move { toolbox.call(call).await }
    });
    slow.is_asked().await;
    // The second waits for the first, and for nothing that costs anything.
    let second = tokio::spawn({
        let (toolbox, call) = (slow.toolbox.clone(), keyed());
        async move { toolbox.call(call).await }
    });
    while slow.toolbox.permits().current() < 2 {
        tokio::task::yield_now().await;
    }
    second.abort();
    while slow.toolbox.permits().current() > 1 {
        tokio::task::yield_now().await;
    }
    slow.open.send_replace(true);
    assert_eq!(first.await.unwrap().unwrap().text, "re: one");
    assert_eq!(slow.times(), 1);
}

#[tokio::test]
async fn a_kept_call_is_stopped_from_another_process_and_ends_as_cancelled() {
    let slow = Slow::new(PATIENCE).await;
    let call = of("ada", "chat", json!({"prompt": "one"}));
    let Answered::Later(kept) = slow.toolbox.call_or_keep(call, Map::new()).await.unwrap() else {
        panic!("it takes long");
    };
    let other = slow.bench.restarted().await;
    let (owner, handle) = (kept.owner.clone(), kept.id.to_string());
    let stranger = other.long_calls().cancel(&"eve".into(), &handle).await;
    assert_eq!(stranger.unwrap_err().code, "call_not_found");
    other.long_calls().cancel(&owner, &handle).await.unwrap();
    let ended = other.long_calls().wait(*kept, Duration::from_secs(10));
    let Standing::Ended(ended) = ended.await.unwrap().standing else {
        panic!("it was cancelled");
    };
    assert_eq!(ended.unwrap_err().code, "cancelled");
    assert_eq!(slow.toolbox.permits().current(), 0);
}

#[tokio::test]
async fn work_that_is_cut_says_so_to_whoever_waits_and_to_whoever_asks_later() {
    let slow = Slow::new(PATIENCE).await;
    let kept = of("ada", "chat", json!({"prompt": "one"}));
    let Answered::Later(kept) = slow.toolbox.call_or_keep(kept, Map::new()).await.unwrap() else {
        panic!("it takes long");
    };
    slow.toolbox.cut();
    slow.toolbox.finish().await;
    let other = slow.bench.restarted().await;
    let handle = kept.id.to_string();
    let read = other.long_calls().find(&kept.owner, &handle).await;
    let Standing::Ended(ended) = read.unwrap().standing else {
        panic!("it was cut");
    };
    assert_eq!(ended.unwrap_err().code, "draining");
}

#[tokio::test]
async fn a_call_that_asks_no_provider_is_never_kept() {
    let slow = Slow::new("[limits]\nsoft_deadline = \"1ms\"").await;
    let reply = slow
        .bench
        .toolbox
        .call(of("ada", "version", json!({})))
        .await;
    assert_ne!(reply.unwrap().structured.unwrap()["status"], "in_progress");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promised_call_is_in_flight_until_its_end_is_kept() {
    let slow = Slow::new(&format!("{PATIENCE}\n[tools]\nprofile = \"full\"")).await;
    let tool = "kimi_intent_analysis";
    let call = of("ada", tool, json!({"prompt": "why?"}));
    let kept = slow.toolbox.call_or_keep(call, Map::new()).await.unwrap();
    let Answered::Later(kept) = kept else {
        panic!("it takes long");
    };
    let other = rusqlite::Connection::open(slow.bench.folder.path().join("exai.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    slow.open.send_replace(true);
    let metrics = &slow.toolbox.surroundings().metrics;
    let counted = format!("exai_requests_total{{tool=\"{tool}\"");
    while !metrics.prometheus().contains(&counted) {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        slow.toolbox.permits().current(),
        1,
        "its answer is nowhere yet"
    );
    other.execute_batch("ROLLBACK").unwrap();
    while slow.toolbox.permits().current() > 0 {
        tokio::task::yield_now().await;
    }
    let elsewhere = slow.bench.restarted().await;
    let handle = kept.id.to_string();
    let read = elsewhere.long_calls().find(&kept.owner, &handle).await;
    assert_ne!(read.unwrap().standing, Standing::Working);
}
