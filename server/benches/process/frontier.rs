//! How many calls a second go through before the slowest hundredth takes longer than a bound, and
//! how many straight to the provider; with `CLIENTS_PYTHON`, a server made with FastMCP beside it,
//! asked the same by the same clients.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::Connection;
use crate::latency::{ask, call};
use crate::python::Python;
use crate::served::Served;
use crate::{Trouble, at_once, millis, quantile, upstream};

/// Callers at once, each with its next call when the last is answered.
const STEPS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const LONG: Duration = Duration::from_secs(3);
const BOUNDS_MS: [f64; 5] = [1.0, 5.0, 10.0, 50.0, 100.0];

/// How many times as many calls as a Python framework are the goal.
const GOAL: f64 = 10.0;

/// One step: callers, calls a second, and the time within which 99 % of them were answered.
struct Step {
    callers: usize,
    rate: f64,
    p99_ms: f64,
}

/// Prints the steps, and for each bound the most calls a second within it.
pub fn measure() -> Result<(), Trouble> {
    let provider = upstream::start()?;
    climb("straight to the provider", provider, |connection, _| {
        ask(connection)
    })?;
    let server = Served::start(&upstream::settings(provider))?;
    climb("chat", server.public, |connection, n| {
        call(connection, "chat", &format!("prompt {n}"))
    })?;
    let ours = climb("version", server.public, |connection, _| {
        call(connection, "version", "")
    })?;
    drop(server);
    let Some(python) = Python::find("throughput") else {
        return Ok(());
    };
    let server = python.serve()?;
    let theirs = climb("version of FastMCP", server.address, |connection, _| {
        Ok(connection.version(None)?.whole)
    })?;
    for (bound, (one, other)) in BOUNDS_MS.into_iter().zip(ours.into_iter().zip(theirs)) {
        match other > 0.0 {
            true => println!(
                "  version, p99 <= {bound} ms: {:.1} times FastMCP; target {GOAL} times",
                one / other
            ),
            false => println!(
                "  version, p99 <= {bound} ms: {one:.0}/s, and FastMCP has no step within it"
            ),
        }
    }
    Ok(())
}

/// The most calls a second within each bound; 0 where no step is.
fn climb(
    what: &str,
    address: SocketAddr,
    one: impl Fn(&mut Connection, usize) -> Result<Duration, Trouble> + Sync,
) -> Result<Vec<f64>, Trouble> {
    let mut steps = Vec::new();
    for callers in STEPS {
        let begun = Instant::now();
        let times = at_once(callers, |caller| {
            let mut connection = Connection::open(address)?;
            let mut times = Vec::new();
            while begun.elapsed() < LONG {
                // No two prompts of all steps are alike.
                let n = (callers * 1000 + caller) * 1_000_000 + times.len();
                times.push(one(&mut connection, n)?);
            }
            Ok(times)
        })?;
        let took = begun.elapsed().as_secs_f64();
        let mut times: Vec<Duration> = times.into_iter().flatten().collect();
        times.sort();
        steps.push(Step {
            callers,
            rate: times.len() as f64 / took,
            p99_ms: millis(quantile(&times, 0.99)),
        });
    }
    for step in &steps {
        println!(
            "  {what}, {} at once: {:.0}/s, p99 {:.2} ms",
            step.callers, step.rate, step.p99_ms
        );
    }
    let most = |bound: f64| {
        let within = steps.iter().filter(|step| step.p99_ms <= bound);
        within.map(|step| step.rate).fold(0.0, f64::max)
    };
    let most: Vec<f64> = BOUNDS_MS.into_iter().map(most).collect();
    let told = BOUNDS_MS.iter().zip(&most);
    let told: Vec<String> = told
        .map(|(bound, rate)| format!("{rate:.0}/s within {bound} ms"))
        .collect();
    println!("  {what}, at p99: {}", told.join(", "));
    Ok(most)
}
