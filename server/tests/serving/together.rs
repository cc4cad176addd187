//! Several instances on one Redis: each knows all sessions of revision 2025-11-25, and the rates
//! are those of one.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::process::{Reply, Server, request, serve_jwt, token, wait_for};
use super::redis::Redis;

fn instance(redis: &Redis) -> Server {
    instance_with(redis, &[])
}

fn instance_with(redis: &Redis, own: &[&str]) -> Server {
    let url = format!("store.url={}", redis.url);
    let settings = [&["--demo", "store.kind=redis", &url], own].concat();
    let server = serve_jwt(&settings);
    wait_for("readiness", || {
        (server.admin("/health/ready", &[]).status == 200).then_some(())
    });
    server
}

/// A caller and, once it has begun, its session.
struct Client {
    bearer: String,
    session: String,
}

impl Client {
    fn of(subject: &str) -> Self {
        Self {
            bearer: format!("Bearer {}", token(subject, &["user"])),
            session: String::new(),
        }
    }

    fn begun(subject: &str, server: &Server) -> Self {
        let own = Self::of(subject);
        let session = server.session(&[("authorization", &own.bearer)]);
        Self { session, ..own }
    }

    /// Somebody else who knows the session.
    fn robbed_by(&self, subject: &str) -> Self {
        Self {
            session: self.session.clone(),
            ..Self::of(subject)
        }
    }

    fn send(&self, server: &Server, method: &str, body: &[u8]) -> Reply {
        let headers = [
            ("authorization", self.bearer.as_str()),
            ("mcp-session-id", self.session.as_str()),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        request(server.public, method, "/mcp", &headers, body)
    }

    fn call(&self, server: &Server, id: usize) -> Reply {
        let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": "version", "arguments": {}}});
        self.send(server, "POST", body.to_string().as_bytes())
    }

    /// The instance that answered a call in the session.
    fn answer(&self, server: &Server, id: usize) -> String {
        let reply = self.call(server, id);
        assert_eq!(reply.status, 200, "{reply:?}");
        let answer = reply.json();
        assert_eq!(answer["id"], id, "{answer}");
        assert_eq!(answer["result"]["isError"], false, "{answer}");
        reply.header("exai-instance").unwrap().to_owned()
    }

    fn end(&self, server: &Server) -> Reply {
        self.send(server, "DELETE", b"")
    }
}

fn refused(reply: &Reply) -> (u16, Value) {
    (reply.status, reply.json()["error"]["data"]["code"].clone())
}

fn unknown() -> (u16, Value) {
    (404, "session_not_found".into())
}

#[test]
fn a_session_goes_on_at_the_other_instance_for_its_owner_alone_and_ends_at_both() {
    let Some(redis) = Redis::start() else { return };
    let (left, right) = (instance(&redis), instance(&redis));
    let alice = Client::begun("alice", &left);
    let thief = alice.robbed_by("bob");
    for server in [&right, &left] {
        assert_eq!(refused(&thief.call(server, 1)), unknown());
        assert_eq!(refused(&thief.end(server)), unknown());
    }
    // All at once: the handshake is replayed during one of them, and the others wait for it.
    let instances: Vec<String> = std::thread::scope(|scope| {
        let calls = (0..12).map(|id| (id, &alice, &right));
        let calls = calls.map(|(id, alice, right)| scope.spawn(move || alice.answer(right, id)));
        let calls: Vec<_> = calls.collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(instances.iter().all(|one| *one == instances[0]));
    assert_ne!(alice.answer(&left, 20), instances[0]);
    // The stranger learned nothing and ended nothing, now that both have it in memory too.
    assert_eq!(refused(&thief.call(&right, 2)), unknown());
    let ended = alice.end(&right);
    assert!((200..300).contains(&ended.status), "{ended:?}");
    for server in [&left, &right] {
        assert_eq!(refused(&alice.call(server, 30)), unknown());
    }
}

#[test]
fn a_session_outlives_the_instance_that_began_it() {
    let Some(redis) = Redis::start() else { return };
    let mut first = instance(&redis);
    let alice = Client::begun("alice", &first);
    first.signal(Signal::SIGTERM);
    let ended = wait_for("the drain", || first.child.try_wait().unwrap());
    assert!(ended.success(), "{ended}");
    let second = instance(&redis);
    alice.answer(&second, 1);
}

#[test]
fn without_redis_an_instance_goes_by_its_own_sessions_and_asks_for_patience_with_others() {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    let (left, right) = (instance(&redis), instance(&redis));
    let alice = Client::begun("alice", &left);
    redis.kill();
    alice.answer(&left, 1);
    let away = alice.call(&right, 2);
    assert_eq!(refused(&away), (503, "sessions_unavailable".into()));
    assert_eq!(away.header("retry-after"), Some("1"), "{away:?}");
    // A new one begins, at home in its instance until it ends.
    let bob = Client::begun("bob", &left);
    bob.answer(&left, 3);
    redis.restart();
    wait_for("the session at the other instance", || {
        (alice.call(&right, 4).status == 200).then_some(())
    });
    alice.answer(&left, 5);
    bob.answer(&left, 6);
    assert_eq!(refused(&bob.call(&right, 7)), unknown());
}

/// How long Redis hesitates: longer than a request whose session is known waits for it.
const HESITATION: Duration = Duration::from_millis(500);

#[test]
fn a_session_that_began_elsewhere_is_waited_for_while_redis_hesitates() {
    let Some(redis) = Redis::start() else { return };
    let (left, right) = (instance(&redis), instance(&redis));
    let alice = Client::begun("alice", &left);
    let thief = alice.robbed_by("bob");
    let during = |ask: &dyn Fn() -> Reply| {
        nix::sys::signal::kill(redis.pid(), Signal::SIGSTOP).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(HESITATION);
                nix::sys::signal::kill(redis.pid(), Signal::SIGCONT).unwrap();
            });
            ask()
        })
    };
    assert_eq!(refused(&during(&|| thief.call(&left, 1))), unknown());
    assert_eq!(during(&|| alice.call(&right, 2)).status, 200);
}

