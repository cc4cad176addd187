//! Hosts and origins: a page in a browser must not reach the server by another name.

use exai_judge::Transport;

use super::{Attempt, Seen, WIRES, record};
use crate::stage::{Person, Stage, Trouble};

/// Origins that must be refused, by row and variant.
const ORIGINS: [(&str, &str); 5] = [
    ("H2", "http://evil.example"),
    ("H3", "null"),
    ("H4.suffix", "http://localhost.evil.example"),
    ("H4.fragment", "http://evil.example#localhost"),
    ("H4.user", "http://localhost@evil.example"),
];

/// Tries every row on every wire.
///
/// # Errors
/// When someone pressed Ctrl-C.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    for wire in WIRES {
        stage.check_stop()?;
        one_wire(stage, wire).await;
    }
    Ok(())
}

async fn one_wire(stage: &Stage, wire: Transport) {
    let token = stage.ground.authorization(Person::user(501));
    let port = stage.ground.public().port();
    let own = format!("http://localhost:{port}");
    let seen = |id, good, allowed| Seen {
        id,
        edge: wire.name(),
        good,
        allowed,
    };
    let plain = Attempt::new(wire, Some(&token));
    for (id, origin) in ORIGINS {
        let reply = Attempt {
            origin: Some(origin),
            ..Attempt::new(wire, Some(&token))
        };
        record(stage, &seen(id, false, &["403"]), &reply.send(stage).await);
        let good = Attempt {
            origin: Some(&own),
            ..Attempt::new(wire, Some(&token))
        };
        record(
            stage,
            &seen(id, true, &["accepted"]),
            &good.send(stage).await,
        );
    }
    for (id, host) in [("H1", "evil.example"), ("H8", "rebind.example:8079")] {
        let bad = Attempt {
            host: Some(host),
            ..Attempt::new(wire, Some(&token))
        };
        record(
            stage,
            &seen(id, false, &["403", "421"]),
            &bad.send(stage).await,
        );
        record(
            stage,
            &seen(id, true, &["accepted"]),
            &plain.send(stage).await,
        );
    }
}
