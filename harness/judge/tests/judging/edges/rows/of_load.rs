//! V.3, V.8 and the ground: many at once.

use super::{ENOUGH, Edge, limit};
use crate::world::{S, World};
use crate::{benchmark, concurrency};

const fn v3(number: &'static str, row: &'static str, at: f64) -> Edge {
    Edge {
        criterion: "V.3",
        profile: "selftest",
        number,
        world: concurrency::good,
        row,
        at,
        step: 1.0,
        good: ENOUGH,
    }
}

const fn ground(number: &'static str, row: &'static str, at: f64) -> Edge {
    Edge {
        criterion: "ground",
        ..v3(number, row, at)
    }
}

const fn v8g(number: &'static str, row: &'static str, at: f64) -> Edge {
    Edge {
        criterion: "V.8g",
        profile: "quick",
        world: gate,
        ..v3(number, row, at)
    }
}

fn gate() -> World {
    benchmark::good("gate", 200)
}

fn target() -> World {
    benchmark::good("target", 1_000)
}

fn late() -> World {
    delay(concurrency::good(), "V.3")
}

fn late_gate() -> World {
    delay(gate(), "V.8")
}

/// One call that waited 31.5 of its 30 seconds for a provider planned to take a minute.
fn delay(mut world: World, criterion: &str) -> World {
    let op = world.ops(criterion)[1_500];
    let call = world.call(op);
    call.planned_provider = 60 * S;
    call.done_at = call.intended_at + 31 * S + S / 2;
    world
}

pub const ROWS: &[Edge] = &[
    // 200 calls a second of 400 ms each for eight seconds over four wires.
    v3("floors.hot_healthy", "hot_healthy", 10.0),
    v3("floors.hot_refused", "hot_refused", 10.0),
    v3("floors.in_flight", "in_flight", 80.0),
    v3("floors.in_flight_transport", "in_flight.stdio", 20.0),
    v3("floors.operations", "operations", 1_541.0),
    v3("floors.providers", "providers", 3.0),
    limit(Edge {
        step: 0.01,
        ..v3("limits.ceiling_share", "ceiling", 0.04)
    }),
    limit(Edge {
        world: late,
        step: 0.5,
        ..v3("limits.deadline_grace_s", "maximum", 1.5)
    }),
    limit(Edge {
        step: 0.001,
        ..v3("limits.errors", "errors", 0.002)
    }),
    v3("limits.hold_s", "in_flight", 15.0),
    limit(v3("limits.lag_p99_ms", "lag", 1.0)),
    limit(v3("limits.memory_mib", "memory", 250.0)),
    limit(Edge {
        step: 0.01,
        ..v3("limits.memory_share", "memory", 0.1)
    }),
    v3("limits.p95_least", "p95", 1_600.0),
    limit(v3("limits.p95_ms", "p95", 401.0)),
    v3("limits.p99_least", "p99", 1_600.0),
    limit(v3("limits.p99_ms", "p99", 401.0)),
    limit(Edge {
        step: 0.1,
        ..v3("limits.provider_grace_s", "maximum", 0.4)
    }),
    // Identified at start and end; the rig sampled every four seconds.
    ground("floors.identities", "identity", 2.0),
    ground("floors.rig_samples", "rig_samples", 4.0),
    limit(ground("limits.gap_s", "operations", 4.0)),
    // Three times 200 calls a second of 20 to 26 ms for five seconds, and fifty at once.
    v8g("floors.baseline", "baseline", 1.0),
    v8g("floors.concurrency", "concurrency", 54.0),
    v8g("floors.operations", "operations", 1_050.0),
    v8g("floors.repetitions", "repetitions", 3.0),
    limit(Edge {
        step: 0.0001,
        ..v8g("limits.availability_errors", "availability.1", 0.0029)
    }),
    limit(Edge {
        step: 0.001,
        ..v8g("limits.ceiling_share", "ceiling", 0.01)
    }),
    limit(Edge {
        world: late_gate,
        step: 0.5,
        ..v8g("limits.deadline_grace_s", "maximum.2", 1.5)
    }),
    limit(Edge {
        step: 0.0001,
        ..v8g("limits.errors", "errors.1", 0.0029)
    }),
    limit(v8g("limits.lag_p99_ms", "lag", 1.0)),
    v8g("limits.least", "p95.1", 1_050.0),
    limit(v8g("limits.p95_ms", "p95.1", 31.0)),
    v8g("limits.p99_least", "p99.1", 1_050.0),
    limit(v8g("limits.p99_ms", "p99.1", 31.0)),
    limit(Edge {
        step: 0.01,
        ..v8g("limits.provider_grace_s", "maximum.1", 0.03)
    }),
    v8g("limits.rate", "rate", 200.0),
    v8g("limits.seconds_s", "duration", 5.0),
    Edge {
        criterion: "V.8t",
        world: target,
        ..v8g("limits.rate", "rate", 1_000.0)
    },
];
