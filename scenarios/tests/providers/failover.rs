//! A provider that dies or goes silent is left for the next one in time, and the conversation goes
//! with the caller. Times are the simulators' own, on one monotonic clock.

use std::time::Duration;

use exai_mocks::clock::monotonic_ns;
use exai_mocks::plan::Plan;
use exai_mocks::tracer::sha256_hex;
use serde_json::json;

use super::ground::{Answer, Server, tracer, wait_for};
use super::row::{GLM, KIMI};
use super::simulator::{Simulator, faulty, run_key};

/// From a provider's last sign to the first byte of the request at the next.
const FAILOVER: Duration = Duration::from_secs(2);
/// How long a silent provider of class prompt may hold a call.
const SILENCE: Duration = Duration::from_secs(15);

/// What a request may take to be read by its provider.
const ON_ITS_WAY: Duration = Duration::from_millis(250);

/// Kimi, which the caller names, and GLM behind it.
struct Bench {
    kimi: Simulator,
    glm: Simulator,
    server: Server,
}

impl Bench {
    fn start(more: &str) -> Self {
        let (kimi, glm) = (Simulator::start(&KIMI), Simulator::start(&GLM));
        let roots = [(KIMI, kimi.root.as_str()), (GLM, glm.root.as_str())];
        let server = Server::start(&roots, more);
        Self { kimi, glm, server }
    }

    fn ask(&self, tracer: &str, more: serde_json::Value) -> Answer {
        let mut arguments = more;
        arguments["prompt"] = format!("Please look at this: {tracer}").into();
        if arguments["model"].is_null() {
            arguments["model"] = KIMI.address().into();
        }
        self.server.call("chat", &arguments)
    }

    /// The answer is GLM's own, to this tracer, and when it was asked for, ns.
    fn is_from_glm(&self, answer: &Answer, tracer: &str) -> u64 {
        assert_eq!(answer.error, None);
        assert_eq!(answer.reply["provider"], "glm", "{answer:?}");
        assert_eq!(answer.reply["failover"], true, "{answer:?}");
        let asked = self.glm.since(0);
        let last = asked.last().expect("a request at GLM");
        let keyed = run_key().answer("glm", &last.began.model, tracer);
        assert!(answer.text.contains(&keyed), "{answer:?}");
        let digest = Some(sha256_hex(answer.text.as_bytes()));
        assert_eq!(digest, last.ended.answer_sha256);
        last.began.at
    }
}

fn nanos(from: u64, to: u64) -> Duration {
    Duration::from_nanos(to.saturating_sub(from))
}

#[test]
fn a_killed_provider_s_caller_gets_the_next_one_s_answer_and_keeps_the_thread() {
    let mut bench = Bench::start("");
    let (first, second) = (tracer(), tracer());
    let begun = bench.ask(&first, json!({}));
    assert_eq!(begun.reply["provider"], "kimi", "{begun:?}");
    let id = begun.reply["continuation_id"].clone();
    bench.kimi.kill();
    let killed = monotonic_ns();
    let answer = bench.ask(&second, json!({"continuation_id": id}));
    let asked = bench.is_from_glm(&answer, &second);
    assert!(
        nanos(killed, asked) <= FAILOVER,
        "{:?}",
        nanos(killed, asked)
    );
    assert_eq!(answer.reply["continuation_id"], id);
    assert_eq!(answer.reply["turn"], 2);
    let seen = bench.glm.began().pop().expect("a request");
    let spoken = seen.messages.iter().filter(|one| one.role != "system");
    let spoken: Vec<_> = spoken
        .map(|one| (one.role.as_str(), &one.tracers[..]))
        .collect();
    let wanted = [
        ("user", &[first][..]),
        ("assistant", &[][..]),
        ("user", &[second][..]),
    ];
    assert_eq!(spoken, wanted, "the thread at the next provider");
}

#[test]
fn a_provider_killed_in_the_middle_of_its_answer_is_left_in_time() {
    let mut bench = Bench::start("");
    bench.kimi.plan(&Plan {
        chunk_ms: 100,
        chunk_chars: 8,
        prose_words: 2_000,
        ..Plan::default()
    });
    let own = tracer();
    std::thread::scope(|scope| {
        let server = &bench.server;
        let prompt = format!("Please look at this: {own}");
        let arguments = json!({"prompt": prompt, "model": KIMI.address(), "stream": true});
        let call = scope.spawn(move || server.call("chat", &arguments));
        let kimi = &bench.kimi;
        wait_for("the request at Kimi", || {
            (kimi.requests() > 0).then_some(())
        });
        // A few pieces of it, so that it dies in the middle.
        std::thread::park_timeout(Duration::from_millis(400));
        let pid = kimi.pid();
        let killed = monotonic_ns();
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it lives");
        let answer = call.join().expect("an answer");
        let asked = bench.is_from_glm(&answer, &own);
        assert!(
            nanos(killed, asked) <= FAILOVER,
            "{:?}",
            nanos(killed, asked)
        );
    });
    bench.kimi.kill();
}

#[test]
fn a_silent_provider_of_class_prompt_is_left_within_fifteen_seconds_whole_and_streamed() {
    let bench = Bench::start("");
    bench.kimi.plan(&faulty("G04:silent", false));
    std::thread::scope(|scope| {
        for streamed in [false, true] {
            let bench = &bench;
            scope.spawn(move || {
                let own = tracer();
                let answer = bench.ask(&own, json!({"stream": streamed}));
                assert_eq!(answer.reply["provider"], "glm", "{answer:?}");
                let at = |all: Vec<exai_mocks::journal::Began>| {
                    let mut own_ones = all
                        .into_iter()
                        .filter(|began| began.tracers.iter().any(|placed| placed.text == own));
                    let first = own_ones.next().expect("a request");
                    assert!(own_ones.next().is_none(), "a silent route was tried twice");
                    first.at
                };
                let waited = nanos(at(bench.kimi.began()), at(bench.glm.began()));
                assert!(
                    waited <= SILENCE,
                    "streamed {streamed}: left after {waited:?}"
                );
                eprintln!("streamed {streamed}: left after {waited:?}");
            });
        }
    });
}

#[test]
fn a_silent_provider_of_class_thinking_is_left_at_its_own_first_token_clock() {
    let bench = Bench::start("[timeouts.thinking]\nfirst_token = \"3s\"\n");
    bench.kimi.plan(&faulty("G04:silent", false));
    let own = tracer();
    let answer = bench.ask(&own, json!({"model": "kimi/kimi-k2.7-code"}));
    let left = bench.is_from_glm(&answer, &own);
    let began = bench.kimi.began().first().expect("a request").at;
    let waited = nanos(began, left);
    let clock = Duration::from_secs(3);
    // The clock runs from when the request was sent; the simulator had it a moment later.
    let is_in_time = clock <= waited + ON_ITS_WAY && waited <= clock + FAILOVER;
    assert!(is_in_time, "left after {waited:?}");
}
