//! Who the judge says it is: the names real clients send, so that a server cannot tell it apart.

/// A client program as a server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Software {
    /// `clientInfo.name`.
    pub name: &'static str,
    /// `clientInfo.version`.
    pub version: &'static str,
    /// The `User-Agent` header; None for those that send none.
    pub user_agent: Option<&'static str>,
}

/// The rows that workloads draw from. Names and versions are those of clients.md and mcp.md §6;
/// user agents are those of the libraries these clients are built on.
pub const SOFTWARE: [Software; 6] = [
    Software {
        name: "claude-code",
        version: "2.1.319",
        user_agent: Some("claude-code/2.1.319"),
    },
    Software {
        name: "mcp",
        version: "2.3.0",
        user_agent: Some("python-httpx/0.28.1"),
    },
    Software {
        name: "mcp-client",
        version: "2.4.0",
        user_agent: Some("node"),
    },
    Software {
        name: "codex-mcp-client",
        version: "0.101.0",
        user_agent: None,
    },
    Software {
        name: "gemini-cli-mcp-client",
        version: "0.0.1",
        user_agent: Some("node"),
    },
    Software {
        name: "Visual Studio Code",
        version: "1.106.0",
        user_agent: Some("node"),
    },
];

impl Software {
    /// The row for the `number`th identity.
    #[must_use]
    pub const fn numbered(number: usize) -> Self {
        SOFTWARE[number % SOFTWARE.len()]
    }
}
