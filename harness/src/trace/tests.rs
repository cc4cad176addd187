use std::net::SocketAddr;
use std::path::Path;

use exai_judge::observation::AppendTraced;

use super::*;
use crate::clock::RunClock;
use crate::history::Recorder;
use crate::redis::{self, RedisStore};

/// As strace 6.1 wrote down a redis-server 7.0 with `appendfsync always`, and one with `everysec`.
const ALWAYS: &str = include_str!("recorded/always.strace");
const EVERYSEC: &str = include_str!("recorded/everysec.strace");

fn marked(appends: u64) -> Vec<Marked> {
    let one = |op| Marked {
        op,
        mark: format!("marker-{op}-abcdef"),
    };
    (1..=appends).map(one).collect()
}

fn of_redis(folder: &Path, port: u16) -> Place {
    Place {
        file: folder.join("appendonly"),
        port,
        echoes: false,
    }
}

fn faults(traced: &[AppendTraced]) -> usize {
    traced
        .iter()
        .filter(|append| append.fault().is_some())
        .count()
}

#[test]
fn a_recorded_store_that_syncs_always_acknowledged_nothing_before() {
    let place = of_redis(Path::new("/tmp/store"), 17_391);
    let traced = follow(&read(ALWAYS), &place, &marked(5));
    assert!(traced.iter().all(AppendTraced::is_whole), "{traced:?}");
    assert_eq!((traced.len(), faults(&traced)), (5, 0));
    let first = AppendTraced {
        op: 1,
        written: Some(0),
        synced: Some((1, 1)),
        acknowledged: Some(2),
    };
    assert_eq!(traced[0], first);
}

#[test]
fn a_recorded_store_that_syncs_each_second_acknowledged_everything_before() {
    let place = of_redis(Path::new("/tmp/store"), 17_391);
    let traced = follow(&read(EVERYSEC), &place, &marked(5));
    assert!(traced.iter().all(AppendTraced::is_whole), "{traced:?}");
    assert_eq!(faults(&traced), 5);
    // Another file, another port, other texts: nothing is seen, and nothing said.
    for (folder, port, appends) in [
        ("/tmp/other", 17_391, marked(5)),
        ("/tmp/store", 1, marked(5)),
        ("/tmp/store", 17_391, marked(9)[5..].to_vec()),
    ] {
        let place = of_redis(Path::new(folder), port);
        let traced = follow(&read(EVERYSEC), &place, &appends);
        assert!(
            !traced.iter().any(AppendTraced::is_whole),
            "{folder} {port}"
        );
    }
}

#[test]
fn a_write_put_off_until_two_appends_were_answered_is_the_write_of_both() {
    let text = r#"1 write(7</s/appendonly.aof>, "marker-1-abcdef", 15) = 15
1 write(8<TCP:[127.0.0.1:9->127.0.0.1:5001]>, ":1", 2) = 2
2 fdatasync(7</s/appendonly.aof> <unfinished ...>
1 write(8<TCP:[127.0.0.1:9->127.0.0.1:5001]>, ":2", 2) = 2
2 <... fdatasync resumed>) = 0
1 write(7</s/appendonly.aof>, "marker-2-abcdef marker-3-abcdef", 31) = 31
1 write(8<TCP:[127.0.0.1:9->127.0.0.1:5001]>, ":3", 2) = 2
"#;
    let traced = follow(&read(text), &of_redis(Path::new("/s"), 9), &marked(3));
    assert!(traced.iter().all(AppendTraced::is_whole), "{traced:?}");
    assert_eq!(faults(&traced), 3);
    let written: Vec<_> = traced.iter().filter_map(|append| append.written).collect();
    assert_eq!(written, [0, 5, 5]);
}

/// Two threads of a server with its store inside: one writes, another answers.
const EMBEDDED: &str = include_str!("recorded/embedded.strace");

#[test]
fn calls_that_others_came_between_are_put_together_and_failed_ones_left_out() {
    let calls = read(EMBEDDED);
    let names: Vec<(&str, u64, u64)> = calls
        .iter()
        .map(|call| (call.name.as_str(), call.began, call.returned))
        .collect();
    let wanted = [
        ("pwrite64", 0, 0),
        ("pwrite64", 1, 3),
        ("sendto", 2, 2),
        ("fdatasync", 4, 6),
        ("write", 5, 5),
        ("writev", 7, 7),
        ("pwrite64", 8, 8),
        ("sendmsg", 9, 9),
        ("fdatasync", 11, 11),
        ("sendto", 12, 12),
        ("pwrite64", 13, 13),
    ];
    assert_eq!(names, wanted);
    assert_eq!(calls[1].data, "\0\0id \"seal-one\"\n");
    assert_eq!(calls[1].target, "/s/hot.db-wal");
    assert_eq!(calls[5].data, "HTTP/1.1 200seal-one");
    let ports: Vec<_> = calls.iter().filter_map(SystemCall::local_port).collect();
    assert_eq!(ports, [900, 80, 80, 80]);
}

