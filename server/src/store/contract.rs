//! What every home must do, written once and run against both.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

mod call;
mod check;
mod queue;
mod shared;
mod spending;

use super::*;
use call::*;
use check::*;
use queue::*;
use spending::*;

/// A store and what keeps it alive.
pub(super) struct Bench {
    pub(super) store: Store,
    pub(super) home: Home,
    // Dropped last, in this order: the server, then its folder.
    _server: Option<Server>,
    _folder: tempfile::TempDir,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) const LIMITS: ThreadLimits = ThreadLimits {
    exchanges: 10,
    ttl_ms: 3_600_000,
    queue: 1_000,
};

pub(super) fn silent() -> Watch {
    Arc::new(|_| {})
}

pub(super) async fn embedded(limits: ThreadLimits) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::Embedded {
        path: folder.path().join("state/exai.sqlite"),
        busy_timeout: Duration::from_secs(3),
    };
    let store = Store::open(home.clone(), limits, silent()).await.unwrap();
    Bench {
        store,
        home,
        _server: None,
        _folder: folder,
    }
}

/// `None` when there is no `redis-server`; an error when `EXAI_REQUIRE` demands one.
pub(super) async fn redis(limits: ThreadLimits) -> Option<Bench> {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let Some(server) = start_redis(folder.path(), port) else {
        println!("not run: redis-server (package redis-server)");
        let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name == "redis"),
            "redis-server is required"
        );
        return None;
    };
    let home = Home::Redis {
        url: format!("redis://127.0.0.1:{port}").into(),
        connect_timeout: Duration::from_secs(2),
        command_timeout: Duration::from_secs(3),
        guarding: Guarding::of("redis"),
    };
    let store = Store::open(home.clone(), limits, silent()).await.unwrap();
    let bench = Bench {
        store,
        home,
        _server: Some(server),
        _folder: folder,
    };
    until("redis answers", async || bench.store.probe().await.is_ok()).await;
    Some(bench)
}

fn start_redis(folder: &Path, port: u16) -> Option<Server> {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(folder)
        .args([
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--save",
            "",
        ])
        .args(["--maxmemory-policy", "noeviction"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
        .map(Server)
}

/// Waits for a condition, ten seconds at most.
pub(super) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

pub(super) fn exchange(user: &str) -> Exchange {
    Exchange {
        id: Uuid::new_v4(),
        tool: "chat".into(),
        user: user.into(),
        attached: String::new(),
        assistant: format!("answer to {user}"),
        thoughts: Vec::new(),
        model: "m".into(),
        provider: "p".into(),
        correlation_id: "c".into(),
        created_ms: now_ms(),
    }
}

pub(super) fn opening(owner: &str, user: &str) -> Append {
    Append {
        owner: owner.into(),
        thread: ThreadId::fresh(),
        target: Target::New { title: user.into() },
        exchange: exchange(user),
        state: None,
        claim: None,
    }
}

pub(super) fn next(owner: &str, thread: ThreadId, user: &str) -> Append {
    let target = Target::Existing { expected: None };
    Append {
        thread,
        target,
        ..opening(owner, user)
    }
}

fn claimed(mut append: Append, key: &str, digest: &str) -> Append {
    let claim = Claim {
        key: key.into(),
        digest: digest.into(),
    };
    append.claim = Some((claim, format!("reply to {}", append.exchange.user)));
    append
}

fn stored(turn: u32) -> Result<Appended, StoreError> {
    Ok(Appended::Stored { turn })
}

/// Runs a check against both homes.
macro_rules! both {
    ($($name:ident($limits:expr) => $check:ident;)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                $check(super::embedded($limits).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn redis() {
                if let Some(bench) = super::redis($limits).await {
                    $check(bench).await;
                }
            }
        })*
    };
}

both! {
    exchanges_are_read_back_in_order(LIMITS) => in_order;
    a_full_thread_refuses_and_keeps_what_it_has(LIMITS) => full;
    another_owner_finds_nothing(LIMITS) => foreign;
    a_deleted_thread_is_gone_with_its_keys(LIMITS) => deleted;
    a_key_replays_its_answer_and_refuses_other_arguments(LIMITS) => keys;
    the_same_exchange_sent_twice_is_stored_once(LIMITS) => repeated;
    an_expected_length_that_moved_is_refused(LIMITS) => moved;
    concurrent_appends_get_distinct_numbers(LIMITS) => concurrent;
    a_thread_expires_with_its_keys_and_reads_do_not_prolong_it(SHORT) => expiry;
    an_append_prolongs_a_thread_and_its_keys(SHORT) => prolonged;
    the_newest_thread_is_listed_first(LIMITS) => listed;
    workflow_state_is_kept_until_replaced(LIMITS) => state;
    another_instance_reads_what_was_acknowledged(LIMITS) => reopened;
    a_kept_call_is_read_by_its_owner_alone_until_it_ends(LIMITS) => kept;
    of_two_ends_of_a_call_the_first_stays(LIMITS) => settled;
    a_kept_call_expires_and_cannot_be_changed_then(SHORT) => forgotten;
    holds_count_until_they_are_settled(LIMITS) => held;
    a_settlement_counts_once_however_often_it_is_sent(LIMITS) => settled_once;
    a_hold_of_a_dead_process_ends_by_itself(LIMITS) => expired_hold;
    two_instances_overspend_by_one_hold_at_most(LIMITS) => two_instances;
    a_copy_of_each_change_waits_in_order_until_settled(LIMITS) => queued;
    a_full_queue_stops_the_copies_and_not_the_conversation(NARROW) => bounded;
    a_purge_leaves_nothing_of_one_owner_and_all_of_another(LIMITS) => purged;
}

const NARROW: ThreadLimits = ThreadLimits { queue: 2, ..LIMITS };

const SHORT: ThreadLimits = ThreadLimits {
    exchanges: 10,
    ttl_ms: 1_200,
    queue: 1_000,
};
