//! SIGTERM with calls in flight on every transport, and the limits on how many there may be.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::process::{Server, exai, serve, wait_for};
use super::provider::{Provider, answer, serve_asking};
use super::wires::{Asked, Asking, Wire, ask_pipe, code, text};

/// A slow call on each wire of a server, and one on a pipe of its own.
fn in_flight(server: &Server, provider: &Provider, drain: &str) -> Vec<Asked> {
    let asking = |n: usize| Asking::chat(&format!("slow {n}"));
    let mut pipe = exai(&[("KIMI_API_KEY", "sk-0123456789abcdef")]);
    pipe.args(["stdio", "--set", drain]);
    let state = format!(
        "server.state_dir={}",
        server.state.path().join("pipe").display()
    );
    for setting in provider.settings().iter().chain([&state]) {
        pipe.args(["--set", setting]);
    }
    let mut asked: Vec<Asked> = Wire::ALL
        .iter()
        .enumerate()
        .map(|(n, wire)| wire.ask(server, &asking(n)))
        .collect();
    asked.push(ask_pipe(&mut pipe, &asking(asked.len())));
    provider.wait_for_questions(asked.len());
    asked
}

fn terminate(server: &Server, asked: &[Asked]) {
    server.signal(Signal::SIGTERM);
    for one in asked {
        let Asked::Pipe(pipe) = one else { continue };
        let pid = nix::unistd::Pid::from_raw(i32::try_from(pipe.child.id()).unwrap());
        nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    }
    wait_for("red readiness", || {
        (server.admin("/health/ready", &[]).status == 503).then_some(())
    });
}

fn results(asked: Vec<Asked>) -> Vec<(Value, Option<i32>)> {
    let one = |mut asked: Asked| {
        let mut result = None;
        while result.is_none() {
            match asked.hear() {
                Some(super::wires::Heard::Answer(answer)) => result = Some(answer),
                Some(_) => {}
                None => panic!("cut without an answer"),
            }
        }
        let exit = match &mut asked {
            Asked::Pipe(pipe) => wait_for("the exit", || pipe.child.try_wait().unwrap()).code(),
            Asked::Http(_) | Asked::Socket(_) => Some(0),
        };
        (result.unwrap(), exit)
    };
    asked.into_iter().map(one).collect()
}

#[test]
fn a_server_without_calls_in_flight_ends_at_once_though_a_connection_is_open() {
    let mut server = serve(&[], &[]);
    let mut open = std::net::TcpStream::connect(server.public).unwrap();
    std::io::Write::write_all(&mut open, b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").unwrap();
    std::io::Read::read(&mut open, &mut [0; 64]).unwrap();
    let asked = Instant::now();
    server.signal(Signal::SIGTERM);
    wait_for("the exit", || server.child.try_wait().unwrap());
    // Every bound on a part of the drain is two seconds or more.
    let took = asked.elapsed();
    assert!(took < Duration::from_millis(1_500), "{took:?}");
}

#[test]
fn calls_in_flight_at_sigterm_are_answered_on_every_transport() {
    let drain = "server.drain=15s";
    let (mut server, provider) = serve_asking(&[drain]);
    let asked = in_flight(&server, &provider, drain);
    terminate(&server, &asked);
    provider.open();
    for (n, (result, exit)) in results(asked).into_iter().enumerate() {
        assert_eq!(text(&result), answer(&format!("slow {n}")), "{result}");
        assert_eq!(exit, Some(0));
    }
    let status = wait_for("the exit", || server.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn calls_that_outlast_the_drain_are_refused_by_type_on_every_transport() {
    let drain = "server.drain=1s";
    let (mut server, provider) = serve_asking(&[drain]);
    let asked = in_flight(&server, &provider, drain);
    let started = Instant::now();
    terminate(&server, &asked);
    for (result, exit) in results(asked) {
        assert_eq!(
            (code(&result), &result["isError"]),
            ("draining", &Value::Bool(true))
        );
        let error = &result["structuredContent"]["error"];
        assert_eq!(
            (&error["retryable"], exit),
            (&Value::Bool(true), Some(0)),
            "{error}"
        );
    }
    let status = wait_for("the exit", || server.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    let took = started.elapsed();
    assert!(took < Duration::from_secs(9), "{took:?}");
    wait_for("the provider to be left", || {
        (provider.left() == 5).then_some(())
    });
}

#[test]
fn the_provider_never_sees_more_calls_than_a_limit_and_refusals_say_when_to_come_back() {
    let in_all: &[&str] = &["limits.in_flight=4", "limits.in_flight_per_session=4"];
    let per_provider: &[&str] = &["limits.in_flight_per_provider=3"];
    let of_account: &[&str] = &["provider.kimi.in_flight=2"];
    for (limit, most, refusal) in [
        (in_all, 4, "over_capacity"),
        (per_provider, 3, "provider_permits_taken"),
        (of_account, 2, "provider_permits_taken"),
    ] {
        let (server, provider) = serve_asking(limit);
        let asked: Vec<Asked> = (0..12)
            .map(|n| Wire::ALL[n % 4].ask(&server, &Asking::chat(&format!("slow {n}"))))
            .collect();
        provider.wait_for_questions(most);
        // Those over the limit are told at once, while the others still run.
        let (told, waits): (Vec<_>, Vec<_>) = std::thread::scope(|scope| {
            let (send, refused) = std::sync::mpsc::channel();
            let (more, all) = std::sync::mpsc::channel();
            for one in asked {
                let (send, more) = (send.clone(), more.clone());
                scope.spawn(move || {
                    let result = one.answer().unwrap();
                    if result["isError"] == true {
                        send.send(result).unwrap();
                    } else {
                        more.send(result).unwrap();
                    }
                });
            }
            let patience = Duration::from_secs(20);
            let told: Vec<Value> = (most..12)
                .map(|_| refused.recv_timeout(patience).unwrap())
                .collect();
            provider.open();
            drop((send, more));
            (told, all.iter().collect())
        });
        assert_eq!((waits.len(), provider.peak()), (most, most), "{limit:?}");
        let mut longest = 0;
        for result in told {
            let error = &result["structuredContent"]["error"];
            assert_eq!(
                (code(&result), &error["retryable"]),
                (refusal, &Value::Bool(true))
            );
            longest = longest.max(error["retry_after_ms"].as_u64().unwrap());
        }
        // The time it names is enough: nobody else is there by then.
        let (told, named) = (Instant::now(), Duration::from_millis(longest));
        wait_for("that time", || (told.elapsed() >= named).then_some(()));
        let again = Wire::Stateless
            .ask(&server, &Asking::chat("again"))
            .answer()
            .unwrap();
        assert_eq!(text(&again), answer("again"), "{again}");
    }
}
