//! The spoilers of the admin, process, provider and store edges.

use super::super::{Edge, Row};
use super::row;

const ADMIN: &[Edge] = &[Edge::Admin];
const PROCESS: &[Edge] = &[Edge::Process];
const PROVIDER: &[Edge] = &[Edge::Provider];
const STORE: &[Edge] = &[Edge::Store];

/// Every one of them.
pub(super) const ROWS: &[Row] = &[
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
        "wedged-store",
        STORE,
        "13b",
        &["V.4"],
        "lets new connections break off in their greeting once one broke",
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
        "constant-providers",
        ADMIN,
        "15b",
        &["V.5"],
        "repeats what health first said of the providers for ever",
    ),
    row(
        "constant-health",
        ADMIN,
        "15",
        &["V.5"],
        "repeats the first good health answer for ever",
    ),
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
        "lossy-counter",
        ADMIN,
        "26b",
        &["V.3"],
        "takes a hundredth off the counters of requests",
    ),
    row(
        "held-permit",
        ADMIN,
        "S46",
        &["V.3"],
        "tells of one call more under way than there are",
    ),
    row(
        "helper",
        PROCESS,
        "S44",
        &["V.1"],
        "gives the server a child that it did not start",
    ),
    row(
        "stranger",
        PROCESS,
        "S45",
        &["V.1"],
        "gives the server a connection to somebody outside the run",
    ),
    row(
        "idle-talk",
        PROVIDER,
        "S47",
        &["V.3"],
        "asks the provider something that no caller asked",
    ),
    row(
        "retry-once-more",
        PROVIDER,
        "28b",
        &["V.2"],
        "sends a request that failed once more",
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
        "truncated-as-whole",
        PROVIDER,
        "29",
        &["V.2"],
        "cuts an answer's tail, ends it cleanly",
    ),
    row(
        "truncated-stream",
        PROVIDER,
        "29b",
        &["V.2"],
        "as truncated-as-whole, of streams alone",
    ),
    row(
        "replaced-character",
        PROVIDER,
        "S37",
        &["V.1"],
        "replaces one character of a stream where two chunks meet",
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
