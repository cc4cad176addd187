//! `/ws/monitoring`: how the server is, every second, for a dashboard. A hello first, as in
//! `exai.v1`, from an administrator; after it the feed takes no frames.

use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use super::super::envelope::Envelope;
use super::super::refusal::Refusal;
use super::Ws;
use super::close::Farewell;
use super::daemon::{self, answer};
use super::guest::{Guest, NoHello};
use super::line::{Line, Outbox};
use crate::observe::manifest::now_utc;

/// Feeds one client until it leaves, loses its role or the process ends.
pub async fn talk(ws: &Ws, mut guest: Guest, line: &mut Line, out: Outbox) -> Farewell {
    let _name = match daemon::greet(ws, (&mut guest, Guest::administer), line, &out).await {
        Ok(name) => name,
        Err(farewell) => return farewell,
    };
    let mut ticks = tokio::time::interval(ws.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let text = tokio::select! {
            text = line.next() => text,
            () = ws.stop.cancelled() => return Farewell::ending(),
            _ = ticks.tick() => {
                // A token expires on an open connection too.
                if let Err(refusal) = guest.administer() {
                    return dismiss(ws, &guest, refusal).await;
                }
                if !out.say(snapshot(ws)).await {
                    return Farewell::gone();
                }
                continue;
            }
        };
        if let Err(farewell) = text {
            return farewell;
        }
        let mut asked = guest.asked(Value::Null);
        let over = guest.check(&Envelope::default(), &mut asked).err();
        let refusal = over.unwrap_or_else(|| {
            Refusal::invalid(
                "no_frames_here",
                "This feed takes no frames; calls go to /ws.",
            )
        });
        ws.gate.desk.record(&refusal, &asked).await;
        let error = answer::error(&Value::Null, &refusal.failure, &asked.correlation_id);
        out.say(error).await;
    }
}

async fn dismiss(ws: &Ws, guest: &Guest, refusal: Refusal) -> Farewell {
    let asked = guest.asked(Value::Null);
    ws.gate.desk.record(&refusal, &asked).await;
    NoHello::refused(refusal).farewell
}

fn snapshot(ws: &Ws) -> String {
    let detail = ws.health.detail();
    let permits = ws.toolbox.permits();
    json!({
        "op": "snapshot",
        "timestamp": now_utc(),
        "instance": ws.toolbox.surroundings().identity.instance(),
        "status": detail.status,
        "ready": detail.not_ready.is_none(),
        "not_ready": detail.not_ready,
        "components": detail.components,
        "in_flight": {"current": permits.current(), "limit": permits.limit()},
        "sessions": ws.gate.sessions.count(),
    })
    .to_string()
}
