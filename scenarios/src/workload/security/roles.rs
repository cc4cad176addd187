//! Roles: what the policy does not list is denied, and nothing but the verified token gives a role.

use exai_judge::Transport;

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
    Ok(())
}
