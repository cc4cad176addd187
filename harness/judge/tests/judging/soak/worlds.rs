//! Soaks as an honest server and its witnesses would have left them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use exai_judge::fault::FaultKind;
use exai_judge::observation::{Event, Sample};
use exai_judge::operation::{Outcome, ThreadAction, ThreadUse};
use exai_judge::{Call, Finding};

use crate::catalogue;
use crate::world::{Ask, MS, PID, S, World, proven};

pub const MIB: u64 = 1 << 20;
/// The kinds of the catalogue's list, in the order of the seconds.
const KINDS: [&str; 5] = ["chat", "analyze", "version", "status", "resources/read"];
/// Those that calls ask for by name.
pub const PROVIDERS: [&str; 3] = ["kimi", "glm", "minimax"];
/// Each way of breaking the second instance, when, and what the collectors say; samples show the
/// leak.
const CONTROLS: [(&str, u64, Option<&str>); 4] = [
    ("leak", 20, None),
    ("aborted", 40, Some("unordered_exit")),
    ("starved", 60, Some("liveness_silent")),
    ("corrupt", 80, Some("unordered_exit")),
];

pub fn sample(world: &mut World, process: &str, second: u64, (pid, resident): (u32, u64)) {
    let sample = Sample {
        process: process.to_owned(),
        pid,
        resident_bytes: resident,
        descriptors: 64,
        threads: 8,
        cpu_ms: second,
        wait_ms: 0,
        connections: Some(20),
    };
    world.push(second * S, Event::Sample(sample));
}

/// A run that nobody planned as a soak: samples alone.
pub fn watched(seconds: u64, resident: impl Fn(u64) -> u64) -> World {
    let mut world = World::new();
    for second in 0..seconds {
        sample(&mut world, "server", second, (PID, resident(second)));
    }
    world
}

/// A soak of so many seconds: a stream of every kind, faults of each class at those seconds, quiet
/// points, and a detector proven in each way.
pub fn soak(seconds: u64, faults: impl Iterator<Item = u64>, quiet: &[u64]) -> World {
    let mut world = watched(seconds, |second| 100 * MIB + second * 7_919 % 97 * 1_000);
    world.phase("V.7", "stream", S, (seconds - 1) * S);
    for from in quiet {
        world.phase("V.7", "quiet", from * S, (from + 10) * S);
        for second in *from..from + 10 {
            scrape(&mut world, second);
        }
    }
    name_each_provider(&mut world, seconds, quiet);
    for second in 0..seconds {
        let slots = if seconds > 3_600 { 1 } else { 2 };
        for slot in 0..slots {
            let kind = KINDS[(second * slots + slot) as usize % KINDS.len()];
            let call = world.plain(&Ask {
                takes: 20 * MS + second % 5 * MS,
                tool: kind.to_owned(),
                ..Ask::new("V.7", second * S + slot * 500 * MS + MS)
            });
            world.record(call);
        }
    }
    for (turn, second) in faults.enumerate() {
        for (index, component) in ["server-kimi", "store", "kimi"].iter().enumerate() {
            let at = (second + 40 * index as u64) * S;
            let id = format!("{component}.reset.{turn}");
            world.fault(&id, component, FaultKind::Reset, &proven(at, at + 2 * S));
        }
    }
    for (way, second, critical) in CONTROLS {
        control(&mut world, way, second, critical);
    }
    world
}

/// What the server publishes at rest.
fn scrape(world: &mut World, second: u64) {
    let published = [
        ("exai_connections", 12.0),
        ("exai_in_flight", 0.0),
        ("exai_permits_overdue", 0.0),
        ("exai_sessions", 4.0),
        ("exai_tasks", 57.0),
    ];
    let values = published.map(|(series, value)| (series.to_owned(), value));
    let event = Event::Metrics {
        mark: "quiet V.7".to_owned(),
        values: BTreeMap::from(values),
    };
    world.push(second * S + 500 * MS, event);
}

