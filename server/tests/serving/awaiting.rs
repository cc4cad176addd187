//! A model that thinks: its first token comes after 90 seconds and its last after 200. Every wire
//! and every client waits at the same time, so the test takes as long as one call.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::clients;
use super::process::{Server, exai, serve, wait_for};
use super::provider::{Provider, answer};
use super::relay::Relay;
use super::wires::{Asked, Asking, Heard, Wire, ask_pipe, text};

const KEY: (&str, &str) = ("KIMI_API_KEY", "sk-0123456789abcdef");
const MODEL: &str = "kimi-k2.7-code";

/// Progress is promised at most so far apart, keep-alive comments so far.
const PROGRESS: Duration = Duration::from_secs(5);
const COMMENTS: Duration = Duration::from_secs(15);

fn thinking(prompt: &str, has_token: bool) -> Asking {
    Asking {
        arguments: json!({"prompt": prompt, "model": MODEL}),
        has_token,
        ..Asking::chat("")
    }
}

fn prompt(name: &str) -> String {
    format!("paced 90000 200000 {name}")
}

fn stdio(provider: &Provider, folder: &tempfile::TempDir, more: &[&str]) -> Command {
    let mut command = exai(&[KEY]);
    command.arg("stdio");
    let state = format!("server.state_dir={}", folder.path().display());
    let own = provider.settings();
    let settings = own.iter().map(String::as_str).chain([state.as_str()]);
    for setting in settings.chain(more.iter().copied()) {
        command.args(["--set", setting]);
    }
    command
}

/// Waits for a whole answer and holds what is heard before it to its clocks.
fn patiently(mut asked: Asked, has_token: bool, name: &str) -> Value {
    let is_http = matches!(asked, Asked::Http(_));
    let (mut notes, mut signs) = (0, 0);
    let (mut note, mut sign) = (Instant::now(), Instant::now());
    loop {
        let heard = asked.hear().unwrap_or_else(|| panic!("{name} was cut"));
        let gap = sign.elapsed();
        assert!(!is_http || gap < COMMENTS, "{name}: silent for {gap:?}");
        (sign, signs) = (Instant::now(), signs + 1);
        if has_token {
            let gap = note.elapsed();
            assert!(
                gap < PROGRESS + Duration::from_secs(1),
                "{name}: {gap:?} without progress"
            );
        }
        match heard {
            Heard::Answer(result) => {
                assert!(
                    !has_token || notes >= 30,
                    "{name}: {notes} signs of progress"
                );
                assert!(!is_http || signs >= 6, "{name}: {signs} signs of life");
                return result;
            }
            Heard::Note(words) => {
                assert!(
                    words.contains("working") && words.contains("chat"),
                    "{words}"
                );
                (note, notes) = (Instant::now(), notes + 1);
            }
            Heard::Comment => {}
        }
    }
}

/// Collects an answer with one short call after the other.
fn step_by_step(ask: impl Fn(&Asking) -> Asked, first: Asking, name: &str) -> Value {
    let mut asking = first;
    for _ in 0..12 {
        let began = Instant::now();
        let result = ask(&asking).answer().unwrap();
        let took = began.elapsed();
        assert!(
            took < Duration::from_secs(55),
            "{name}: one call took {took:?}"
        );
        match Asking::next(&result) {
            Some(next) => asking = next,
            None => return result,
        }
    }
    panic!("{name}: never collected");
}

struct Houses {
    provider: Provider,
    /// Waits as long as it takes.
    patient: Server,
    /// As shipped.
    shipped: Server,
    folder: tempfile::TempDir,
}

impl Houses {
    fn open() -> Self {
        let provider = Provider::start();
        let own = provider.settings();
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let patient = [own.clone(), vec!["limits.soft_deadline=0s"]].concat();
        Self {
            patient: serve(&patient, &[KEY]),
            shipped: serve(&own, &[KEY]),
            folder: tempfile::tempdir().unwrap(),
            provider,
        }
    }

    fn whole(&self, wire: Wire) {
        let name = format!("{wire:?} whole");
        let has_token = matches!(wire, Wire::Daemon | Wire::Session);
        let asked = wire.ask(&self.patient, &thinking(&prompt(&name), has_token));
        let result = patiently(asked, has_token, &name);
        assert_eq!(text(&result), answer(&prompt(&name)), "{result}");
    }

