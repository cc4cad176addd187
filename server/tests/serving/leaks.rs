//! The monitors of memory, disk and permits: what is planted is told, what only looks like it is
//! not. A permit that leaks needs a build that leaks one: see `fixtures`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::alerts::{at_once, firing, wait_until_fires};
use super::dialect::greet;
use super::process::{Server, call, call_headers, serve, serve_by, wait_for};
use super::provider::serve_asking;
use super::providers::{said, started_with};
use super::socket::open_at;
use super::upstream::Upstream;

/// Looks of the monitor that make a settled state.
const LOOKS: usize = 12;

fn is_firing(server: &Server, id: &str) -> bool {
    firing(server).iter().any(|one| one == id)
}

#[test]
fn a_server_whose_every_permit_is_busy_has_no_leak() {
    let (_folder, rows) = at_once();
    let (server, provider) = serve_asking(&[
        "health.interval=100ms",
        "limits.in_flight=6",
        "limits.in_flight_per_session=6",
        &rows,
    ]);
    let asked: Vec<_> = (0..6)
        .map(|n| {
            let address = server.public;
            std::thread::spawn(move || {
                let body = call("chat", json!({"prompt": format!("slow {n}")})).to_string();
                let headers = call_headers("chat");
                super::process::request(address, "POST", "/mcp", &headers, body.as_bytes())
            })
        })
        .collect();
    provider.wait_for_questions(6);
    let part = || server.admin("/health", &[]).json()["components"]["in_flight"].clone();
    wait_for("all permits", || (part()["current"] == 6).then_some(()));
    let mut feed = open_at(server.admin, "/ws/monitoring", "", &[]).unwrap();
    assert_eq!(greet(&mut feed, json!({}))["ok"], true);
    for _ in 0..LOOKS {
        feed.hear().unwrap();
        let part = part();
        assert_eq!((&part["current"], &part["limit"]), (&json!(6), &json!(6)));
        assert_eq!(part["status"], "healthy", "{part}");
        assert!(!is_firing(&server, "permits-overdue"));
    }
    let scrape = server.admin("/metrics", &[]).body;
    assert!(scrape.contains("\nexai_permits_overdue 0\n"), "{scrape}");
    // It is as full as it can be, which is another matter.
    wait_until_fires(&server, "saturation");
    provider.open();
    for one in asked {
        assert_eq!(one.join().unwrap().status, 200);
    }
}

/// A server whose state folder is a small file system of its own, and where that is seen from here;
/// `None` where this process may not mount one and `EXAI_REQUIRE` does not demand it.
fn on_a_small_disk(settings: &[&str]) -> Option<(Server, PathBuf)> {
    let mount = "mount -t tmpfs -o size=400m none /mnt";
    let may = Command::new("unshare")
        .args(["-rm", "sh", "-c", mount])
        .output();
    if !may.is_ok_and(|tried| tried.status.success()) {
        eprintln!("not run: a disk of the server's own needs `unshare -rm` (package util-linux)");
        let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|name| name == "namespaces");
        assert!(!is_required, "EXAI_REQUIRE names namespaces");
        return None;
    }
    let mut command = Command::new("unshare");
    let path = std::env::var("PATH").unwrap();
    command
        .env_clear()
        .env("PATH", path)
        .args(["-rm", "sh", "-c"]);
    command.arg(format!("{mount} && exec \"$0\" \"$@\""));
    command.arg(env!("CARGO_BIN_EXE_exai"));
    let own = [&["server.state_dir=/mnt", "--demo"], settings].concat();
    let server = serve_by(command, &own);
    let seen = format!("/proc/{}/root/mnt", server.child.id());
    Some((server, seen.into()))
}

