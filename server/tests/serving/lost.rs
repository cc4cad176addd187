//! No answer that was paid for is lost: two hundred calls whose client leaves at all sorts of
//! points, and a process that is killed in between.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::process::{Server, exai, serve, wait_for};
use super::provider::{Provider, answer};
use super::wires::{Asked, Asking, Wire, ask_pipe, code, text};

const KEY: (&str, &str) = ("KIMI_API_KEY", "sk-0123456789abcdef");

/// Calls that are left with their key, with their `next_call`, and over pipes.
const KEYED: usize = 160;
const PROMISED: usize = 40;
const PIPED: usize = 8;

struct House {
    provider: Provider,
    folder: tempfile::TempDir,
}

impl House {
    fn settings(&self) -> Vec<String> {
        let store = self.folder.path().join("exai.sqlite");
        let more = [
            format!("store.path={}", store.display()),
            "limits.soft_deadline=1500ms".into(),
            "limits.rate.address=10000".into(),
            "limits.rate.principal=10000".into(),
            "limits.connections_per_address=400".into(),
        ];
        [self.provider.settings(), more.to_vec()].concat()
    }

    fn serve(&self) -> Server {
        let settings = self.settings();
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        serve(&settings, &[KEY])
    }

    fn pipe(&self, state: &Path) -> std::process::Command {
        let mut command = exai(&[KEY]);
        command.arg("stdio");
        let state = format!("server.state_dir={}", state.display());
        let linger = "server.linger=60s".to_owned();
        for setting in self.settings().iter().chain([&state, &linger]) {
            command.args(["--set", setting]);
        }
        command
    }
}

fn idle(server: &Server) {
    wait_for("the work to end", || {
        let metrics = server.admin("/metrics", &[]).body;
        metrics.contains("\nexai_in_flight 0\n").then_some(())
    });
}

/// Leaves a call at one of five points; the prompt's pace decides how far the provider is then.
fn leave(mut asked: Asked, point: usize, provider: &Provider, prompt: &str) {
    match point {
        0 => {}
        1 => wait_for("the question", || {
            (provider.times(prompt) > 0).then_some(())
        }),
        // Not waits for anything: moments at which a client may happen to leave.
        2 => std::thread::park_timeout(Duration::from_millis(7)),
        3 => std::thread::park_timeout(Duration::from_millis(60)),
        // At the first sign of life or the answer itself, unread but for its beginning.
        _ => drop(asked.hear()),
    }
}

/// Collects an answer as its client would: again and again, with what it was given.
fn collect(server: &Server, wire: Wire, asking: Asking) -> Value {
    let mut asking = asking;
    wait_for("an answer", || {
        let result = wire.ask(server, &asking).answer()?;
        if let Some(next) = Asking::next(&result) {
            asking = next;
            return None;
        }
        Some(result)
    })
}

fn keyed(n: usize) -> (String, Asking) {
    let prompt = format!("paced {} {} tracer {n}", n % 7 * 10, 10 + n % 11 * 10);
    let asking = Asking::keyed(&prompt, &format!("key-{n}"));
    (prompt, asking)
}

/// Runs `each` for the numbers below `count`, some at a time.
fn side_by_side(count: usize, each: impl Fn(usize) + Sync) {
    const AT_ONCE: usize = 8;
    std::thread::scope(|scope| {
        for first in 0..AT_ONCE {
            let each = &each;
            scope.spawn(move || (first..count).step_by(AT_ONCE).for_each(each));
        }
    });
}

#[test]
fn of_two_hundred_calls_left_by_their_clients_no_paid_answer_is_lost() {
    let house = House {
        provider: Provider::start(),
        folder: tempfile::tempdir().unwrap(),
    };
    let provider = &house.provider;
    let mut first = house.serve();
    side_by_side(KEYED, |n| {
        let (prompt, asking) = keyed(n);
        let wire = Wire::ALL[n % 4];
        leave(wire.ask(&first, &asking), n / 4 % 5, provider, &prompt);
    });
    let promises: Vec<Asking> = (0..PROMISED)
        .map(|n| {
            (
                n,
                Wire::ALL[n % 4].ask(&first, &Asking::chat(&format!("slow promise {n}"))),
            )
        })
        .collect::<Vec<_>>()
        .into_iter()
        .map(|(n, asked)| {
            let result = asked.answer().unwrap();
            Asking::next(&result).unwrap_or_else(|| panic!("promise {n}: {result}"))
        })
        .collect();
    provider.open();
    idle(&first);
    let paid: Vec<usize> = (0..KEYED).map(|n| provider.times(&keyed(n).0)).collect();
    assert!(
        paid.iter().all(|times| *times <= 1),
        "asked twice: {paid:?}"
    );
    // Enough were cut after their question for the count to mean something.
    assert!(paid.iter().sum::<usize>() >= KEYED / 2, "{paid:?}");
    first.child.kill().unwrap();
    first.child.wait().unwrap();

    let second = house.serve();
    side_by_side(KEYED, |n| {
        let (prompt, asking) = keyed(n);
        let result = collect(&second, Wire::ALL[(n + 1) % 4], asking);
        assert_eq!(text(&result), answer(&prompt), "{result}");
        assert_eq!(provider.times(&prompt), 1, "{prompt} was paid twice");
    });
    side_by_side(PROMISED, |n| {
        let result = collect(&second, Wire::ALL[(n + 1) % 4], promises[n].clone());
        let prompt = format!("slow promise {n}");
        assert_eq!(text(&result), answer(&prompt), "{result}");
        assert_eq!(provider.times(&prompt), 1, "{prompt} was paid twice");
    });
}

#[test]
fn the_answers_of_closed_pipes_are_kept_and_nothing_in_flight_is_presented_as_one() {
    let house = House {
        provider: Provider::start(),
        folder: tempfile::tempdir().unwrap(),
    };
    let asking = |n: usize| Asking::keyed(&format!("slow pipe {n}"), &format!("pipe-{n}"));
    let state = house.folder.path();
    let mut left: Vec<Asked> = (0..PIPED)
        .map(|n| ask_pipe(&mut house.pipe(state), &asking(n)))
        .collect();
    house.provider.wait_for_questions(PIPED);
    for asked in &mut left {
        let Asked::Pipe(pipe) = asked else { continue };
        drop(pipe.stdin.take());
    }
    // One of them is killed with its question open: that answer was never given to anybody.
    let Some(Asked::Pipe(killed)) = left.first_mut() else {
        panic!("a pipe");
    };
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    house.provider.open();
    for asked in &mut left[1..] {
        let Asked::Pipe(pipe) = asked else { continue };
        let status = wait_for("the process to end", || pipe.child.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
    for n in 0..PIPED {
        let result = ask_pipe(&mut house.pipe(state), &asking(n))
            .answer()
            .unwrap();
        assert_eq!(
            (text(&result), code(&result)),
            (&*answer(&format!("slow pipe {n}")), "")
        );
        let times = house.provider.times(&format!("slow pipe {n}"));
        assert_eq!(times, if n == 0 { 2 } else { 1 }, "pipe {n}");
    }
}
