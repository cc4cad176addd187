//! Memory at rest, after ten thousand sessions, with many open at once, and under waves of calls.

use std::time::Duration;

use crate::client::Connection;
use crate::latency::call;
use crate::python::Python;
use crate::served::{Resident, Served};
use crate::{Trouble, at_once, upstream};

/// Sessions that come, call once and go, in so many rounds of so many callers at once.
const ROUNDS: usize = 5;
const CALLERS: usize = 8;
const SESSIONS: usize = 250;

/// Sessions of each caller that are open at once.
const OPEN: usize = 100;

/// Waves of calls, and calls of each caller in a wave.
const WAVES: usize = 6;
const CALLS: usize = 250;

/// How long a process is left alone before it counts as at rest.
const REST: Duration = Duration::from_secs(5);

/// Prints what is in memory before, during and after.
pub fn measure() -> Result<(), Trouble> {
    let provider = upstream::start()?;
    let server = Served::start(&upstream::settings(provider))?;
    let idle = rested(&server)?;
    println!("  idle: {idle}; target 25 MB");
    if let Some(python) = Python::find("memory") {
        let beside = python.serve()?;
        std::thread::sleep(REST);
        println!("  idle, FastMCP: {}", beside.resident()?);
    }
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        come_and_go(&server)?;
        rounds.push(rested(&server)?);
    }
    let all = ROUNDS * CALLERS * SESSIONS;
    tell(&format!("{all} sessions, after each fifth"), &rounds);
    if let Some(last) = rounds.last() {
        println!(
            "  over idle, {all} sessions later: {:.1} MB",
            last.own - idle.own
        );
    }
    for _ in 0..2 {
        let (open, gone) = open_at_once(&server)?;
        let all = CALLERS * OPEN;
        println!("  {all} sessions open at once: {open}; all ended: {gone}");
    }
    let mut waves = Vec::new();
    for wave in 0..WAVES {
        flood(&server, wave)?;
        waves.push(server.resident()?);
    }
    let all = CALLERS * CALLS;
    tell(&format!("after each wave of {all} chats"), &waves);
    println!("  at rest again: {}", rested(&server)?);
    Ok(())
}

fn tell(what: &str, rows: &[Resident]) {
    let told: Vec<String> = rows.iter().map(|row| format!("{:.1}", row.own)).collect();
    println!("  {what}: {} MB of its own", told.join(" "));
    let half = rows.len() / 2;
    let most = |part: &[Resident]| part.iter().map(|row| row.own).fold(0.0, f64::max);
    let (early, late) = rows.split_at(half);
    println!(
        "  most of the later ones to most of the earlier: {:.2}",
        most(late) / most(early)
    );
}

fn rested(server: &Served) -> Result<Resident, Trouble> {
    std::thread::sleep(REST);
    server.resident()
}

fn come_and_go(server: &Served) -> Result<(), Trouble> {
    at_once(CALLERS, |_| {
        let mut connection = Connection::open(server.public)?;
        for _ in 0..SESSIONS {
            let session = connection.greet()?;
            connection.version(Some(&session))?;
            connection.leave(&session)?;
        }
        Ok(())
    })?;
    Ok(())
}

fn open_at_once(server: &Served) -> Result<(Resident, Resident), Trouble> {
    let sessions: Vec<Vec<String>> = at_once(CALLERS, |_| {
        let mut connection = Connection::open(server.public)?;
        (0..OPEN).map(|_| connection.greet()).collect()
    })?;
    let open = rested(server)?;
    let mut connection = Connection::open(server.public)?;
    for session in sessions.iter().flatten() {
        connection.leave(session)?;
    }
    Ok((open, rested(server)?))
}

fn flood(server: &Served, wave: usize) -> Result<(), Trouble> {
    at_once(CALLERS, |caller| {
        let mut connection = Connection::open(server.public)?;
        let filling = "x".repeat(2000);
        for n in 0..CALLS {
            let prompt = format!("wave {wave}, caller {caller}, call {n}: {filling}");
            call(&mut connection, "chat", &prompt)?;
        }
        Ok(())
    })?;
    Ok(())
}
