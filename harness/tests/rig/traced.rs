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

/// Chats one after the other under a trace; None where nothing may be traced here.
async fn traced(store: StoreKind, launcher: Launcher) -> Option<TraceSeen> {
    let run = Run::new();
    let setup = Setup {
        launcher,
        ..run.setup(store)
    };
    let topology = run.start(setup).await;
    let trace = match topology.trace_store().await {
        Ok(trace) => trace,
        Err(why) => {
            println!("not run: {why} (package {PACKAGE})");
            let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
            let is_required = required.split(',').any(|name| name.trim() == "strace");
            assert!(!is_required, "{why}");
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
    Some(seen)
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
    if which("redis-server").is_none() {
        return;
    }
    if let Some(seen) = traced(StoreKind::Redis, Launcher::Honest).await {
        assert_eq!(seen.process, "store");
        assert_synced(&seen);
    }
}

#[tokio::test]
async fn a_redis_that_syncs_each_second_is_told_from_it() {
    if which("redis-server").is_none() {
        return;
    }
    if let Some(seen) = traced(StoreKind::Redis, Launcher::SyncsLate).await {
        let faults = seen.appends.iter().filter_map(AppendTraced::fault);
        assert!(faults.count() > 1, "{seen:?}");
    }
}
