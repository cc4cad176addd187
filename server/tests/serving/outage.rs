//! Half a minute without Redis, with two replicas behind it, as an orchestrator and a bill see it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{JWT, SECRET, Server, call, call_headers, request, token, wait_for};
use super::providers::started_with;
use super::redis::Redis;
use super::upstream::Upstream;

/// What the target names.
const OUTAGE: Duration = Duration::from_secs(30);

/// How often an orchestrator asks here.
const EVERY: Duration = Duration::from_millis(100);

/// The most that a call of these prompts may hold, and the bound of the person who makes them.
const HOLD_TOKENS: u64 = 9000;
const BOUND_TOKENS: u64 = 60_000;

/// Refusals in a row that end the spending.
const ENOUGH: u32 = 10;

/// What each answer is billed.
const CALL_TOKENS: u64 = 1000;

fn replica(redis: &Redis, upstream: &Upstream) -> Server {
    let url = format!("store.url={}", redis.url);
    let bound = format!("budget.user=day_tokens={BOUND_TOKENS}");
    let own = [
        "store.kind=redis",
        "tools.profile=standard",
        "limits.rate.principal=10000",
        "limits.rate.address=10000",
        &url,
        &bound,
    ];
    let settings: Vec<&str> = JWT.iter().chain(&own).copied().collect();
    let metrics = ("EXAI_METRICS_TOKEN", "0a9b8c7d6e5f40312233445566778899");
    started_with(upstream, &settings, &[("EXAI_JWT_SECRET", SECRET), metrics])
}

/// What a probe gets that names the pod's address and shows no token.
fn probe(admin: SocketAddr, path: &str) -> (u16, String) {
    let reply = request(admin, "GET", path, &[("host", "10.244.0.5:8080")], b"");
    (reply.status, reply.body)
}

fn detail(server: &Server, admin: &str) -> Value {
    let bearer = format!("Bearer {admin}");
    server
        .admin("/health", &[("authorization", &bearer)])
        .json()
}

/// What the probes of both replicas have said: rounds, rounds in which none was ready, rounds in
/// which one was not.
#[derive(Default)]
struct Probed {
    rounds: AtomicU64,
    dark: AtomicU64,
    short: AtomicU64,
}

impl Probed {
    /// Asks until it is over.
    fn run(&self, replicas: &[Server; 2], is_over: &AtomicBool) {
        while !is_over.load(Ordering::SeqCst) {
            let begun = Instant::now();
            let ready = replicas.iter().filter(|one| {
                let (live, ready) = (
                    probe(one.admin, "/health/live"),
                    probe(one.admin, "/health/ready"),
                );
                assert_eq!(live, (200, "live".to_owned()));
                let is_ready = ready == (200, "ready".to_owned());
                assert!(
                    is_ready || ready == (503, "not_ready".to_owned()),
                    "{ready:?}"
                );
                is_ready
            });
            let ready = ready.count();
            self.rounds.fetch_add(1, Ordering::SeqCst);
            self.dark.fetch_add(u64::from(ready == 0), Ordering::SeqCst);
            self.short.fetch_add(u64::from(ready < 2), Ordering::SeqCst);
            std::thread::park_timeout(EVERY.saturating_sub(begun.elapsed()));
        }
    }
}

/// One call; its code, `ok` when it was answered.
fn spend(server: &Server, bearer: &str, prompt: &str) -> String {
    let bearer = format!("Bearer {bearer}");
    let mut headers = call_headers("chat");
    headers.push(("authorization", &bearer));
    let arguments = json!({"prompt": prompt, "model": "kimi-k2.6"});
    let said = server.post(&call("chat", arguments), &headers).json();
    let result = &said["result"];
    let code = result["structuredContent"]["error"]["code"].as_str();
    match result["isError"].as_bool() {
        Some(true) => code.unwrap().to_owned(),
        _ => "ok".to_owned(),
    }
}

