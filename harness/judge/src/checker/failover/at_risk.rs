//! What each kill of server or store could have lost: turns acknowledged just before it, and
//! appends that were open.

use super::{Failover, Kill, SERVER, STORE};
use crate::criterion::Missing;
use crate::finding::Finding;
use crate::tally;
use crate::thread_model::ThreadReport;
use crate::verdict::Reason;

/// Writes the floors, each as at the kill that could have lost the least.
pub(super) fn floors(
    seen: &Failover<'_>,
    report: &ThreadReport,
    finding: &mut Finding,
) -> Result<(), Missing> {
    let rows = seen.brief.criterion;
    let span = rows.nanos("at_risk_ms")?;
    let of_server: Vec<u64> = seen.landed(SERVER).iter().map(moment).collect();
    let of_store = seen.landed(STORE);
    let all: Vec<u64> = of_store
        .iter()
        .map(moment)
        .chain(of_server.clone())
        .collect();
    let recent = least(&all, |at| {
        let of_traffic = seen.traffic.iter();
        let recent =
            of_traffic.filter(|one| one.is_acknowledged && one.done <= at && at - one.done <= span);
        recent.count()
    });
    let open = least(&all, |at| {
        let open = seen.traffic.iter();
        let open = open.filter(|one| one.is_append && one.sent <= at && at < one.done);
        open.count()
    });
    let retried = least(&of_server, |at| {
        let retried = report.retried.iter();
        retried
            .filter(|(from, until)| *from <= at && at < *until)
            .count()
    });
    for (id, event, seen) in [
        ("at_risk", "turns acknowledged just before a kill", recent),
        ("in_flight", "appends in flight at a kill", open),
        (
            "retried",
            "turns open at a kill of the server, and acknowledged with their key after it",
            retried,
        ),
    ] {
        let event = format!("{event}, at the least");
        let count = (rows.floor(id)?, seen);
        tally::floor(finding, id, &event, count, Reason::BelowFloor);
    }
    Ok(())
}

fn moment(kill: &Kill<'_>) -> u64 {
    kill.life.injected.unwrap_or(kill.dead)
}

fn least(kills: &[u64], count: impl Fn(u64) -> usize) -> u64 {
    let least = kills.iter().map(|at| count(*at)).min();
    u64::try_from(least.unwrap_or_default()).unwrap_or(u64::MAX)
}
