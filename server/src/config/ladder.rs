//! The timeout ladders: each inner clock fires before the one around it. Only the ladder of the
//! chosen profile has to hold.

use std::time::Duration;

use super::relations::{STEP, Wrong};
use super::{Clocks, Ladder, TimeoutProfile, Timeouts};

/// Every inverted pair of the ladder in force.
pub(super) fn check(timeouts: &Timeouts, wrong: &mut Vec<Wrong>) {
    match timeouts.profile {
        TimeoutProfile::Class => {
            clocks("prompt", &timeouts.prompt, wrong);
            clocks("thinking", &timeouts.thinking, wrong);
        }
        TimeoutProfile::Classic => classic(&timeouts.classic, wrong),
    }
}

fn clocks(class: &str, clocks: &Clocks, wrong: &mut Vec<Wrong>) {
    let table = [
        (
            "first_token",
            clocks.first_token,
            "total",
            clocks.total,
            Duration::ZERO,
        ),
        ("idle", clocks.idle, "total", clocks.total, Duration::ZERO),
        ("total", clocks.total, "workflow", clocks.workflow, STEP),
        ("expert", clocks.expert, "workflow", clocks.workflow, STEP),
    ];
    for (inner, short, outer, long, step) in table {
        if short + step > long {
            let (short, long) = (short.as_secs_f64(), long.as_secs_f64());
            let room = if step.is_zero() {
                ""
            } else {
                " by at least 5 s"
            };
            let message = format!(
                "the timeout ladder is broken: {outer} ({long} s) must exceed \
                 timeouts.{class}.{inner} ({short} s){room}"
            );
            wrong.push((format!("timeouts.{class}.{outer}"), message));
        }
    }
}

/// The historic ladder holds on wall clocks: each inner one is shorter, the expert pass by a step.
fn classic(ladder: &Ladder, wrong: &mut Vec<Wrong>) {
    let table = [
        ("tool", ladder.tool, "workflow", ladder.workflow),
        ("expert", ladder.expert + STEP, "workflow", ladder.workflow),
        ("workflow", ladder.workflow, "daemon", ladder.daemon),
        ("daemon", ladder.daemon, "bridge", ladder.bridge),
    ];
    for (inner, short, outer, long) in table {
        let is_expert = inner == "expert";
        if short < long || (is_expert && short == long) {
            continue;
        }
        let (room, short) = if is_expert {
            (" by at least 5 s", short - STEP)
        } else {
            ("", short)
        };
        let (short, long) = (short.as_secs_f64(), long.as_secs_f64());
        let message = format!(
            "the timeout ladder is broken: {outer} ({long} s) must exceed \
             timeouts.classic.{inner} ({short} s){room}"
        );
        wrong.push((format!("timeouts.classic.{outer}"), message));
    }
}
