//! Three clocks an attempt, by model class: each fires alone on its own fault, at its own value.

use std::process::Command;
use std::time::Duration;

use exai_mocks::plan::Plan;
use serde_json::{Value, json};

use super::ground::{Server, built, tracer};
use super::row::KIMI;
use super::simulator::{Simulator, faulty};

/// How much later than its value a clock may be told of.
const LATE: Duration = Duration::from_secs(1);

/// The clocks of both classes, each another than its neighbours and than the other class's.
const SETTINGS: &str = "[timeouts.prompt]\nfirst_token = \"2s\"\nidle = \"1s\"\ntotal = \"4s\"\n\
    [timeouts.thinking]\nfirst_token = \"3s\"\nidle = \"2s\"\ntotal = \"5s\"\n\
    [breaker]\nfailures = 1000\n";

/// Every wall clock of the historic ladder, shortened.
const CLASSIC: &str = "[timeouts]\nprofile = \"classic\"\n[timeouts.classic]\ntool = \"2s\"\n\
    expert = \"2s\"\nworkflow = \"7s\"\ndaemon = \"8s\"\nbridge = \"9s\"\n\
    [breaker]\nfailures = 1000\n";

/// Text for minutes, a little at a time.
fn endless() -> Plan {
    Plan {
        chunk_ms: 50,
        chunk_chars: 8,
        prose_words: 4_000,
        ..Plan::default()
    }
}

/// One call at a model against a plan; it must end with this code at this value.
fn fires(
    (server, simulator): (&Server, &Simulator),
    model: &str,
    plan: &Plan,
    wanted: (&str, u64),
) {
    let (code, seconds) = wanted;
    simulator.plan(plan);
    let prompt = format!("Please look at this: {}", tracer());
    let arguments = json!({"prompt": prompt, "model": format!("kimi/{model}"), "stream": true});
    let answer = server.call("chat", &arguments);
    assert_eq!(answer.code(), code, "{model}: {answer:?}");
    let value = Duration::from_secs(seconds);
    let took = answer.took;
    let is_in_time = value <= took && took < value + LATE;
    assert!(
        is_in_time,
        "{model}: {code} after {took:?} instead of {value:?}"
    );
}

fn each_clock_fires(model: &str, [first_token, idle, total]: [u64; 3]) {
    let simulator = Simulator::start(&KIMI);
    let server = Server::start(&[(KIMI, &simulator.root)], SETTINGS);
    let ground = (&server, &simulator);
    let silent = faulty("G04:silent", false);
    fires(ground, model, &silent, ("provider_silent", first_token));
    fires(
        ground,
        model,
        &faulty("S03", false),
        ("provider_stalled", idle),
    );
    fires(ground, model, &endless(), ("provider_too_slow", total));
}

#[test]
fn each_clock_of_class_prompt_fires_alone_on_its_own_fault() {
    each_clock_fires("kimi-k2.6", [2, 1, 4]);
}

#[test]
fn each_clock_of_class_thinking_fires_alone_on_its_own_fault() {
    each_clock_fires("kimi-k2.7-code", [3, 2, 5]);
}

#[test]
fn the_classic_ladder_has_one_end_for_both_classes_and_knows_no_silence() {
    let simulator = Simulator::start(&KIMI);
    let server = Server::start(&[(KIMI, &simulator.root)], CLASSIC);
    let ground = (&server, &simulator);
    for model in ["kimi-k2.6", "kimi-k2.7-code"] {
        fires(
            ground,
            model,
            &faulty("G04:silent", false),
            ("provider_silent", 2),
        );
        fires(ground, model, &endless(), ("provider_too_slow", 2));
    }
    let manifest: Value = serde_json::from_str(&server.admin("/manifest")).expect("JSON");
    let policy = manifest["policy"].to_string();
    assert!(policy.contains("classic"), "{policy}");
}

#[test]
fn an_inverted_ladder_refuses_to_start_and_names_the_outer_clock() {
    let classic = "timeouts.profile=classic";
    let table: [(&[&str], &str); 4] = [
        (&["timeouts.prompt.total=9s"], "timeouts.prompt.total"),
        (&["timeouts.thinking.idle=301s"], "timeouts.thinking.total"),
        (
            &[classic, "timeouts.classic.workflow=44s"],
            "timeouts.classic.workflow",
        ),
        (
            &[classic, "timeouts.classic.bridge=60s"],
            "timeouts.classic.bridge",
        ),
    ];
    for (settings, key) in table {
        let mut command = Command::new(built("exai"));
        command.env_clear().arg("serve");
        for setting in settings {
            command.args(["--set", setting]);
        }
        let output = command.output().expect("the server starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{settings:?}: {said}");
        assert!(
            said.contains(key) && said.contains("must exceed"),
            "{settings:?}: {said}"
        );
    }
}
