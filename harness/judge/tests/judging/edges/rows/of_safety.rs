//! V.1, V.4 and V.6: answers, threads and attacks.

use exai_judge::operation::{Repeat, ThreadAction, ThreadUse};

use super::{ENOUGH, EXACT, Edge, limit};
use crate::security::{audit, retries};
use crate::world::{Ask, MS, S, World, all_built};
use crate::{answers, security, storage};

const fn v1(number: &'static str, row: &'static str, at: f64) -> Edge {
    Edge {
        criterion: "V.1",
        profile: "smoke",
        number,
        world: answered,
        row,
        at,
        step: 1.0,
        good: ENOUGH,
    }
}

const fn v4(number: &'static str, row: &'static str, at: f64) -> Edge {
    Edge {
        criterion: "V.4",
        world: storage::good,
        ..v1(number, row, at)
    }
}

const fn v6(number: &'static str, row: &'static str, at: f64) -> Edge {
    Edge {
        criterion: "V.6",
        profile: "selftest",
        world: security::good,
        ..v1(number, row, at)
    }
}

fn answered() -> World {
    answers::good(&all_built())
}

/// The first answer again, ten seconds later, for the same person.
fn replayed() -> World {
    let mut world = answered();
    let first = world.ops("V.1")[0];
    let mut again = world.call(first).clone();
    again.op = 9_000;
    for moment in [
        &mut again.intended_at,
        &mut again.sent_at,
        &mut again.done_at,
    ] {
        *moment += 10 * S;
    }
    again.first_byte_at = None;
    again.repeat = Some(Repeat {
        of: first,
        same_principal: true,
        exact: true,
    });
    world.record(again);
    world
}

pub const ROWS: &[Edge] = &[
    // Each of two tools over each wire three times, once through each provider; one version.
    v1("floors.answers", "cell.chat.stdio", 3.0),
    v1("floors.answers_provider", "cell.chat.stdio.kimi", 1.0),
    v1("floors.whole", "whole", 24.0),
    v1("floors.provider", "provider.kimi", 8.0),
    v1("floors.bad_argument", "bad_argument.stdio", 1.0),
    v1("floors.unknown_tool", "unknown_tool.stdio", 1.0),
    v1("floors.repeats_same", "repeats_same", 0.0),
    v1("floors.repeats_other", "repeats_other", 0.0),
    v1("floors.repeats_near", "repeats_near", 0.0),
    v1("floors.disguised", "disguised", 0.0),
    v1("floors.slot_file", "slot_file", 0.0),
    v1("floors.slot_turn", "slot_turn", 0.0),
    v1("floors.streamed", "streamed", 0.0),
    v1("floors.structured", "structured.chat", 0.0),
    limit(Edge {
        world: replayed,
        ..v1("limits.replay_ttl_s", "sequence", 10.0)
    }),
    // 32 threads of ten turns, a paused store, two of three repeats answered without a provider.
    v4("floors.operations", "operations", 752.0),
    v4("floors.context_reads", "context_reads", 320.0),
    v4("floors.degraded", "degraded", 0.0),
    v4("floors.fault", "fault.pause", 1.0),
    v4("floors.past_cap", "past_cap", 6.0),
    v4("floors.reads_after_fault", "reads_after_fault", 320.0),
    v4("floors.repeated_keys", "repeated_keys", 12.0),
    v4("floors.reused_keys", "reused_keys", 6.0),
    v4("floors.repeats", "repeats", 36.0),
    v4("floors.restart_keys", "restart_keys", 6.0),
    v4("floors.restart_reads", "restart_reads", 32.0),
    v4("floors.schema_starts", "schema_starts", 1.0),
    v4("floors.store_samples", "store_samples", 320.0),
    Edge {
        good: EXACT,
        ..v4("limits.exchanges", "cap", 10.0)
    },
    Edge {
        step: 0.01,
        ..v4("limits.hit_rate", "hit_rate", 0.92)
    },
    limit(Edge {
        step: 0.1,
        ..v4("limits.reconnect_s", "reconnect", 0.4)
    }),
    v4("limits.store_p95_least", "store_p95", 320.0),
    limit(v4("limits.store_p95_ms", "store_p95", 11.0)),
    limit(v4("limits.ttl_s", "resurrected", 13.0)),
    limit(Edge {
        world: gone,
        ..v4("limits.clock_s", "early_expiry", 10.0)
    }),
    v4("limits.window_p95_least", "window_p95", 100.0),
    limit(v4("limits.window_p95_ms", "window_p95", 901.0)),
    limit(Edge {
        step: 0.01,
        ..v4("limits.window_share", "window_share", 0.09)
    }),
    // The rows on each edge, a principal pressed for three seconds at 200 a second.
    Edge {
        profile: "quick",
        world: || retries::again(100, 304, 0),
        ..v6("floors.retries", "retries.principal", 302.0)
    },
    limit(Edge {
        profile: "quick",
        world: || retries::again(100, 304, 0),
        step: 0.0001,
        ..v6("limits.retry_errors", "retry.principal", 0.0099)
    }),
    limit(Edge {
        profile: "quick",
        world: || retries::again(100, 304, 7 * MS),
        ..v6("limits.retry_slack_ms", "retries.principal", 7.0)
    }),
    Edge {
        world: || audit::flood(7, 7),
        ..v6("limits.audit_queue", "audit", 4_511.0)
    },
    v6("floors.canaries", "canaries", 1.0),
    v6("floors.cases", "cases", 15.0),
    v6("floors.denial_kinds", "denial_kinds", 7.0),
    v6("floors.denials_audited", "denials_audited", 416.0),
    v6("floors.forged", "forged", 9.0),
    v6("floors.neighbours", "neighbours", 30.0),
    v6("floors.ratio_samples", "ratio_samples", 300.0),
    v6("floors.window_seconds", "window.principal", 3.0),
    Edge {
        step: 0.001,
        ..v6("limits.accepted_share", "refill.principal", 0.998)
    },
    limit(v6("limits.burst_principal", "rate.principal", 49.0)),
    limit(Edge {
        world: bursting,
        ..v6("limits.burst_grace", "rate.principal", 2.0)
    }),
    limit(Edge {
        world: slowed,
        ..v6("limits.p99_gap_ms", "p99_ratio", 60.0)
    }),
    limit(Edge {
        world: slowed,
        ..v6("limits.p99_ratio", "p99_ratio", 4.0)
    }),
    limit(Edge {
        profile: "quick",
        world: from_one_address,
        ..v6("limits.rate_address", "rate.address", 33.0)
    }),
    limit(Edge {
        profile: "quick",
        world: from_one_address,
        ..v6("limits.burst_address", "rate.address", 33.0)
    }),
    limit(v6("limits.rate_principal", "rate.principal", 50.0)),
    v6("limits.ratio_least", "p99_ratio", 300.0),
    limit(v6("limits.refusal_pause_ms", "window.principal", 10.0)),
    Edge {
        step: 0.1,
        ..v6("limits.stretch_s", "window.principal", 2.6)
    },
];

