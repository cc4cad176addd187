//! The breaker before Redis, as the metrics show it while Redis dies and comes back.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use exai_harness::port::free_port;
use serde_json::json;

use super::ground::{Answer, Server, tracer, wait_for};
use super::row::KIMI;
use super::simulator::Simulator;

const STATE: &str = "exai_breaker_state";
const TRANSITIONS: &str = "exai_breaker_transitions_total";

/// A Redis of the test's own, ended with it.
struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Redis {
    /// `None` where there is no `redis-server`; a failure when `EXAI_REQUIRE` demands one.
    fn at(port: u16) -> Option<Self> {
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            eprintln!("not run: redis-server (package redis-server)");
            let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
            let is_required = required.split(',').any(|name| name == "redis");
            assert!(!is_required, "redis-server is required");
            return None;
        };
        wait_for("redis", || TcpStream::connect(("127.0.0.1", port)).ok());
        Some(Self(child))
    }
}

struct Bench {
    server: Server,
    _kimi: Simulator,
}

impl Bench {
    fn start(port: u16) -> Self {
        let kimi = Simulator::start(&KIMI);
        let more = format!(
            "[store]\nkind = \"redis\"\nurl = \"redis://127.0.0.1:{port}\"\n\
             [health]\ninterval = \"200ms\"\n"
        );
        let server = Server::start(&[(KIMI, &kimi.root)], &more);
        Self {
            server,
            _kimi: kimi,
        }
    }

    fn ask(&self) -> Answer {
        let prompt = format!("Please look at this: {}", tracer());
        self.server
            .call("chat", &json!({"prompt": prompt, "model": KIMI.address()}))
    }

    fn wait_for_state(&self, wanted: u64) {
        wait_for("the breaker's state in /metrics", || {
            let state = self.server.metric(STATE, &["dependency=\"redis\""]);
            (state == wanted).then_some(())
        });
    }

    fn moved(&self, from: &str, to: &str) -> u64 {
        let (from, to) = (format!("from=\"{from}\""), format!("to=\"{to}\""));
        let labels = ["dependency=\"redis\"", &from, &to];
        self.server.metric(TRANSITIONS, &labels)
    }
}

#[test]
fn the_breaker_before_redis_opens_tries_in_vain_and_closes_when_redis_is_back() {
    let port = free_port().expect("a port");
    let Some(redis) = Redis::at(port) else { return };
    let bench = Bench::start(port);
    wait_for("an answer", || bench.ask().error.is_none().then_some(()));
    bench.wait_for_state(0);

    drop(redis);
    bench.wait_for_state(1);
    let refused = bench.ask();
    assert_eq!(refused.code(), "store_unavailable", "{refused:?}");
    assert!(refused.took < Duration::from_secs(1), "{:?}", refused.took);
    wait_for("a try in vain", || {
        (bench.moved("half_open", "open") > 0).then_some(())
    });
    assert_eq!(bench.moved("half_open", "closed"), 0);

    let _redis = Redis::at(port);
    let back = Instant::now();
    bench.wait_for_state(0);
    assert!(
        back.elapsed() < Duration::from_secs(5),
        "{:?}",
        back.elapsed()
    );
    assert_eq!(bench.moved("closed", "open"), 1);
    assert_eq!(bench.moved("half_open", "closed"), 1);
    assert_eq!(bench.ask().error, None);
}
