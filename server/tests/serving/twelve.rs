//! Many `exai stdio` processes on one state folder, as many clients on one machine start them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::piped::Bridge;
use super::process::{exai, wait_for};
use super::provider::{KEY, Provider, answer};
use super::socket::tool_call;

const PROCESSES: usize = 12;

/// Threads of each process, and turns of each thread.
const THREADS: usize = 3;
const TURNS: usize = 8;

/// Characters of a question; all turns together are several times the bound of the log.
const QUESTION: usize = 30_000;

/// The most that the write-ahead log may ever hold.
const LOG_BYTES: u64 = 16 << 20;

/// How long a process may live on after its pipe was closed.
const ENDING: Duration = Duration::from_secs(2);

/// The names a parent process is told its part by.
const PARENT: &str = "EXAI_TEST_PARENT";

fn stdio(state: &Path, settings: &[String], env: &[(&str, &str)]) -> Command {
    let mut command = exai(env);
    let state = format!("server.state_dir={}", state.display());
    command.args(["stdio", "--set", &state]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    command
}

fn settings(provider: &Provider) -> Vec<String> {
    let mut settings = provider.settings();
    // Twelve busy debug builds share two cores with each other.
    settings.push("store.busy_timeout=15s".to_owned());
    settings
}

/// A turn that was acknowledged: its thread, its number, its question.
type Acknowledged = (String, u64, String);

fn question(process: usize, thread: usize, turn: usize) -> String {
    let mut text = format!("process {process} thread {thread} turn {turn} ");
    while text.len() < QUESTION {
        text.push_str(&format!("{} ", text.len()));
    }
    text
}

/// One client: it holds its conversations turn by turn and notes what was acknowledged.
fn converse(client: &mut Bridge, process: usize) -> Vec<Acknowledged> {
    let mut acknowledged = Vec::new();
    let mut ids = vec![Value::Null; THREADS];
    let mut id = 10;
    for turn in 0..TURNS {
        for (thread, handle) in ids.iter_mut().enumerate() {
            let question = question(process, thread, turn);
            let mut arguments = json!({ "prompt": question });
            if handle.is_string() {
                arguments["continuation_id"] = handle.clone();
            }
            id += 1;
            let said = client.ask(&tool_call(id, "chat", arguments));
            let result = &said["result"];
            assert_eq!(result["isError"], false, "{said:.1000}");
            let text = result["content"][0]["text"].as_str().unwrap();
            assert!(answer(&question).starts_with(text) && !text.is_empty());
            let about = &result["_meta"]["dev.exai/reply"];
            *handle = about["continuation_id"].clone();
            let named = handle.as_str().unwrap().to_owned();
            acknowledged.push((named, about["turn"].as_u64().unwrap(), question));
        }
    }
    acknowledged
}

/// Every acknowledged turn stands in its thread with its own words.
fn check(client: &mut Bridge, acknowledged: &[Acknowledged]) {
    let mut threads: Vec<&String> = acknowledged.iter().map(|(id, ..)| id).collect();
    threads.sort_unstable();
    threads.dedup();
    assert_eq!(threads.len(), PROCESSES * THREADS);
    for (n, id) in (100..).zip(threads) {
        let uri = format!("exai://thread/{id}");
        let read = json!({"jsonrpc": "2.0", "id": n, "method": "resources/read",
            "params": {"uri": uri}});
        let said = client.ask(&read);
        let text = said["result"]["contents"][0]["text"].as_str().unwrap();
        let thread: Value = serde_json::from_str(text).unwrap();
        let turns = thread["turns"].as_array().unwrap();
        let own: Vec<_> = acknowledged.iter().filter(|(of, ..)| of == id).collect();
        assert_eq!(turns.len(), own.len(), "{uri}");
        for (kept, (_, number, question)) in turns.iter().zip(own) {
            assert_eq!(kept["turn"], *number);
            assert!(kept["user"] == *question, "{uri} {number}");
            assert!(kept["assistant"] == answer(question), "{uri} {number}");
        }
    }
}

/// Watches the write-ahead log until `done`, and returns the largest size seen.
fn watch(state: &Path, done: &AtomicBool) -> u64 {
    let log = state.join("exai.sqlite-wal");
    let largest = AtomicU64::new(0);
    while !done.load(Ordering::SeqCst) {
        let size = std::fs::metadata(&log).map_or(0, |data| data.len());
        largest.fetch_max(size, Ordering::SeqCst);
        thread::park_timeout(Duration::from_millis(20));
    }
    largest.into_inner()
}

#[test]
fn twelve_processes_on_one_folder_answer_under_load_and_lose_no_turn() {
    let provider = Provider::start();
    let state = tempfile::tempdir().unwrap();
    let (ready, done) = (Barrier::new(PROCESSES), AtomicBool::new(false));
    let settings = settings(&provider);
    let start = || Bridge::spawn(&mut stdio(state.path(), &settings, &[KEY]));
    let (acknowledged, largest) = thread::scope(|scope| {
        let watching = scope.spawn(|| watch(state.path(), &done));
        let clients: Vec<_> = (0..PROCESSES)
            .map(|process| {
                let (ready, start) = (&ready, &start);
                scope.spawn(move || {
                    let mut client = start();
                    client.begin();
                    ready.wait();
                    let acknowledged = converse(&mut client, process);
                    // All are busy when all pipes close.
                    client.say(&tool_call(
                        9,
                        "chat",
                        json!({"prompt": format!("slow {process}")}),
                    ));
                    ready.wait();
                    drop(client.stdin.take());
                    let closed = Instant::now();
                    let status = wait_for("the end", || client.child.try_wait().unwrap());
                    assert!(closed.elapsed() <= ENDING, "{:?}", closed.elapsed());
                    assert!(status.success(), "{status:?}");
                    acknowledged
                })
            })
            .collect();
        let joined: Vec<_> = clients.into_iter().map(|one| one.join()).collect();
        done.store(true, Ordering::SeqCst);
        let acknowledged: Vec<Acknowledged> = joined.into_iter().flat_map(Result::unwrap).collect();
        (acknowledged, watching.join().unwrap())
    });
    assert_eq!(acknowledged.len(), PROCESSES * THREADS * TURNS);
    let written = 2 * (acknowledged.len() * QUESTION) as u64;
    assert!(
        written > LOG_BYTES,
        "too little was written to show a bound"
    );
    eprintln!("write-ahead log: {largest} bytes at most, {written} bytes of turns");
    assert!(largest <= LOG_BYTES, "{largest} bytes of log");
    let mut later = start();
    later.begin();
    check(&mut later, &acknowledged);
}

/// The part of a parent: starts the processes, names them, and is killed.
fn be_the_parent(state: &str) -> ! {
    let mut children: Vec<Bridge> = (0..PROCESSES)
        .map(|_| {
            let mut command = stdio(Path::new(state), &[], &[]);
            Bridge::spawn(command.arg("--demo"))
        })
        .collect();
    // Past the test harness, which keeps what is printed.
    let mut out = std::io::stdout();
    for child in &mut children {
        child.begin();
        writeln!(out, "\npid {}", child.child.id()).unwrap();
    }
    writeln!(out, "\nall begun").unwrap();
    loop {
        thread::park();
    }
}

/// Whether a process has ended; one that nobody waited for counts.
fn has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default();
    matches!(state.trim_start().chars().next(), None | Some('Z' | 'X'))
}

#[test]
fn the_processes_of_a_parent_that_is_killed_end_with_it() {
    if let Ok(state) = std::env::var(PARENT) {
        be_the_parent(&state);
    }
    let state = tempfile::tempdir().unwrap();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .arg("--exact")
        .arg("twelve::the_processes_of_a_parent_that_is_killed_end_with_it")
        .env(PARENT, state.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let lines = lines.map_while(Result::ok);
    let pids: Vec<u32> = lines
        .take_while(|line| line != "all begun")
        .filter_map(|line| line.strip_prefix("pid ")?.parse().ok())
        .collect();
    assert_eq!(pids.len(), PROCESSES);
    assert!(!pids.iter().any(|pid| has_ended(*pid)));
    parent.kill().unwrap();
    let killed = Instant::now();
    parent.wait().unwrap();
    wait_for("the end of all processes", || {
        pids.iter().all(|pid| has_ended(*pid)).then_some(())
    });
    assert!(killed.elapsed() <= ENDING, "{:?}", killed.elapsed());
}
