//! What a denial that a client saw says about the line that the audit log must hold of it.

use crate::observation::{AuditSeen, Case};
use crate::operation::{Call, Transport};

/// Whom a line names where no credential was verified.
const NOBODY: &str = "unverified";
const UNAUTHORIZED: &str = "unauthorized";
const OVER_RATE: &str = "over_rate";
const HTTP: &str = "http";
const WEBSOCKET: &str = "websocket";

/// Whom a line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Nobody: what was refused comes before any credential.
    Nobody,
    /// Whoever asked: what was refused comes after the credential was found good.
    Caller,
    /// One or the other: it depends on what the client cannot see.
    Either,
}

/// Codes of denials, the reasons that a line may give for each, and whom it names. The audit log
/// tells more than the caller: a star stands for any ending.
const CODES: [(&str, &[&str], Who); 9] = [
    (
        UNAUTHORIZED,
        &["token_*", "grace_ended", "rotation_*", "session"],
        Who::Either,
    ),
    ("forbidden", &["role"], Who::Caller),
    ("session_not_found", &["session"], Who::Caller),
    ("host_not_allowed", &["host"], Who::Nobody),
    ("origin_not_allowed", &["origin"], Who::Nobody),
    (OVER_RATE, &["rate_*"], Who::Either),
    ("too_many_sessions", &["too_many_sessions"], Who::Either),
    (
        "too_many_open_requests",
        &["too_many_open_requests"],
        Who::Caller,
    ),
    (
        "connections_per_address",
        &["connections_per_address"],
        Who::Either,
    ),
];

/// A denial as a client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// When its reply was there, ns.
    pub at: u64,
    /// What was denied, for people.
    pub what: String,
    /// The code that the reply told; None when it told none.
    code: Option<String>,
    /// Whom the credential names; None when the client cannot know.
    claimed: Option<String>,
    /// Whether that credential is known to be good.
    is_good: bool,
    /// What the log calls the transport; None when the client cannot know.
    transport: Option<&'static str>,
}

impl Denied {
    /// The denial of a case; None when its reply told none.
    #[must_use]
    pub fn of_case(at: u64, case: &Case) -> Option<Self> {
        let is_told = case.code.as_deref().is_some_and(is_denial);
        (is_told || case.audited).then(|| Self {
            at,
            what: format!("{} over {}", case.id, case.edge),
            code: case.code.clone(),
            claimed: case.claimed.clone(),
            is_good: false,
            transport: transport_of(&case.edge),
        })
    }

    /// The denial of a call; None when it was none, or came over a pipe, whose process has no log
    /// that is read. The judge's own clients show good credentials alone.
    #[must_use]
    pub fn of_call(call: &Call) -> Option<Self> {
        let code = call.failure.as_ref().map(|failure| &failure.code);
        let code = code.filter(|code| is_denial(code))?;
        let transport = match call.transport {
            Transport::Stdio => return None,
            Transport::Http2025 | Transport::Http2026 => HTTP,
            Transport::WebSocket => WEBSOCKET,
        };
        Some(Self {
            at: call.done_at,
            what: format!("operation {} over {}", call.op, call.transport.name()),
            code: Some(code.clone()),
            claimed: Some(call.identity.clone()),
            is_good: true,
            transport: Some(transport),
        })
    }

    /// Whether it was refused by a rate: what comes in floods, and may be counted in one line.
    #[must_use]
    pub fn is_by_rate(&self) -> bool {
        self.code.as_deref() == Some(OVER_RATE)
    }

    /// How its line differs from what it must be; None when it does not.
    #[must_use]
    pub fn differs(&self, line: &AuditSeen) -> Option<String> {
        let told = line.transport.as_deref();
        if let (Some(wanted), Some(told)) = (self.transport, told)
            && wanted != told
        {
            return Some(format!("is of {told}, not of {wanted}"));
        }
        let code = self.code.as_deref()?;
        let (_, reasons, who) = CODES.iter().find(|(known, ..)| *known == code)?;
        if !reasons.iter().any(|wanted| fits(wanted, &line.reason)) {
            return Some(format!(
                "says {} of what was {code} to the client",
                line.reason
            ));
        }
        let named = line.principal.as_deref()?;
        let who = self.who(*who, told);
        let is_nobody = named == NOBODY;
        // Where the client does not know who it was to the server, anybody may be named.
        let is_claimed = match self.claimed.as_deref() {
            Some(claimed) => named == claimed,
            None => !is_nobody || who == Who::Caller,
        };
        let is_right = match who {
            Who::Nobody => is_nobody,
            Who::Caller => is_claimed,
            Who::Either => is_nobody || is_claimed,
        };
        let claimed = self.claimed.as_deref().unwrap_or("somebody");
        (!is_right).then(|| format!("names {named} where {claimed} was denied"))
    }

    /// Whom the line of this denial names.
    fn who(&self, who: Who, told: Option<&str>) -> Who {
        let code = self.code.as_deref();
        let transport = self.transport.or(told);
        if code == Some(UNAUTHORIZED) && transport == Some(HTTP) {
            // A connection may have been somebody's before; a request stands by itself.
            return Who::Nobody;
        }
        // The rate is taken once the credential was looked at, and names whoever it was good for.
        if code == Some(OVER_RATE) && self.is_good {
            return Who::Caller;
        }
        who
    }
}

/// Whether a failure of this code is a denial, which leaves a line.
#[must_use]
pub fn is_denial(code: &str) -> bool {
    CODES.iter().any(|(known, ..)| *known == code)
}

fn fits(wanted: &str, reason: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(begin) => reason.starts_with(begin),
        None => reason == wanted,
    }
}

/// What the log calls the transport of an edge of the battery.
fn transport_of(edge: &str) -> Option<&'static str> {
    match edge {
        "websocket" | "daemon" => Some(WEBSOCKET),
        "http-2025-11-25" | "http-2026-07-28" => Some(HTTP),
        _ => None,
    }
}