/// Changes what the server publishes from that second on.
pub fn republish(world: &mut World, from: u64, change: impl Fn(&mut BTreeMap<String, f64>)) {
    for observation in &mut world.out {
        if let Event::Metrics { values, .. } = &mut observation.event
            && observation.at >= from * S
        {
            change(values);
        }
    }
}

/// Every nine seconds a call names a model of the next provider and reaches it.
fn name_each_provider(world: &mut World, seconds: u64, quiet: &[u64]) {
    for (second, provider) in (3..seconds.saturating_sub(3))
        .step_by(9)
        .zip(PROVIDERS.iter().cycle())
    {
        if quiet
            .iter()
            .any(|from| (*from..from + 10).contains(&second))
        {
            continue;
        }
        world.chat(&Ask {
            phase: format!("stream.{provider}"),
            provider,
            takes: 22 * MS,
            ..Ask::new("V.7", second * S + 2 * MS)
        });
    }
}

/// The second instance broken for nine seconds; in the end it is 16 MiB a second larger.
fn control(world: &mut World, way: &str, from: u64, critical: Option<&str>) {
    world.phase("control", way, from * S, (from + 10) * S);
    if let Some(what) = critical {
        let event = Event::Critical {
            what: what.to_owned(),
            detail: "on the second instance".to_owned(),
            control: true,
        };
        world.push((from + 4) * S, event);
        return;
    }
    for second in from..from + 10 {
        let resident = (100 + 16 * (second - from)) * MIB;
        sample(world, "control", second, (PID + 1, resident));
    }
}

/// Half an hour, good.
pub fn half_hour() -> World {
    soak(1_810, [400, 900].into_iter(), &[310, 1_795])
}

/// Four hours, good, with twenty threads that expired: built once, it is long.
pub fn four_hours() -> World {
    static GOOD: LazyLock<Vec<exai_judge::Observation>> = LazyLock::new(|| {
        let hours = (0..4).flat_map(|hour| (0..4).map(move |turn| hour * 3_600 + 300 + turn * 700));
        let quiet: Vec<u64> = (1..8)
            .map(|half| half * 1_800 + 5)
            .chain([14_385])
            .collect();
        let mut world = soak(14_410, hours, &quiet);
        for number in 0..20 {
            expire(&mut world, &format!("idle {number}"), 100 + number, 11_000);
        }
        world.out
    });
    let mut world = World::new();
    world.out.clone_from(&GOOD);
    world
}

/// A thread written at one second and gone when its owner reads it at another.
pub fn expire(world: &mut World, thread: &str, written: u64, read: u64) {
    let part = |action| ThreadUse {
        thread: thread.to_owned(),
        action,
        key: None,
        user_sha256: None,
    };
    let mut write = world.plain(&Ask::new("V.7", written * S));
    write.thread = Some(part(ThreadAction::Create));
    world.record(write);
    let mut gone = world.refused(&Ask::new("V.7", read * S), "validation_error");
    gone.outcome = Outcome::Refused;
    gone.thread = Some(part(ThreadAction::Read));
    if let Some(failure) = &mut gone.failure {
        failure.code = "not_found".to_owned();
    }
    world.record(gone);
}

/// Changes samples of the server taken from that second on.
pub fn resample(world: &mut World, from: u64, change: impl Fn(u64, &mut Sample)) {
    for observation in &mut world.out {
        let at = observation.at;
        if let Event::Sample(sample) = &mut observation.event
            && sample.process == "server"
            && at >= from * S
        {
            change(at / S, sample);
        }
    }
}

/// Changes every n-th call.
pub fn spoil(world: &mut World, every: usize, change: impl Fn(&mut Call)) {
    let is_call = |event: &Event| matches!(event, Event::Call(_));
    let calls = world.out.iter_mut().filter(|seen| is_call(&seen.event));
    for observation in calls.step_by(every) {
        if let Event::Call(call) = &mut observation.event {
            change(call);
        }
    }
}

pub fn judged(world: &World, profile: &str, criterion: &str) -> Finding {
    world.finding(&catalogue::criteria(), profile, criterion)
}