#[test]
fn a_disk_that_fills_up_is_told_before_writes_fail_and_is_forgotten_when_it_is_free_again() {
    let (_folder, rows) = at_once();
    let Some((server, disk)) = on_a_small_disk(&["health.interval=100ms", &rows]) else {
        return;
    };
    let part = || server.admin("/health", &[]).json()["components"]["disk"].clone();
    let is = |status: &str| (part()["status"] == status).then_some(());
    wait_for("a healthy disk", || is("healthy"));
    assert!(!is_firing(&server, "disk-high"));
    let leak = disk.join("leak");
    let grow = |megabytes: u64| {
        std::fs::write(&leak, vec![1; usize::try_from(megabytes << 20).unwrap()]).unwrap();
    };
    grow(355);
    wait_until_fires(&server, "disk-high");
    assert_eq!(
        part()["status"],
        "healthy",
        "there is room to write: {}",
        part()
    );
    grow(388);
    wait_until_fires(&server, "disk-full");
    wait_for("the disk to be told", || is("unhealthy"));
    assert_eq!(server.admin("/health/ready", &[]).body, "not_ready");
    std::fs::remove_file(&leak).unwrap();
    wait_for("the disk again", || is("healthy"));
    wait_for("the end of both alerts", || {
        let is_on = ["disk-high", "disk-full"]
            .iter()
            .any(|id| is_firing(&server, id));
        (!is_on).then_some(())
    });
    assert_eq!(server.admin("/health/ready", &[]).body, "ready");
}

/// The embedded row with a threshold as much higher as the time here is shorter.
fn hurried() -> (tempfile::TempDir, String) {
    let all = include_str!("../../alerts.toml");
    let row = all
        .split("[[alert]]")
        .find(|row| row.contains("id = \"memory-growth\""))
        .unwrap();
    let row = row.replace("above = 104857600", "above = 6000000000");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts.toml");
    std::fs::write(&path, format!("[[alert]]{row}")).unwrap();
    (folder, format!("alerts.file={}", path.display()))
}

fn growth(server: &Server) -> f64 {
    let scrape = server.admin("/metrics", &[]).body;
    let line = scrape
        .lines()
        .find_map(|line| line.strip_prefix("exai_memory_growth_bytes_per_hour "));
    line.unwrap_or_else(|| panic!("{scrape}")).parse().unwrap()
}

/// How long a load may take to settle: a slow machine fills its caches slowly.
const SETTLING: Duration = Duration::from_secs(60);

/// Long answers, each to a question of its own, come until the alert has been on, or off, for a
/// while; so many bytes of answers are kept.
fn settles(kept: &str, is_wanted: bool) {
    let answer = "all work and no play ".repeat(50_000);
    let upstream = Upstream::start(move |_| said(&answer));
    let (_folder, rows) = hurried();
    let own = ["health.interval=100ms", "health.trend=3s", kept, &rows];
    let server = started_with(&upstream, &own, &[]);
    let (is_over, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let n = made.fetch_add(1, Ordering::SeqCst);
                let asked = call("chat", json!({"prompt": format!("question {n}")}));
                let reply = server.post(&asked, &call_headers("chat")).json();
                assert_ne!(reply["result"]["isError"], Value::Bool(true), "{reply}");
            }
        });
        wait_for("a trend", || (growth(&server) != 0.0).then_some(()));
        let mut feed = open_at(server.admin, "/ws/monitoring", "", &[]).unwrap();
        assert_eq!(greet(&mut feed, json!({}))["ok"], true);
        let (begun, mut times) = (Instant::now(), 0);
        while times < 3 * LOOKS && begun.elapsed() < SETTLING {
            feed.hear().unwrap();
            let is_on = is_firing(&server, "memory-growth");
            times = if is_on == is_wanted { times + 1 } else { 0 };
        }
        is_over.store(true, Ordering::SeqCst);
        let told = growth(&server);
        eprintln!("{kept}: {told} bytes an hour at the end");
        assert!(times >= 3 * LOOKS, "not told as it is in {SETTLING:?}");
    });
}

#[test]
fn a_cache_without_a_bound_is_told_as_growing_memory() {
    settles("tools.result_bytes=4294967296", true);
}

#[test]
fn the_same_load_on_a_cache_with_its_bound_levels_off() {
    settles("tools.result_bytes=4194304", false);
}

