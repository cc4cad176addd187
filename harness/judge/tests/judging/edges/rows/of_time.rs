//! V.2, V.5 and V.7: faults, kills and hours.

use super::of_safety::gone_early;
use super::{ENOUGH, EXACT, Edge, limit};
use crate::recovery::reactions::spending;
use crate::recovery::silence::left;
use crate::soak::{quiet, worlds};
use crate::world::{MS, S, World};
use crate::{failover, power, recovery};

const fn v2(number: &'static str, row: &'static str, at: f64) -> Edge {
    Edge {
        criterion: "V.2",
        profile: "selftest",
        number,
        world: recovery::good,
        row,
        at,
        step: 1.0,
        good: ENOUGH,
    }
}

const fn v5(number: &'static str, row: &'static str, at: f64) -> Edge {
    Edge {
        criterion: "V.5",
        world: failover::good,
        ..v2(number, row, at)
    }
}

const fn v7m(number: &'static str, row: &'static str, at: f64) -> Edge {
    Edge {
        criterion: "V.7m",
        profile: "full",
        world: worlds::half_hour,
        ..v2(number, row, at)
    }
}

pub const ROWS: &[Edge] = &[
    // Each fault of the self-test once, a breaker's life and an outage of the store.
    v2("floors.breaker_cycles", "breaker_cycles", 1.0),
    v2("floors.category", "category.provider_error", 1.0),
    v2("floors.failovers", "failovers", 8.0),
    v2("floors.landed", "fault.K01", 1.0),
    v2("floors.next_calls", "next_calls", 8.0),
    v2("floors.outage_calls", "outage_calls", 21.0),
    v2("floors.thread_turns", "thread_turns", 8.0),
    limit(v2("limits.attempts_call", "budget", 2.0)),
    limit(v2("limits.attempts_provider", "budget", 2.0)),
    v2("limits.breaker_failures", "breaker_cycles", 5.0),
    Edge {
        step: 0.1,
        ..v2("limits.breaker_open_s", "breaker_cycles", 6.7)
    },
    limit(Edge {
        step: 0.1,
        ..v2("limits.breaker_stuck_s", "breaker", 6.8)
    }),
    limit(v2("limits.exchanges", "thread", 8.0)),
    limit(Edge {
        step: 0.001,
        ..v2("limits.failover_s", "failover", 0.031)
    }),
    limit(v2("limits.ttl_s", "thread", 44.0)),
    limit(Edge {
        world: gone_in_v2,
        ..v2("limits.clock_s", "thread", 10.0)
    }),
    limit(Edge {
        world: in_a_row,
        ..v2("limits.breaker_excess", "breaker", 13.0)
    }),
    limit(Edge {
        world: || spending(1, &["kimi", "kimi"], 1_250 * MS),
        ..v2("limits.retry_after_s", "budget", 1.0)
    }),
    limit(Edge {
        world: || spending(1, &["kimi", "kimi"], 2_300 * MS),
        ..v2("limits.retry_slack_ms", "budget", 300.0)
    }),
    limit(Edge {
        world: || spending(1, &["kimi", "kimi"], 3_250 * MS),
        ..v2("limits.retry_wait_ms", "budget", 3_000.0)
    }),
    limit(Edge {
        world: || left("main", 7 * S, true),
        ..v2("limits.silent_prompt_s", "silent", 7.0)
    }),
    limit(Edge {
        world: || left("thinking", 7 * S, false),
        ..v2("limits.silent_thinking_s", "silent", 7.0)
    }),
    // Server and Kimi killed once, back after three seconds; ten probes a second.
    v5("floors.at_risk", "at_risk", 2.0),
    v5("floors.in_flight", "in_flight", 1.0),
    v5("floors.kills", "kill.kimi", 1.0),
    v5("floors.retried", "retried", 1.0),
    limit(v5("limits.at_risk_ms", "at_risk", 79.0)),
    limit(v5("limits.exchanges", "cap", 10.0)),
    limit(Edge {
        step: 0.001,
        ..v5("limits.health_s", "health.kimi", 0.099)
    }),
    limit(v5("limits.ttl_s", "resurrected", 36.0)),
    limit(Edge {
        world: gone_in_v5,
        ..v5("limits.clock_s", "early_expiry", 10.0)
    }),
    limit(Edge {
        step: 0.01,
        ..v5("limits.ttsr_s", "ttsr.kimi", 3.0)
    }),
    v5("limits.window_s", "ttsr.kimi", 15.0),
    // 210 appends, each synced.
    Edge {
        criterion: "V.5p",
        profile: "full",
        world: power::kept,
        ..v5("floors.appends", "appends", 210.0)
    },
    // Half an hour, sampled once a second; a few faults of each class.
    v7m("floors.expired", "expired", 0.0),
    v7m("floors.wanted", "wanted", 3.0),
    limit(Edge {
        world: || quiet::kept_away(600, 700),
        ..v7m("limits.breaker_stuck_s", "critical", 81.0)
    }),
    limit(Edge {
        world: quiet::connected,
        ..v7m("limits.counts_allowed", "connections", 1.0)
    }),
    v7m("floors.landed_an_hour", "landed.link", 4.0),
    limit(Edge {
        step: 0.0001,
        ..v7m("limits.availability_errors", "availability", 0.0008)
    }),
    v7m("limits.duration_s", "duration", 1_809.0),
    limit(v7m("limits.gap_s", "duration", 1.0)),
    limit(v7m("limits.edge_s", "slowing", 474.0)),
    v7m("limits.ratio_least", "slowing", 1_266.0),
    v7m("limits.warm_up_s", "memory", 310.0),
    limit(Edge {
        world: slower,
        ..v7m("limits.p95_gap_ms", "slowing", 60.0)
    }),
    limit(Edge {
        world: slower,
        step: 0.1,
        ..v7m("limits.p95_ratio", "slowing", 3.5)
    }),
    limit(Edge {
        world: grown,
        ..v7m("limits.quiet_floor_mib", "memory", 6.0)
    }),
    limit(Edge {
        world: grown,
        step: 0.01,
        ..v7m("limits.quiet_share", "memory", 0.06)
    }),
    limit(Edge {
        world: open,
        ..v7m("limits.descriptors_allowed", "descriptors", 1.0)
    }),
    Edge {
        world: closing,
        step: 0.01,
        ..v7m("limits.settled_share", "descriptors", 0.9)
    },
    Edge {
        world: || expired(1_100),
        ..v7m("limits.ttl_s", "critical", 1_001.0)
    },
    limit(Edge {
        world: || expired(10_890),
        ..v7m("limits.clock_s", "critical", 10.0)
    }),
    // The second instance, sampled for ten seconds, grows by 16 MiB in each.
    Edge {
        step: 0.1,
        ..v7m("limits.control_block_s", "detector.leak", 1.5)
    },
    v7m("limits.control_blocks", "detector.leak", 7.0),
    Edge {
        good: EXACT,
        ..v7m("limits.control_minute_s", "detector.leak", 1.0)
    },
    v7m("limits.control_warm_up_s", "detector.leak", 3.0),
    v7m("limits.slope_floor_kib", "detector.leak", 58_982_399.0),
];

