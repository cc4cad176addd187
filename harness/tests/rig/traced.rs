//! The store's system calls, traced under a real server.

use exai_harness::topology::{Launcher, Setup, StoreKind};
use exai_harness::trace::{Marked, PACKAGE};
use exai_judge::observation::{AppendTraced, TraceSeen};

use super::*;

const CHATS: u64 = 12;

/// The last line of an answer: `seal` and a word of its own.
fn seal(answer: &str) -> String {
    let (_, rest) = answer.rsplit_once("seal ").expect("a seal");
    let word = rest
        .split(|next: char| !next.is_ascii_alphanumeric())
        .next();
    format!("seal {}", word.unwrap_or_default())
}

/// Whether the project's own check demands what is missing here.
#[expect(clippy::print_stdout, reason = "a test that did not run says so")]
fn skip(what: &str, why: &str) {
    println!("not run: {why}");
    let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name.trim() == what);
    assert!(!is_required, "{why}");
}

/// Chats one after the other under a trace; None where nothing may be traced here.
async fn traced(store: StoreKind, launcher: Launcher) -> Option<TraceSeen> {
    if store == StoreKind::Redis && which("redis-server").is_none() {
        skip("redis", "redis-server");
        return None;
    }
    let run = Run::new();
    let setup = Setup {
        launcher,
        ..run.setup(store)
    };
    let topology = run.start(setup).await;
    let trace = match topology.trace_store().await {
        Ok(trace) => trace,
        Err(why) => {
            skip("strace", &format!("{why} (package {PACKAGE})"));
            return None;
        }
    };
    let tracers = Tracers::new(run.key.clone()).expect("random bytes");
    let mut appends = Vec::new();
    for op in 0..CHATS {
        let answer = ask_over_http(&run, &topology, &tracers.issue()).await;
        let mark = seal(&answer);
        appends.push(Marked { op, mark });
    }
    let whose = ("V.5p", topology.store_writer());
    let seen = trace.finish(whose, &appends).await.expect("a whole trace");
    topology.stop().await.expect("it ends");
    keeps_to_the_run(&run.events().await);
    Some(seen)
}

/// The links to its providers, and to a store that is a process of its own, are all it reached.
fn keeps_to_the_run(events: &[Event]) {
    let seen = events.iter().filter_map(|event| match event {
        Event::Company(seen) => Some(seen),
        _ => None,
    });
    let seen: Vec<_> = seen.collect();
    assert!(seen.iter().any(|seen| !seen.peers.is_empty()), "{seen:?}");
    for look in seen {
        assert!(look.descendants.is_empty(), "{look:?}");
        assert!(look.peers.iter().all(|peer| peer.is_of_run), "{look:?}");
    }
}

fn assert_synced(seen: &TraceSeen) {
    // The last acknowledgement may be cut off by the end of the trace.
    let (_last, appends) = seen.appends.split_last().expect("appends");
    assert!(appends.iter().all(AppendTraced::is_whole), "{seen:?}");
    let faults = seen.appends.iter().filter_map(AppendTraced::fault);
    assert_eq!(faults.count(), 0, "{seen:?}");
}

#[tokio::test]
async fn the_embedded_store_syncs_a_turn_before_its_caller_hears_of_it() {
    if let Some(seen) = traced(StoreKind::Embedded, Launcher::Honest).await {
        assert_eq!(seen.process, "server");
        assert_synced(&seen);
    }
}

#[tokio::test]
async fn redis_syncs_a_turn_before_the_server_hears_of_it() {
    if let Some(seen) = traced(StoreKind::Redis, Launcher::Honest).await {
        assert_eq!(seen.process, "store");
        assert_synced(&seen);
    }
}

#[tokio::test]
async fn a_redis_that_syncs_each_second_is_told_from_it() {
    if let Some(seen) = traced(StoreKind::Redis, Launcher::SyncsLate).await {
        let faults = seen.appends.iter().filter_map(AppendTraced::fault);
        assert!(faults.count() > 1, "{seen:?}");
    }
}
