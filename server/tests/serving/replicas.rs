//! Two instances on one Redis behind a plain round-robin proxy act as one.
//!
//! The outage of Redis is three seconds long here; the thirty of the target are in `outage.rs`.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::archiving::read;
use super::process::{Server, call, call_headers, request, wait_for};
use super::providers::{said, started_with};
use super::redis::Redis;
use super::upstream::Upstream;

/// Sends each connection to the next instance, and past one that refuses it.
#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    instances: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Proxy {
    pub fn before(servers: &[Server]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let instances = servers.iter().map(|server| server.public).collect();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            instances: Arc::new(Mutex::new(instances)),
        };
        let instances = Arc::clone(&proxy.instances);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut instances = instances.lock().unwrap();
                instances.rotate_left(1);
                let far = instances
                    .iter()
                    .find_map(|one| TcpStream::connect(one).ok());
                let Some(far) = far else { continue };
                pump(near.try_clone().unwrap(), far.try_clone().unwrap());
                pump(far, near);
            }
        });
        proxy
    }

    fn replace(&self, old: SocketAddr, new: SocketAddr) {
        let mut instances = self.instances.lock().unwrap();
        instances.retain(|one| *one != old);
        instances.push(new);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let mut bytes = [0; 8192];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            if to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}

fn instance(redis: &Redis, upstream: &Upstream) -> Server {
    let url = format!("store.url={}", redis.url);
    let own = [
        "store.kind=redis",
        "health.interval=200ms",
        "limits.rate.principal=10000",
        "limits.rate.address=10000",
        &url,
    ];
    let server = started_with(upstream, &own, &[]);
    wait_for("readiness", || is_ready(&server).then_some(()));
    server
}

fn is_ready(server: &Server) -> bool {
    server.admin("/health/ready", &[]).status == 200
}

/// One keyed call; `None` when no whole answer came.
fn ask(address: SocketAddr, prompt: &str, thread: Option<&str>) -> Option<Value> {
    let mut arguments = json!({ "prompt": prompt });
    if let Some(thread) = thread {
        arguments["continuation_id"] = thread.into();
    }
    let mut message = call("chat", arguments);
    message["params"]["_meta"]["dev.exai/idempotency-key"] = prompt.into();
    let body = message.to_string();
    let reply = request(
        address,
        "POST",
        "/mcp",
        &call_headers("chat"),
        body.as_bytes(),
    );
    let is_whole = reply.status == 200 && !reply.body.is_empty();
    is_whole.then(|| reply.json()["result"].clone())
}

fn about(result: &Value) -> &Value {
    &result["_meta"]["dev.exai/reply"]
}

/// A turn that its caller was told is kept.
struct Acknowledged {
    thread: String,
    turn: usize,
    prompt: String,
}

/// What talkers share with the storm.
#[derive(Default)]
struct Stage {
    is_over: AtomicBool,
    turns: AtomicUsize,
}

impl Stage {
    /// Waits for so many more turns to be acknowledged.
    fn wait_for_turns(&self, more: usize) {
        let wanted = self.turns.load(Ordering::SeqCst) + more;
        wait_for("more turns", || {
            (self.turns.load(Ordering::SeqCst) >= wanted).then_some(())
        });
    }
}

/// Talks until it is over. A call without a good answer is made again with its key, as a client
/// would, for twenty seconds at most.
fn talk(address: SocketAddr, name: usize, stage: &Stage) -> Vec<Acknowledged> {
    let (mut kept, mut thread) = (Vec::<Acknowledged>::new(), None::<String>);
    while !stage.is_over.load(Ordering::SeqCst) {
        let prompt = format!("talker {name} says {}", kept.len());
        let answer = wait_for("a good answer", || {
            let answer = ask(address, &prompt, thread.as_deref())?;
            (answer["isError"] == false).then_some(answer)
        });
        let (told, turn) = (about(&answer), about(&answer)["turn"].as_u64().unwrap());
        let of = told["continuation_id"].as_str().unwrap().to_owned();
        thread = (turn < 10).then(|| of.clone());
        stage.turns.fetch_add(1, Ordering::SeqCst);
        kept.push(Acknowledged {
            thread: of,
            turn: usize::try_from(turn).unwrap(),
            prompt,
        });
    }
    kept
}

