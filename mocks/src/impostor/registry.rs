//! The spoilers by name: where each stands, what it does, whose checker must find it.

mod rows;

use std::str::FromStr;

use serde::Serialize;

pub use rows::all;

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
    /// Between the server and its store.
    Store,
    /// Before the public listener, on connections upgraded to WebSocket alone.
    WebSocket,
    /// Around the server's standard input and output.
    Stdio,
    /// Before the server's own program, which the impostor becomes.
    Process,
}

impl FromStr for Edge {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(match word {
            "client" => Self::Client,
            "admin" => Self::Admin,
            "provider" => Self::Provider,
            "stdio" => Self::Stdio,
            "process" => Self::Process,
            "store" => Self::Store,
            "websocket" => Self::WebSocket,
            _ => {
                let known = "admin, client, process, provider, stdio, store or websocket";
                return Err(format!("use {known}"));
            }
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
            Self::Process => "process",
            Self::Store => "store",
            Self::WebSocket => "websocket",
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

impl Row {
    pub(super) const fn reads(self, params: &'static [&'static str]) -> Self {
        Self { params, ..self }
    }
}

/// The row of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Row> {
    all().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_saboteur_has_a_criterion() {
        let names: BTreeSet<_> = all().map(|row| row.name).collect();
        assert_eq!(names.len(), all().count());
        for row in all().filter(|row| row.name != "none") {
            assert!(
                !row.criteria.is_empty() && !row.saboteur.is_empty(),
                "{}",
                row.name
            );
        }
    }
}