    fn in_steps(&self, wire: Wire) {
        let name = format!("{wire:?} in steps");
        let ask = |asking: &Asking| wire.ask(&self.shipped, asking);
        let result = step_by_step(ask, thinking(&prompt(&name), false), &name);
        assert_eq!(text(&result), answer(&prompt(&name)), "{result}");
        assert_eq!(self.provider.times(&prompt(&name)), 1, "{name}");
    }

    fn pipe(&self) {
        let name = "a pipe";
        let mut command = stdio(&self.provider, &self.folder, &["limits.soft_deadline=0s"]);
        let asked = ask_pipe(&mut command, &thinking(&prompt(name), true));
        let result = patiently(asked, true, name);
        assert_eq!(text(&result), answer(&prompt(name)), "{result}");
    }

    /// A link that cuts what is silent for 20 seconds carries a call of 90.
    fn through_an_impatient_link(&self, wire: Wire, has_token: bool) {
        let name = format!("paced 60000 90000 {wire:?} {has_token}");
        let relay = Relay::impatient(Duration::from_secs(20));
        relay.lead(Some(self.patient.public));
        let asking = thinking(&name, has_token);
        let asked = wire.ask_at(&self.patient, relay.address, &asking);
        let heard = asked.answer().unwrap_or_else(|| panic!("{name} was cut"));
        assert_eq!(text(&heard), answer(&name), "{heard}");
    }

    /// A client written by others, as it comes, at the server as shipped.
    fn client(&self, mut command: Command, (kind, mode): (&str, &str), name: &str) {
        let name = format!("{name} {kind} {mode}");
        command.args([kind, mode, &prompt(&name), MODEL]);
        if kind == "stdio" {
            let own = stdio(&self.provider, &self.folder, &[]);
            // The client gives its server a small environment of its own.
            command.args(["/usr/bin/env", &format!("{}={}", KEY.0, KEY.1)]);
            command.arg(own.get_program()).args(own.get_args());
        } else {
            command.arg(format!("http://{}/mcp", self.shipped.public));
        }
        let said = clients::run(command);
        assert_eq!(said["text"], answer(&prompt(&name)), "{said}");
        assert!(said["longest"].as_f64().unwrap() < 55.0, "{said}");
        assert!(said["calls"].as_u64().unwrap() > 3, "{said}");
        assert_eq!(self.provider.times(&prompt(&name)), 1, "{name}");
    }
}

#[test]
fn a_first_token_after_90_s_and_an_end_after_200_reach_every_wire_and_client() {
    let houses = Houses::open();
    let houses = &houses;
    std::thread::scope(|scope| {
        for wire in Wire::ALL {
            scope.spawn(move || houses.whole(wire));
            scope.spawn(move || houses.in_steps(wire));
        }
        scope.spawn(|| houses.pipe());
        for wire in [Wire::Stateless, Wire::Session] {
            for has_token in [false, true] {
                scope.spawn(move || houses.through_an_impatient_link(wire, has_token));
            }
        }
        for how in [("http", "legacy"), ("http", "auto"), ("stdio", "legacy")] {
            if let Some(python) = clients::python("long.py") {
                scope.spawn(move || houses.client(python, how, "python"));
            }
            if let Some(typescript) = clients::typescript("long.mjs") {
                scope.spawn(move || houses.client(typescript, how, "typescript"));
            }
        }
    });
}

#[test]
fn a_model_of_class_prompt_that_is_as_slow_is_left_within_15_s() {
    let (slow, quick) = (Provider::start(), Provider::start());
    let glm: Vec<String> = quick
        .settings()
        .iter()
        .map(|setting| setting.replace("provider.kimi", "provider.glm"))
        .collect();
    let own = [slow.settings(), glm].concat();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let server = serve(
        &own,
        &[KEY, ("ZAI_API_KEY", "0123456789abcdef.0123456789abcdef")],
    );
    let began = Instant::now();
    // The first provider is asked by its name and the second answers; only the first is slow.
    let asking = Asking {
        arguments: json!({"prompt": "slow one", "model": "kimi-k2.6"}),
        ..Asking::chat("")
    };
    quick.open();
    let result = Wire::Stateless.ask(&server, &asking).answer().unwrap();
    let took = began.elapsed();
    assert_eq!(text(&result), answer("slow one"), "{result}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    wait_for("the first to be left", || (slow.left() == 1).then_some(()));
    assert_eq!((slow.asked(), quick.asked()), (1, 1));
}
