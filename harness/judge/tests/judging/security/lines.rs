//! Lines of the audit log as an honest server writes them, and its counter of denials.

use exai_judge::Call;
use exai_judge::observation::{AuditSeen, Case, Event};

/// The code of the refusal of a row.
pub fn code_of(id: &str) -> &'static str {
    if id.starts_with('H') {
        "origin_not_allowed"
    } else {
        "unauthorized"
    }
}

/// The line of a case that was denied.
pub fn line(case: &Case) -> AuditSeen {
    AuditSeen {
        correlation_id: case.correlation_id.clone().unwrap_or_default(),
        decision: "denied".to_owned(),
        reason: if case.id.starts_with('H') {
            "origin".to_owned()
        } else {
            format!("token_{}", case.id)
        },
        chained: true,
        principal: Some("unverified".to_owned()),
        transport: Some(
            if ["websocket", "daemon"].contains(&case.edge.as_str()) {
                "websocket"
            } else {
                "http"
            }
            .to_owned(),
        ),
        stands_for: 0,
    }
}

/// The line of a call that was refused by a rate.
pub fn line_of(call: &Call) -> AuditSeen {
    let failure = call.failure.as_ref().unwrap();
    AuditSeen {
        correlation_id: failure.correlation_id.clone().unwrap(),
        decision: "denied".to_owned(),
        reason: "rate_principal".to_owned(),
        chained: true,
        principal: Some(call.identity.clone()),
        transport: Some("http".to_owned()),
        stands_for: 0,
    }
}

/// The counter of denials at a moment, over two reasons.
pub fn scrape(mark: &str, count: f64) -> Event {
    let series = |reason: &str| format!(r#"exai_denials_total{{reason="{reason}"}}"#);
    let values = [
        (series("role"), 2.0),
        (series("rate_principal"), count - 2.0),
    ];
    Event::Metrics {
        mark: mark.to_owned(),
        values: values.into(),
    }
}
