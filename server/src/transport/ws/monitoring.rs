//! `/ws/monitoring`: how the server is, every second, for a dashboard. A hello first, as in
//! `exai.v1`, from an administrator; after it the feed takes no frames.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::envelope::Envelope;
use super::super::refusal::Refusal;
use super::Ws;
use super::close::Farewell;
use super::daemon::{self, answer};
use super::guest::{Guest, NoHello};
use super::line::{Line, Outbox};
use crate::observe::dashboard::Part;

/// What a client of the feed is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Figures, as JSON.
    Figures,
    /// The parts of the dashboard that changed.
    Page,
}

impl View {
    /// By the query of the address.
    pub fn of(query: Option<&str>) -> Self {
        match query {
            Some("view=page") => Self::Page,
            _ => Self::Figures,
        }
    }
}

/// Feeds one client until it leaves, loses its role or the process ends.
pub async fn talk(
    ws: &Ws,
    (mut guest, view): (Guest, View),
    line: &mut Line,
    out: Outbox,
) -> Farewell {
    let _name = match daemon::greet(ws, (&mut guest, Guest::administer), line, &out).await {
        Ok(name) => name,
        Err(farewell) => return farewell,
    };
    let mut ticks = ws.screen.watch.ticks();
    // The first frame comes at once.
    ticks.mark_changed();
    let mut shown: BTreeMap<&'static str, Arc<str>> = BTreeMap::new();
    loop {
        let text = tokio::select! {
            text = line.next() => text,
            () = ws.stop.cancelled() => return Farewell::ending(),
            changed = ticks.changed() => {
                if changed.is_err() {
                    return Farewell::ending();
                }
                // A token expires on an open connection too.
                if let Err(refusal) = guest.administer() {
                    return dismiss(ws, &guest, refusal).await;
                }
                let frame = match view {
                    View::Figures => ws.screen.snapshot(ws.gate.sessions.count()),
                    View::Page => changes(ws.screen.parts(), &mut shown),
                };
                if !out.say(frame).await {
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

/// A frame with the parts that are not shown yet as they are.
fn changes(parts: Vec<Part>, shown: &mut BTreeMap<&'static str, Arc<str>>) -> String {
    let fresh = parts
        .into_iter()
        .filter(|(id, html)| shown.get(id) != Some(html));
    let fresh: Vec<Part> = fresh.collect();
    let listed: Map<String, Value> = fresh
        .iter()
        .map(|(id, html)| ((*id).to_owned(), Value::from(&**html)))
        .collect();
    shown.extend(fresh);
    json!({"op": "page", "parts": listed}).to_string()
}