#[test]
fn bytes_that_a_write_did_not_take_are_not_written() {
    let short = read("1 write(3</f>, \"whole\", 5) = 2\n");
    assert_eq!(short[0].data, "wh");
    assert_eq!(
        read("1 write(3</f>, \"\\377\\0\\1x\", 4) = 4")[0].data,
        "\u{fffd}\0\u{1}x"
    );
}

#[test]
fn an_acknowledgement_is_the_callers_own_answer_where_it_carries_the_mark() {
    let place = Place {
        file: "/s/hot.db".into(),
        port: 80,
        echoes: true,
    };
    let appends = ["seal-one", "seal-two", "seal-three"];
    let appends = (1..).zip(appends).map(|(op, mark)| Marked {
        op,
        mark: mark.to_owned(),
    });
    let traced = follow(&read(EMBEDDED), &place, &appends.collect::<Vec<_>>());
    let says: Vec<_> = traced.iter().map(AppendTraced::fault).collect();
    assert_eq!(
        says,
        [
            None,
            Some("was acknowledged before its write was synced"),
            Some("was acknowledged before it was written to the store's file"),
        ]
    );
}

/// Says what is missing; fails where it is required.
fn is_absent(what: &str, program: &str) -> bool {
    if which(program).is_some() {
        return false;
    }
    println!("not run: {program}");
    let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name.trim() == what);
    assert!(!is_required, "{what} is required and absent");
    true
}

/// Appends to a real store while it is traced; None where it may not be traced.
async fn really(syncs_late: bool) -> Option<Vec<AppendTraced>> {
    if is_absent("redis", "redis-server") || is_absent("strace", "strace") {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history");
    std::fs::create_dir(&history).unwrap();
    let home = folder.path().join("store");
    let setup = redis::Setup {
        folder: &home,
        user: None,
        restart_delay: Duration::from_millis(5),
        berth: None,
        syncs_late,
        recorder: Recorder::open(&history, RunClock::start().as_now()).unwrap(),
    };
    let store = RedisStore::start(setup).await.unwrap();
    let pid = store.supervisor().process().unwrap().pair().pid;
    let tracing = match Tracing::attach(pid).await {
        Ok(tracing) => tracing,
        Err(error) => {
            println!("not run: {error}");
            let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
            assert!(!required.contains("strace"), "{error}");
            return None;
        }
    };
    let appends = marked(40);
    for append in &appends {
        store
            .command(&["RPUSH", "thread", &append.mark])
            .await
            .unwrap();
    }
    // The last call of a trace may be cut off: this one.
    store.command(&["PING"]).await.unwrap();
    let calls = tracing.finish().await.unwrap();
    let SocketAddr::V4(address) = store.address() else {
        return None;
    };
    let home = home.canonicalize().unwrap();
    let traced = follow(&calls, &of_redis(&home, address.port()), &appends);
    // It was let go: it goes on answering.
    store.command(&["PING"]).await.unwrap();
    Some(traced)
}

#[tokio::test]
async fn a_real_store_as_every_driver_runs_it_syncs_before_it_acknowledges() {
    let Some(traced) = really(false).await else {
        return;
    };
    assert!(traced.iter().all(AppendTraced::is_whole), "{traced:?}");
    assert_eq!(faults(&traced), 0, "{traced:?}");
}

#[tokio::test]
async fn a_real_store_that_syncs_each_second_is_caught() {
    let Some(traced) = really(true).await else {
        return;
    };
    assert!(traced.iter().all(AppendTraced::is_whole), "{traced:?}");
    assert!(faults(&traced) > 30, "{traced:?}");
}

#[tokio::test]
async fn a_process_that_is_not_there_is_not_traced() {
    if is_absent("strace", "strace") {
        return;
    }
    let refused = Tracing::attach(u32::MAX >> 1).await;
    let says = refused.err().map(|error| error.to_string());
    assert!(says.is_some_and(|says| says.starts_with("strace could not attach")));
}
