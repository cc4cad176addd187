//! The table of spoilers: here those of calls, and in a file of their own those of other edges.

mod edges;

use super::{Edge, Row};

const HTTP: &[Edge] = &[Edge::Client];
const CALLS: &[Edge] = &[Edge::Client, Edge::Stdio, Edge::WebSocket];
const LOCKED: &[Edge] = &[Edge::Client, Edge::Stdio, Edge::WebSocket, Edge::Provider];
const EVERYWHERE: &[Edge] = &[
    Edge::Client,
    Edge::Admin,
    Edge::Provider,
    Edge::Stdio,
    Edge::Store,
    Edge::WebSocket,
    Edge::Process,
];

const fn row(
    name: &'static str,
    edges: &'static [Edge],
    saboteur: &'static str,
    criteria: &'static [&'static str],
    does: &'static str,
) -> Row {
    Row {
        name,
        edges,
        saboteur,
        criteria,
        params: &[],
        does,
    }
}

/// Every spoiler.
pub fn all() -> impl Iterator<Item = &'static Row> {
    OF_CALLS.iter().chain(edges::ROWS)
}

const OF_CALLS: &[Row] = &[
    row(
        "none",
        EVERYWHERE,
        "",
        &[],
        "passes everything through: the honest control",
    ),
    row(
        "canned",
        CALLS,
        "1",
        &["V.1"],
        "answers a call with a remembered result, unforwarded",
    ),
    row(
        "canned-review",
        CALLS,
        "1b",
        &["V.1"],
        "answers one tool's last step with another's answer",
    ),
    row(
        "echo",
        CALLS,
        "2",
        &["V.1"],
        "puts the caller's own text in place of the answer",
    ),
    row(
        "failure-as-text",
        CALLS,
        "3",
        &["V.1", "V.2"],
        "turns an error result into a success",
    ),
    row(
        "foreign-failure-as-text",
        CALLS,
        "3b",
        &["V.2"],
        "turns an error result that is no caller's mistake into a success",
    ),
    row(
        "crossed",
        CALLS,
        "4",
        &["V.3"],
        "swaps the results of two calls under way",
    ),
    row(
        "crossed-under-load",
        CALLS,
        "4b",
        &["V.3"],
        "swaps the results of two calls among many under way",
    ),
    row(
        "shared-answers",
        CALLS,
        "4c",
        &["V.1"],
        "gives a caller the answer to another's equal call",
    ),
    row(
        "dies-after-failure",
        CALLS,
        "5",
        &["V.2"],
        "after a failed call its session only fails",
    ),
    row(
        "dies-after-third",
        CALLS,
        "5b",
        &["V.2"],
        "after three failures of a class its session only fails",
    ),
    row(
        "empty-success",
        CALLS,
        "6",
        &["V.1"],
        "empties the text of a success",
    ),
    row(
        "lost-tail",
        CALLS,
        "6b",
        &["V.1"],
        "cuts the last hundredth of the prose of a long answer",
    ),
    row(
        "one-lock",
        LOCKED,
        "7",
        &["V.3"],
        "lets one call through at a time",
    ),
    row(
        "slow-tail",
        CALLS,
        "8",
        &["V.3", "V.8g"],
        "delays every k-th call",
    )
    .reads(&["delay_ms"]),
    row(
        "rare-stall",
        CALLS,
        "8b",
        &["V.3"],
        "holds every k-th call back beyond any patience",
    )
    .reads(&["rare_ms"]),
    row(
        "lost-turn",
        CALLS,
        "9",
        &["V.4"],
        "leaves one acknowledged turn out of thread reads",
    ),
    row(
        "doubled-turn",
        CALLS,
        "10",
        &["V.4"],
        "shows one acknowledged turn twice",
    ),
    row(
        "stale-read",
        CALLS,
        "11",
        &["V.4"],
        "reads a thread as it was before its last turn",
    ),
    row(
        "stale-first-read",
        CALLS,
        "11b",
        &["V.4"],
        "leaves the last turn out of the first read after it",
    ),
    row(
        "full-early",
        CALLS,
        "S34",
        &["V.4"],
        "calls a thread full at the exchange that fills it",
    ),
    row(
        "full-late",
        CALLS,
        "S34b",
        &["V.4"],
        "answers one exchange that a full thread refuses",
    ),
    row(
        "known-client",
        HTTP,
        "S38",
        &["V.1"],
        "makes the question of every program but the judge's cheaper",
    )
    .reads(&["clients"]),
    row(
        "alg-none",
        HTTP,
        "16",
        &["V.6"],
        "passes a token with alg none off as a good one",
    )
    .reads(&["token"]),
    row(
        "alg-none-upgrade",
        HTTP,
        "16b",
        &["V.6"],
        "as alg-none, at the upgrade to WebSocket alone",
    )
    .reads(&["token"]),
    row(
        "expired-stateless",
        HTTP,
        "17b",
        &["V.6"],
        "as expired-accepted, on requests of 2026-07-28 alone",
    )
    .reads(&["token"]),
    row(
        "role-case",
        HTTP,
        "18b",
        &["V.6"],
        "takes a role for an administrator's in any case",
    )
    .reads(&["admin_token"]),
    row(
        "encoded-secret",
        CALLS,
        "20b",
        &["V.6"],
        "adds a secret in base64 to error messages",
    )
    .reads(&["canary"]),
    row(
        "origin-null",
        HTTP,
        "21b",
        &["V.6"],
        "takes the Origin header away when it says null",
    ),
    row(
        "expired-accepted",
        HTTP,
        "17",
        &["V.6"],
        "passes an expired token off as a good one",
    )
    .reads(&["token"]),
    row(
        "rbac-skipped",
        HTTP,
        "18",
        &["V.6"],
        "calls one tool with an administrator's token",
    )
    .reads(&["admin_token", "tool"]),
    row(
        "secret-in-error",
        CALLS,
        "20",
        &["V.6"],
        "adds a secret to error messages",
    )
    .reads(&["canary"]),
    row(
        "unaudited",
        HTTP,
        "19",
        &["V.6"],
        "denies under a correlation id that was never audited",
    ),
    row(
        "origin-unchecked",
        HTTP,
        "21",
        &["V.6"],
        "takes the Origin header away",
    ),
    row(
        "no-limit",
        HTTP,
        "22",
        &["V.6"],
        "retries what was rate-limited as another principal",
    )
    .reads(&["tokens"]),
    row(
        "slow-refill",
        HTTP,
        "22",
        &["V.6"],
        "lets one in ten through once a caller was limited",
    ),
    row(
        "leak",
        CALLS,
        "23",
        &["V.7"],
        "keeps memory for every request",
    )
    .reads(&["leak_bytes"]),
    row(
        "unnamed-failover",
        CALLS,
        "27c",
        &["V.2"],
        "takes away who answered in the place of another",
    ),
    row(
        "wrong-id",
        CALLS,
        "30",
        &["V.1"],
        "answers under another request's id",
    ),
    row(
        "spelled-id",
        CALLS,
        "30b",
        &["V.1"],
        "answers a numeric id with its digits as text",
    ),
    row(
        "cursor-accepted",
        CALLS,
        "S31",
        &["V.1"],
        "answers a made-up cursor with an empty page",
    ),
    row(
        "hollow-structure",
        CALLS,
        "S41",
        &["V.1"],
        "leaves the answer out of the structured content",
    ),
    row(
        "nameless",
        HTTP,
        "S43",
        &["V.1"],
        "leaves the instance's id out of an answer",
    ),
];