#[test]
fn near_the_limit_of_memory_no_call_is_begun_until_what_is_under_way_has_ended() {
    let is_open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&is_open);
    let upstream = Upstream::start(move |_| {
        while !gate.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        said("at last")
    });
    let own = [
        "health.interval=100ms",
        "limits.memory_bytes=25165824",
        "limits.resend_prompt_chars=100000",
    ];
    let server = started_with(&upstream, &own, &[]);
    let ask = |words: String| {
        let asked = call("chat", json!({"prompt": words}));
        server.post(&asked, &call_headers("chat")).json()["result"].clone()
    };
    let is = |status: &str| {
        let part = server.admin("/health", &[]).json()["components"]["memory"].clone();
        (part["status"] == status).then_some(part)
    };
    wait_for("room", || is("healthy"));
    std::thread::scope(|scope| {
        let long = "very long ".repeat(9_000);
        let calls: Vec<_> = (0..60)
            .map(|n| {
                let words = format!("{n} {long}");
                scope.spawn(move || ask(words))
            })
            .collect();
        let part = wait_for("memory to be short", || is("unhealthy"));
        assert_eq!(part["limit_bytes"], 25_165_824, "{part}");
        let refused = ask("one more".to_owned());
        let error = &refused["structuredContent"]["error"];
        assert_eq!(error["code"], "short_of_memory", "{refused}");
        assert_eq!(server.admin("/health/ready", &[]).body, "not_ready");
        let told = server.post(&call("version", json!({})), &call_headers("version"));
        assert_eq!(told.json()["result"]["isError"], false);
        is_open.store(true, Ordering::SeqCst);
        let ended = calls.into_iter().map(|call| call.join().unwrap());
        let (late, answered): (Vec<_>, Vec<_>) =
            ended.partition(|answer| answer["isError"] == true);
        assert!(!answered.is_empty());
        for answer in late {
            let error = &answer["structuredContent"]["error"];
            assert_eq!(error["code"], "short_of_memory", "{answer}");
        }
    });
    wait_for("room again", || is("healthy"));
    assert_eq!(server.admin("/health/ready", &[]).body, "ready");
    assert_eq!(ask("and now".to_owned())["isError"], false);
}

/// The room that the C library sets aside for each heap beside its first.
const HEAP: u64 = 64 << 20;

/// How many of those heaps a process has: memory without a file at a multiple of the room, and
/// behind it the rest of the room, not yet to be touched.
fn heaps(maps: &str) -> usize {
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let (begin, end) = words.next()?.split_once('-')?;
        let rights = words.next()?.to_owned();
        let has_file = words.nth(2)? != "0";
        let at = |text| u64::from_str_radix(text, 16).ok();
        Some((at(begin)?, at(end)?, rights, has_file))
    };
    let rows: Vec<_> = maps.lines().filter_map(row).collect();
    let is_heap = |pair: &&[(u64, u64, String, bool)]| {
        let (used, rest) = (&pair[0], &pair[1]);
        let is_room = rest.0 == used.1 && rest.1 >= used.0 + HEAP && rest.2 == "---p";
        used.0 % HEAP == 0 && used.2 == "rw-p" && !used.3 && is_room
    };
    rows.windows(2).filter(is_heap).count()
}

#[test]
fn the_allocator_opens_no_more_heaps_than_there_are_cores() {
    let server = serve(&["--demo"], &[]);
    // Threads that wait for the store's file, each of which would open a heap of its own.
    std::thread::scope(|scope| {
        for caller in 0..16 {
            let server = &server;
            scope.spawn(move || {
                for n in 0..10 {
                    let asked = call("chat", json!({"prompt": format!("{caller} asks {n}")}));
                    let reply = server.post(&asked, &call_headers("chat")).json();
                    assert_ne!(reply["result"]["isError"], Value::Bool(true), "{reply}");
                }
            });
        }
    });
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", server.child.id())).unwrap();
    let heaps = 1 + heaps(&maps);
    let cores = std::thread::available_parallelism().unwrap().get();
    assert!(heaps <= cores, "{heaps} heaps on {cores} cores:\n{maps}");
    assert!(cores == 1 || heaps > 1, "no heap is recognized in:\n{maps}");
}