fn gone_in_v2() -> World {
    gone_early(recovery::good(), "V.2")
}

fn gone_in_v5() -> World {
    gone_early(failover::good(), "V.5")
}

fn in_a_row() -> World {
    let mut world = World::new();
    world.phase("V.2", "main", S, 60 * S);
    recovery::fail_in_a_row(&mut world);
    world
}

/// Calls take 60 ms longer in the last ten minutes.
fn slower() -> World {
    let mut world = worlds::half_hour();
    worlds::spoil(&mut world, 1, |call| {
        if call.intended_at > 1_200 * S {
            call.done_at += 60 * MS;
        }
    });
    world
}

/// 5.95 MiB more at the second quiet point than at the first.
fn grown() -> World {
    let mut world = worlds::half_hour();
    worlds::resample(&mut world, 1_790, |_, sample| {
        sample.resident_bytes = 106 * worlds::MIB;
    });
    world
}

/// A descriptor more at the second quiet point.
fn open() -> World {
    let mut world = worlds::half_hour();
    worlds::resample(&mut world, 1_000, |_, sample| sample.descriptors += 1);
    world
}

/// The first of the eleven samples of a quiet point shows one descriptor less.
fn closing() -> World {
    let mut world = worlds::half_hour();
    worlds::resample(&mut world, 310, |second, sample| {
        sample.descriptors -= u64::from(second == 310);
    });
    world
}

/// A thread written at 100 s and gone at that second.
fn expired(second: u64) -> World {
    let mut world = worlds::half_hour();
    worlds::expire(&mut world, "short-lived", 100, second);
    world
}