/// How many requests of these callers two instances accept in this time, all sent as fast as they
/// are answered.
fn accepted(servers: &[Server; 2], callers: &[Client], span: Duration) -> usize {
    let ends = Instant::now() + span;
    let ask = |caller: &Client, server: &Server| {
        let mut accepted = 0;
        while Instant::now() < ends {
            let reply = caller.send(server, "GET", b"");
            accepted += usize::from(reply.status != 429);
        }
        accepted
    };
    std::thread::scope(|scope| {
        let pairs = servers
            .iter()
            .flat_map(|server| callers.iter().map(move |caller| (caller, server)));
        let asking = pairs.map(|(caller, server)| scope.spawn(move || ask(caller, server)));
        let asking: Vec<_> = asking.collect();
        asking.into_iter().map(|one| one.join().unwrap()).sum()
    })
}

/// In six seconds two instances accept six times the rate, a burst each and what is taken between
/// reports, for which there is room of another burst; by themselves they would accept fourteen
/// times the rate.
#[test]
fn two_instances_keep_the_rates_of_one() {
    let Some(redis) = Redis::start() else { return };
    let span = Duration::from_secs(6);
    let cases: [(&[&str], usize, usize); 3] = [
        (&["limits.rate.principal=6"], 1, 6),
        (&["limits.rate.address=5"], 2, 5),
        (&["limits.rate.global=4"], 2, 4),
    ];
    for (own, callers, rate) in cases {
        let servers = [instance_with(&redis, own), instance_with(&redis, own)];
        let names = ["alice", "bob"].into_iter().take(callers);
        let callers: Vec<Client> = names.map(Client::of).collect();
        let accepted = accepted(&servers, &callers, span);
        let sustained = rate * 6;
        let most = sustained + 3 * rate;
        assert!(accepted <= most, "{accepted} of {most} at {rate} a second");
        assert!(accepted >= sustained / 2, "{accepted} of {sustained}");
        // What was taken is waited for before the next case, which has buckets of the same names.
        wait_for("full buckets", || {
            let reply = callers[0].send(&servers[0], "GET", b"");
            (reply.status != 429).then_some(())
        });
    }
}