/// Runs talkers while `storm` rages; what they were told is kept, each turn once and in its place.
fn nothing_is_lost(proxy: &Proxy, judge: impl FnOnce() -> Server, storm: impl FnOnce(&Stage)) {
    let stage = Stage::default();
    let kept: Vec<Acknowledged> = std::thread::scope(|scope| {
        let (address, stage) = (proxy.address, &stage);
        let talkers = (0..3).map(|name| scope.spawn(move || talk(address, name, stage)));
        let talkers: Vec<_> = talkers.collect();
        stage.wait_for_turns(10);
        storm(stage);
        stage.wait_for_turns(10);
        stage.is_over.store(true, Ordering::SeqCst);
        talkers
            .into_iter()
            .flat_map(|talker| talker.join().unwrap())
            .collect()
    });
    let server = judge();
    let mut threads: BTreeMap<&str, Value> = BTreeMap::new();
    for one in &kept {
        let thread = threads.entry(&one.thread).or_insert_with(|| {
            let thread = read(&server, &format!("exai://thread/{}", one.thread));
            let text = thread["result"]["contents"][0]["text"].as_str();
            serde_json::from_str(text.unwrap_or_default()).unwrap_or(thread)
        });
        let turns = thread["turns"]
            .as_array()
            .unwrap_or_else(|| panic!("{thread}"));
        let said = |turn: &&Value| turn["user"] == one.prompt.as_str();
        assert_eq!(
            turns.iter().filter(said).count(),
            1,
            "{} in {thread}",
            one.prompt
        );
        assert_eq!(turns[one.turn - 1]["user"], one.prompt.as_str(), "{thread}");
    }
}

#[test]
fn a_thread_goes_on_across_two_instances_and_is_whole_for_both() {
    let Some(redis) = Redis::start() else { return };
    let upstream = Upstream::start(|_| said("noted"));
    let servers = [instance(&redis, &upstream), instance(&redis, &upstream)];
    let proxy = Proxy::before(&servers);
    let (mut seen, mut thread) = (std::collections::BTreeSet::new(), None::<String>);
    for turn in 1..=8_u64 {
        let answer = ask(proxy.address, &format!("message {turn}"), thread.as_deref()).unwrap();
        assert_eq!(about(&answer)["turn"], turn, "{answer}");
        seen.insert(about(&answer)["instance"].as_str().unwrap().to_owned());
        thread = about(&answer)["continuation_id"]
            .as_str()
            .map(str::to_owned);
    }
    assert_eq!(seen.len(), 2, "one instance answered everything");
    let sent = upstream.posts().pop().unwrap().body["messages"].to_string();
    for turn in 1..=8 {
        assert!(sent.contains(&format!("message {turn}")), "{sent}");
    }
    // The same key at the other instance is the same call.
    let (left, right) = (servers[0].public, servers[1].public);
    let asked = upstream.posts().len();
    let (first, second) = (ask(left, "keyed", None), ask(right, "keyed", None));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(about(&second)["replayed"], true, "{second}");
    assert_eq!(
        about(&first)["continuation_id"],
        about(&second)["continuation_id"]
    );
    assert_eq!(upstream.posts().len(), asked + 1);
}

#[test]
fn a_rolling_restart_under_load_loses_no_acknowledged_turn() {
    let Some(redis) = Redis::start() else { return };
    let upstream = Upstream::start(|_| said("noted"));
    let servers = vec![instance(&redis, &upstream), instance(&redis, &upstream)];
    let proxy = Proxy::before(&servers);
    let mut running = servers;
    let storm = |stage: &Stage| {
        for _ in 0..2 {
            let mut old = running.remove(0);
            old.signal(Signal::SIGTERM);
            let ended = wait_for("the drain", || old.child.try_wait().unwrap());
            assert!(ended.success(), "{ended}");
            let new = instance(&redis, &upstream);
            proxy.replace(old.public, new.public);
            running.push(new);
            stage.wait_for_turns(3);
        }
    };
    nothing_is_lost(&proxy, || instance(&redis, &upstream), storm);
}

#[test]
fn through_a_killed_redis_an_instance_stays_ready_and_no_acknowledged_turn_is_lost() {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    let upstream = Upstream::start(|_| said("noted"));
    let servers = [instance(&redis, &upstream), instance(&redis, &upstream)];
    let proxy = Proxy::before(&servers);
    let (mut probes, mut dark) = (0, 0);
    let judge = {
        let (upstream, url) = (&upstream, format!("store.url={}", redis.url));
        move || started_with(upstream, &["store.kind=redis", &url], &[])
    };
    let storm = |_: &Stage| {
        redis.kill();
        let killed = Instant::now();
        while killed.elapsed() < Duration::from_secs(3) {
            probes += 1;
            dark += usize::from(!servers.iter().any(is_ready));
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let detail = servers[0].admin("/health", &[]).json();
        assert_eq!(detail["status"], "degraded", "{detail}");
        redis.restart();
        for server in &servers {
            wait_for("health", || {
                let detail = server.admin("/health", &[]).json();
                (detail["status"] == "healthy").then_some(())
            });
        }
        let healed = killed.elapsed();
        assert!(
            healed < Duration::from_secs(8),
            "healthy only after {healed:?}"
        );
    };
    nothing_is_lost(&proxy, judge, storm);
    assert!(
        probes >= 10 && dark == 0,
        "{dark} of {probes} probes found none ready"
    );
}
