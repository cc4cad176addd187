//! The table of spoilers.

use super::{Edge, Row};

const HTTP: &[Edge] = &[Edge::Client];
const CALLS: &[Edge] = &[Edge::Client, Edge::Stdio, Edge::WebSocket];
const ADMIN: &[Edge] = &[Edge::Admin];
const PROVIDER: &[Edge] = &[Edge::Provider];
const STORE: &[Edge] = &[Edge::Store];
const EVERYWHERE: &[Edge] = &[
    Edge::Client,
    Edge::Admin,
    Edge::Provider,
    Edge::Stdio,
    Edge::Store,
    Edge::WebSocket,
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
pub const ROWS: &[Row] = &[
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
        "drop-file",
        PROVIDER,
        "2b",
        &["V.1"],
        "takes a file or image out of the prompt",
    )
    .reads(&["file_open", "file_close"]),
    row(
        "drop-second-file",
        PROVIDER,
        "2b",
        &["V.1"],
        "takes the last of two or more files out of the prompt",
    ),
    row(
        "drop-late-turn",
        PROVIDER,
        "2b",
        &["V.1"],
        "takes the turn before out of a seventh or later prompt",
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
        CALLS,
        "7",
        &["V.3"],
        "lets one call through at a time",
    ),
    row(
        "slow-tail",
        CALLS,
        "8",
        &["V.3", "V.8g"],
        "delays every k-th call, every 20 k-th longer",
    )
    .reads(&["delay_ms", "rare_ms"]),
    row(
        "lost-turn",
        CALLS,
        "9",
        &["V.4"],
        "leaves one acknowledged turn out of thread reads",
    ),
    row(
        "slow-store",
        STORE,
        "12",
        &["V.4"],
        "delays what the server asks its store",
    )
    .reads(&["store_delay_ms"]),
    row(
        "never-reconnects",
        STORE,
        "13",
        &["V.4"],
        "refuses the store for long once a connection broke",
    )
    .reads(&["away_ms"]),
    row(
        "lost-context",
        PROVIDER,
        "9",
        &["V.4"],
        "takes an earlier turn out of the prompt",
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
        "constant-health",
        ADMIN,
        "15",
        &["V.5"],
        "repeats the first good health answer for ever",
    ),
    row(
        "alg-none",
        HTTP,
        "16",
        &["V.6"],
        "passes a token with alg none off as a good one",
    )
    .reads(&["token"]),
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
        "metrics-frozen",
        ADMIN,
        "26",
        &["V.3", "V.8"],
        "repeats the first metrics for ever",
    ),
    row(
        "hits-uncounted",
        ADMIN,
        "26c",
        &["V.4"],
        "repeats the first counts of answers a cache had",
    ),
    row(
        "retry-storm",
        PROVIDER,
        "28",
        &["V.2"],
        "sends a request to the provider twice",
    ),
    row(
        "stuck-open",
        PROVIDER,
        "27b",
        &["V.2"],
        "answers for a provider that once failed five times",
    ),
    row(
        "unnamed-failover",
        CALLS,
        "27c",
        &["V.2"],
        "takes away who answered in the place of another",
    ),
    row(
        "truncated-as-whole",
        PROVIDER,
        "29",
        &["V.2"],
        "cuts an answer's tail, ends it cleanly",
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
        "other-model",
        PROVIDER,
        "S42",
        &["V.1"],
        "asks another model of the provider",
    )
    .reads(&["model"]),
];