/// One more than the bucket holds, let through at once.
fn bursting() -> World {
    let mut world = security::good();
    let mut spare = world.ops("V.6");
    spare.retain(|op| world.call(*op).phase == "rate.principal");
    let first = world.call(spare[0]).clone();
    for number in 0..2 {
        let call = world.plain(&Ask {
            phase: first.phase.clone(),
            identity: first.identity.clone(),
            takes: 1,
            ..Ask::new("V.6", first.sent_at + number)
        });
        world.record(call);
    }
    world
}

/// Traffic beside attacks that takes 60 ms longer than before them.
fn slowed() -> World {
    let mut world = security::good();
    for op in world.ops("V.6") {
        let call = world.call(op);
        if call.phase == "hostile" {
            call.done_at += 60 * MS;
        }
    }
    world
}

/// The address is pressed and not the principal.
fn from_one_address() -> World {
    let mut world = security::good();
    for op in world.ops("V.6") {
        let call = world.call(op);
        if call.phase == "rate.principal" {
            call.phase = "rate.address".to_owned();
        }
    }
    world
}

fn gone() -> World {
    gone_early(storage::good(), "V.4")
}

/// A thread that was gone ten seconds before its three hours were over.
pub fn gone_early(mut world: World, criterion: &'static str) -> World {
    let op = world.append(&Ask::new(criterion, 3 * S), "short-lived");
    let part = world.call(op).thread.clone();
    let ask = Ask {
        takes: 1,
        ..Ask::new(criterion, 10_793 * S)
    };
    let mut read = world.refused(&ask, "validation_error");
    read.thread = part.map(|part| ThreadUse {
        action: ThreadAction::Read,
        ..part
    });
    if let Some(failure) = &mut read.failure {
        failure.code = "not_found".to_owned();
    }
    world.record(read);
    world
}
