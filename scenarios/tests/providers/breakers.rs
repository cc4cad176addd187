//! One breaker a provider, as metrics and journals show it: Closed, Open, HalfOpen, Closed.

use exai_mocks::plan::Plan;
use serde_json::json;

use super::ground::{Answer, Server, tracer, wait_for};
use super::row::{GLM, KIMI};
use super::simulator::{Simulator, faulty};

/// Failures in a row that open a breaker, as shipped.
const FAILURES: usize = 5;
/// Calls made at once while a breaker lets one through.
const AT_ONCE: usize = 6;

const STATE: &str = "exai_breaker_state";
const TRANSITIONS: &str = "exai_breaker_transitions_total";

const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const HALF_OPEN: u64 = 2;

/// Kimi before GLM, with a breaker that probes soon.
struct Bench {
    kimi: Simulator,
    glm: Simulator,
    server: Server,
}

impl Bench {
    fn start() -> Self {
        let (kimi, glm) = (Simulator::start(&KIMI), Simulator::start(&GLM));
        let roots = [(KIMI, kimi.root.as_str()), (GLM, glm.root.as_str())];
        let server = Server::start(&roots, "[breaker.provider]\nfirst_open = \"1s\"\n");
        Self { kimi, glm, server }
    }

    fn ask(&self) -> Answer {
        let prompt = format!("Please look at this: {}", tracer());
        let arguments = json!({"prompt": prompt, "model": KIMI.address()});
        self.server.call("chat", &arguments)
    }

    fn ask_at_once(&self) -> Vec<Answer> {
        std::thread::scope(|scope| {
            let calls: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| self.ask())).collect();
            let answers = calls.into_iter().map(|call| call.join());
            answers.map(|answer| answer.expect("an answer")).collect()
        })
    }

    fn state(&self, provider: &str) -> u64 {
        let label = format!("dependency=\"{provider}\"");
        self.server.metric(STATE, &[&label])
    }

    fn moved(&self, from: &str, to: &str) -> u64 {
        let labels = [
            "dependency=\"kimi\"".to_owned(),
            format!("from=\"{from}\""),
            format!("to=\"{to}\""),
        ];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        self.server.metric(TRANSITIONS, &labels)
    }

    fn wait_for_state(&self, wanted: u64) {
        wait_for("the breaker's state in /metrics", || {
            (self.state("kimi") == wanted).then_some(())
        });
    }
}

fn answered_by(answer: &Answer) -> &str {
    answer.reply["provider"].as_str().unwrap_or_default()
}

#[test]
fn a_breaker_opens_tries_one_call_opens_again_and_closes_in_the_metrics() {
    let bench = Bench::start();
    assert_eq!((bench.state("kimi"), bench.state("glm")), (CLOSED, CLOSED));

    bench.kimi.plan(&faulty("G02:502", false));
    while bench.state("kimi") == CLOSED {
        assert!(bench.kimi.requests() < FAILURES, "it did not open");
        assert_eq!(answered_by(&bench.ask()), "glm");
    }
    assert_eq!(
        (bench.state("kimi"), bench.moved("closed", "open")),
        (OPEN, 1)
    );
    assert_eq!(bench.kimi.requests(), FAILURES);
    assert_eq!(answered_by(&bench.ask()), "glm");
    assert_eq!(
        bench.kimi.requests(),
        FAILURES,
        "an open breaker asked all the same"
    );

    // Slow to fail, so that the others come while the one is under way.
    let slow = Plan {
        first_byte_ms: 700,
        ..faulty("G02:502", false)
    };
    bench.kimi.plan(&slow);
    // Again while the server's own question whether the provider lives has the one place.
    wait_for("one call to be tried", || {
        bench.wait_for_state(HALF_OPEN);
        let answers = bench.ask_at_once();
        assert!(answers.iter().all(|answer| answered_by(answer) == "glm"));
        (bench.kimi.requests() > FAILURES).then_some(())
    });
    assert_eq!(bench.kimi.requests(), FAILURES + 1, "more than one probe");
    assert!(bench.moved("half_open", "open") >= 1);
    assert_eq!(bench.moved("half_open", "closed"), 0);

    bench.kimi.heal();
    wait_for("an answer of the healed provider's", || {
        (answered_by(&bench.ask()) == "kimi").then_some(())
    });
    assert_eq!(
        (bench.state("kimi"), bench.moved("half_open", "closed")),
        (CLOSED, 1)
    );
    assert_eq!(
        bench.state("glm"),
        CLOSED,
        "another provider's breaker moved"
    );
    assert!(bench.glm.requests() > AT_ONCE);
}

#[test]
fn a_refused_request_opens_no_breaker_however_often_it_comes() {
    let bench = Bench::start();
    // 400, 400, 401, 404 and 429: a healthy provider's answers.
    for fault in ["C13", "FB13", "K11", "K09", "G01"] {
        bench.kimi.plan(&faulty(fault, false));
        let known = bench.kimi.requests();
        for _ in 0..=FAILURES {
            let _ = bench.ask();
        }
        let asked = bench.kimi.requests() - known;
        assert!(asked > FAILURES, "{fault}: {asked} requests");
        assert_eq!(bench.state("kimi"), CLOSED, "{fault}");
    }
    assert_eq!(
        bench.server.metric(TRANSITIONS, &["dependency=\"kimi\""]),
        0
    );
    bench.kimi.heal();
    assert_eq!(answered_by(&bench.ask()), "kimi");
}
