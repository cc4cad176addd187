//! Roles: what the policy does not list is denied, and nothing but the verified token gives a role.

use exai_judge::Transport;
use serde_json::{Value, json};

use super::entrance::{Entrance, now};
use super::{Attempt, Seen, record};
use crate::stage::{Person, Stage, Trouble};

/// Roles that may call no tool, by row and variant.
const DENIED: [(&str, &[&str]); 4] = [
    ("A1.metrics", &["metrics"]),
    ("A7.unknown", &["poweruser"]),
    ("A7.none", &[]),
    ("A7.case", &["Admin"]),
];
/// Tools the roles are tried on.
const TOOLS: [&str; 3] = ["version", "status", "listmodels"];

/// Tries every denied role on every tool, beside the same call by an ordinary user.
///
/// # Errors
/// When someone pressed Ctrl-C.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let wire = Transport::Http2026;
    let good = stage.ground.authorization(Person::user(502));
    for (row, roles) in DENIED {
        stage.check_stop()?;
        let bad = stage.ground.authorization_with(Person::user(503), roles);
        for tool in TOOLS {
            let id = format!("{row}.{tool}");
            let seen = |good, allowed| Seen {
                id: &id,
                edge: wire.name(),
                good,
                allowed,
            };
            let attempt = Attempt {
                tool,
                ..Attempt::new(wire, Some(&bad))
            };
            record(stage, &seen(false, &["403"]), &attempt.send(stage).await);
            let attempt = Attempt {
                tool,
                ..Attempt::new(wire, Some(&good))
            };
            record(
                stage,
                &seen(true, &["accepted"]),
                &attempt.send(stage).await,
            );
        }
    }
    as_text(stage).await;
    Ok(())
}

/// Roles that are no list give none.
async fn as_text(stage: &Stage) {
    let edge = Transport::Http2026;
    let mint = Entrance::Wire(edge).mint(&stage.ground.mint());
    let line = |roles: Value| {
        let draft = mint.draft(now()).claim("roles", roles);
        format!("Bearer {}", mint.sign(&draft))
    };
    let rows = [
        (false, line(json!("admin")), &["403", "401"][..]),
        (false, line(json!({"0": "admin"})), &["403", "401"]),
        (true, line(json!(["admin"])), &["accepted"]),
    ];
    for (good, line, allowed) in rows {
        let seen = Seen {
            id: "A7.text",
            edge: edge.name(),
            good,
            allowed,
        };
        let reply = Attempt::new(edge, Some(&line)).send(stage).await;
        record(stage, &seen, &reply);
    }
}
