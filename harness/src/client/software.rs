//! Who the judge says it is: the names real clients send, so that a server cannot tell it apart.

use http::header::ACCEPT_LANGUAGE;
use http::{HeaderMap, HeaderValue};

/// A client program as a server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Software {
    /// `clientInfo.name`.
    pub name: &'static str,
    /// `clientInfo.version`.
    pub version: &'static str,
    /// The `User-Agent` header; None for those that send none.
    pub user_agent: Option<&'static str>,
    /// How its library writes a request's head.
    pub manner: Manner,
}

/// How a library writes a request's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// The host by its address, and what every request needs first.
    Addressed,
    /// The host by its name, what the caller gave first, and a language.
    Named,
}

/// The rows that workloads draw from. None of their names, user agents and manners is one of
/// [`STRANGERS`]. Names and versions are those of clients.md and mcp.md §6;
/// user agents are those of the libraries these clients are built on.
pub const SOFTWARE: [Software; 6] = [
    Software {
        name: "claude-code",
        version: "2.1.319",
        user_agent: Some("claude-code/2.1.319"),
        manner: Manner::Addressed,
    },
    Software {
        name: "mcp",
        version: "2.3.0",
        user_agent: Some("python-httpx/0.28.1"),
        manner: Manner::Addressed,
    },
    Software {
        name: "mcp-client",
        version: "2.4.0",
        user_agent: Some("node"),
        manner: Manner::Addressed,
    },
    Software {
        name: "codex-mcp-client",
        version: "0.101.0",
        user_agent: None,
        manner: Manner::Addressed,
    },
    Software {
        name: "gemini-cli-mcp-client",
        version: "0.0.1",
        user_agent: Some("node"),
        manner: Manner::Addressed,
    },
    Software {
        name: "Visual Studio Code",
        version: "1.106.0",
        user_agent: Some("node"),
        manner: Manner::Addressed,
    },
];

/// The second set: what a disguise is taken from, and nothing else. Names and versions are those
/// that their makers publish.
pub const STRANGERS: [Software; 6] = [
    Software {
        name: "claude-ai",
        version: "0.1.0",
        user_agent: Some("undici"),
        manner: Manner::Named,
    },
    Software {
        name: "cursor-vscode",
        version: "1.0.0",
        user_agent: Some("Cursor/2.1.20"),
        manner: Manner::Named,
    },
    Software {
        name: "Zed",
        version: "0.213.3",
        user_agent: Some("Zed/0.213.3"),
        manner: Manner::Named,
    },
    Software {
        name: "goose",
        version: "1.14.0",
        user_agent: Some("goose/1.14.0"),
        manner: Manner::Named,
    },
    Software {
        name: "LibreChat",
        version: "1.2.0",
        user_agent: Some("LibreChat/0.8.1"),
        manner: Manner::Named,
    },
    Software {
        name: "mcp-go",
        version: "0.43.0",
        user_agent: Some("Go-http-client/1.1"),
        manner: Manner::Named,
    },
];

impl Software {
    /// The row for the `number`th identity.
    #[must_use]
    pub const fn numbered(number: usize) -> Self {
        SOFTWARE[number % SOFTWARE.len()]
    }

    /// The row of the second set for the `number`th identity.
    #[must_use]
    pub const fn stranger(number: usize) -> Self {
        STRANGERS[number % STRANGERS.len()]
    }

    /// What it calls a host of this address on loopback.
    #[must_use]
    pub fn host(self, address: &str) -> String {
        match (self.manner, address.rsplit_once(':')) {
            (Manner::Named, Some((_, port))) => format!("localhost:{port}"),
            _ => address.to_owned(),
        }
    }

    /// A request's headers, written for [`Manner::Addressed`], in the manner of this program.
    #[must_use]
    pub fn written(self, headers: HeaderMap) -> HeaderMap {
        if self.manner == Manner::Addressed {
            return headers;
        }
        let mut turned: Vec<_> = headers.iter().collect();
        turned.reverse();
        let mut written: HeaderMap = turned
            .into_iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        written.insert(ACCEPT_LANGUAGE, HeaderValue::from_static("*"));
        written
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_two_sets_share_no_name_no_user_agent_and_no_manner() {
        let disjoint = |of: fn(&Software) -> Option<String>| {
            let all = |set: &[Software]| set.iter().map(of).collect::<BTreeSet<_>>();
            assert!(all(&SOFTWARE).is_disjoint(&all(&STRANGERS)));
        };
        disjoint(|row| Some(row.name.to_lowercase()));
        disjoint(|row| row.user_agent.map(str::to_owned));
        disjoint(|row| Some(format!("{:?}", row.manner)));
    }

    #[test]
    fn a_stranger_writes_the_same_head_in_another_order_and_names_the_host() {
        let mut headers = HeaderMap::new();
        for name in ["host", "accept", "authorization"] {
            headers.insert(name, HeaderValue::from_static("x"));
        }
        let order = |software: Software| {
            let written = software.written(headers.clone());
            let names = written.keys().map(ToString::to_string);
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order(Software::numbered(1)), "host accept authorization");
        let turned = "authorization accept host accept-language";
        assert_eq!(order(Software::stranger(1)), turned);
        let address = "127.0.0.1:8079";
        assert_eq!(Software::numbered(1).host(address), address);
        assert_eq!(Software::stranger(1).host(address), "localhost:8079");
    }
}
