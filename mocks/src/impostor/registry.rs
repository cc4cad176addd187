//! The spoilers by name: where each stands, what it does, whose checker must find it.

use std::str::FromStr;

use serde::Serialize;

/// Where an impostor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Edge {
    /// Before the server's public HTTP listener.
    Client,
    /// Before its admin listener.
    Admin,
    /// Between the server and a provider.
    Provider,
    /// Around the server's standard input and output.
    Stdio,
}

impl FromStr for Edge {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(match word {
            "client" => Self::Client,
            "admin" => Self::Admin,
            "provider" => Self::Provider,
            "stdio" => Self::Stdio,
            _ => return Err("use client, admin, provider or stdio".to_owned()),
        })
    }
}

impl Edge {
    /// The word on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Admin => "admin",
            Self::Provider => "provider",
            Self::Stdio => "stdio",
        }
    }
}

/// One spoiler.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Row {
    /// Its name on the command line.
    pub name: &'static str,
    /// The edges it can stand on.
    pub edges: &'static [Edge],
    /// Its row in `CRITERIA.md`, Saboteurs, or `specs/judging.md` §10; empty for the control.
    pub saboteur: &'static str,
    /// The criteria whose checkers must find it.
    pub criteria: &'static [&'static str],
    /// Parameters it reads.
    pub params: &'static [&'static str],
    /// What it does.
    pub does: &'static str,
}

const HTTP: &[Edge] = &[Edge::Client];
const BOTH: &[Edge] = &[Edge::Client, Edge::Stdio];
const ADMIN: &[Edge] = &[Edge::Admin];
const PROVIDER: &[Edge] = &[Edge::Provider];
const EVERYWHERE: &[Edge] = &[Edge::Client, Edge::Admin, Edge::Provider, Edge::Stdio];

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

impl Row {
    const fn reads(self, params: &'static [&'static str]) -> Self {
        Self { params, ..self }
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
        BOTH,
        "1",
        &["V.1"],
        "answers a call with a remembered result, unforwarded",
    ),
    row(
        "echo",
        BOTH,
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
        "failure-as-text",
        BOTH,
        "3",
        &["V.1", "V.2"],
        "turns an error result into a success",
    ),
    row(
        "crossed",
        BOTH,
        "4",
        &["V.3"],
        "swaps the results of two calls under way",
    ),
    row(
        "dies-after-failure",
        BOTH,
        "5",
        &["V.2"],
        "after a failed call its session only fails",
    ),
    row(
        "empty-success",
        BOTH,
        "6",
        &["V.1"],
        "empties the text of a success",
    ),
    row(
        "one-lock",
        BOTH,
        "7",
        &["V.3"],
        "lets one call through at a time",
    ),
    row(
        "slow-tail",
        BOTH,
        "8",
        &["V.3", "V.8g"],
        "delays every k-th call, every 20 k-th longer",
    )
    .reads(&["delay_ms", "rare_ms"]),
    row(
        "lost-turn",
        BOTH,
        "9",
        &["V.4"],
        "leaves one acknowledged turn out of thread reads",
    ),
    row(
        "lost-context",
        PROVIDER,
        "9",
        &["V.4"],
        "takes an earlier turn out of the prompt",
    ),
    row(
        "doubled-turn",
        BOTH,
        "10",
        &["V.4"],
        "shows one acknowledged turn twice",
    ),
    row(
        "stale-read",
        BOTH,
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
        BOTH,
        "20",
        &["V.6"],
        "adds a secret to error messages",
    )
    .reads(&["canary"]),
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
        BOTH,
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
        "retry-storm",
        PROVIDER,
        "28",
        &["V.2"],
        "sends a request to the provider twice",
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
        BOTH,
        "30",
        &["V.1"],
        "answers under another request's id",
    ),
];

/// The row of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_saboteur_has_a_criterion() {
        let names: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        for row in ROWS.iter().filter(|row| row.name != "none") {
            assert!(
                !row.criteria.is_empty() && !row.saboteur.is_empty(),
                "{}",
                row.name
            );
        }
    }
}