/// Spends at both replicas until it is over, and then until nothing more is let through. What was
/// held when Redis went stays held for a while, so the last word may be either refusal.
fn spends(replicas: &[Server; 2], is_over: &AtomicBool, codes: &std::sync::Mutex<Vec<String>>) {
    std::thread::scope(|scope| {
        for (n, server) in replicas.iter().chain(replicas).enumerate() {
            scope.spawn(move || {
                let bearer = token("ann", &["user"]);
                let mut refused = 0;
                for turn in 0.. {
                    let code = spend(server, &bearer, &format!("{n} asks {turn}"));
                    refused = if code.starts_with("budget_") {
                        refused + 1
                    } else {
                        0
                    };
                    codes.lock().unwrap().push(code);
                    if refused >= ENOUGH && is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    std::thread::park_timeout(EVERY);
                }
            });
        }
    });
}

/// The provider: each answer is billed the same.
fn provider() -> Upstream {
    Upstream::start(|_| {
        json!({"id": "c", "model": "m",
            "usage": {"prompt_tokens": CALL_TOKENS - 10, "completion_tokens": 10},
            "choices": [{"index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": "fine"}}]})
    })
}

fn wait_until_healthy(replicas: &[Server; 2], admin: &str) {
    for server in replicas {
        wait_for("health", || {
            (detail(server, admin)["status"] == "healthy").then_some(())
        });
    }
}

/// Takes Redis away for the time of the outage; nobody is paid meanwhile.
fn outage(redis: &mut Redis, replicas: &[Server; 2], upstream: &Upstream, admin: &str) {
    redis.kill();
    let killed = Instant::now();
    for server in replicas {
        wait_for("degraded", || {
            let detail = detail(server, admin);
            let store = &detail["components"]["store"]["status"];
            (detail["status"] == "degraded" && store == "unhealthy").then_some(())
        });
    }
    let paid = upstream.posts().len();
    while killed.elapsed() < OUTAGE {
        std::thread::park_timeout(EVERY);
        for server in replicas {
            assert_eq!(detail(server, admin)["status"], "degraded");
        }
    }
    let now = upstream.posts().len();
    assert_eq!(now, paid, "somebody spent without a store");
    redis.restart();
    wait_until_healthy(replicas, admin);
    wait_for("an answer after it", || {
        (upstream.posts().len() > paid).then_some(())
    });
}

#[test]
fn through_thirty_seconds_without_redis_both_replicas_stay_ready_and_nobody_overspends() {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    let upstream = provider();
    let replicas = [replica(&redis, &upstream), replica(&redis, &upstream)];
    let admin = token("root", &["admin"]);
    wait_until_healthy(&replicas, &admin);
    let (probed, is_over) = (Probed::default(), AtomicBool::new(false));
    let codes = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let probing = scope.spawn(|| probed.run(&replicas, &is_over));
        let spending = scope.spawn(|| spends(&replicas, &is_over, &codes));
        wait_for("a few answers", || {
            (upstream.posts().len() >= 8).then_some(())
        });
        outage(&mut redis, &replicas, &upstream, &admin);
        is_over.store(true, Ordering::SeqCst);
        assert!(
            probing.join().is_ok() & spending.join().is_ok(),
            "see above"
        );
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    let (rounds, dark, short) = (
        count(&probed.rounds),
        count(&probed.dark),
        count(&probed.short),
    );
    let spent = upstream.posts().len() as u64 * CALL_TOKENS;
    println!(
        "{rounds} rounds of probes: none ready in {dark}, one of two in {short}; \
         {spent} of {BOUND_TOKENS} tokens spent, a hold is {HOLD_TOKENS} at most"
    );
    assert!(rounds >= 100, "{rounds} rounds in {OUTAGE:?}");
    assert_eq!((dark, short), (0, 0), "rounds with fewer than two ready");
    let codes = codes.into_inner().unwrap();
    let met = codes.iter().any(|code| code == "store_unavailable");
    assert!(met, "no call met the outage: {codes:?}");
    let known = ["ok", "store_unavailable", "budget_held", "budget_exceeded"];
    let is_known = |code: &String| known.contains(&code.as_str());
    assert!(codes.iter().all(is_known), "{codes:?}");
    let is_bounded = codes.iter().any(|code| code.starts_with("budget_"));
    assert!(
        is_bounded && spent <= BOUND_TOKENS + HOLD_TOKENS,
        "{spent} of {BOUND_TOKENS} tokens"
    );
}
