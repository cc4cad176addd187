//! How a client is told about this server: a row of `clients.toml` becomes the client's own file
//! entry, command or link. Nothing here touches a disk or the environment; see [`file`] for the
//! first and the command line for the second.

pub mod entry;
pub mod file;
pub mod jsonc;
pub mod link;
pub mod toml_text;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny};
use serde_json::{Map, Value};
use url::Url;

/// The rows; also the judge's, who reads them on its own.
const CLIENTS_TOML: &str = include_str!("../../clients.toml");

/// The variable that a served daemon's token is taken from.
pub const TOKEN: &str = "EXAI_TOKEN";

/// A client as its row says. Paths begin with `~/` or are relative to the working directory.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// What `exai connect` takes, such as `claude-code`.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// The file of one's own.
    user: String,
    /// The same on macOS, where it differs.
    user_macos: Option<String>,
    /// The file of a project, where the client has one.
    project: Option<String>,
    /// Where in the file the entry stands.
    pub at: Vec<String>,
    /// How the file refers to the variable `NAME`; `None` when it cannot.
    variable: Option<String>,
    /// The key of the list of what the client asks its user for.
    pub inputs: Option<String>,
    /// What the entry's time-out key grants; `None` when the client has none.
    pub timeout_seconds: Option<u64>,
    add_stdio: Option<String>,
    add_http: Option<String>,
    link_stdio: Option<String>,
    link_http: Option<String>,
    #[serde(deserialize_with = "template")]
    stdio: Map<String, Value>,
    #[serde(default, deserialize_with = "optional_template")]
    http: Option<Map<String, Value>>,
    /// For the judge.
    #[serde(default, rename = "limits")]
    _limits: Option<IgnoredAny>,
}

/// Whose file an entry goes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    /// One's own, for all projects.
    User,
    /// That of the project in the working directory.
    Project,
}

/// What the entry should start or reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The absolute path of `exai`.
    pub program: String,
    /// The tools of a started server: `lean`, `standard` or `full`.
    pub profile: String,
    /// Variables handed to a started server, by name.
    pub variables: Vec<String>,
    /// A served daemon to reach instead.
    pub daemon: Option<Daemon>,
}

/// A daemon that runs already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Its MCP endpoint over HTTP.
    pub url: Url,
    /// Where the token that it asks for is.
    pub token: Token,
}

/// Where a daemon's token is; never the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// It asks for none.
    None,
    /// In the variable [`TOKEN`].
    Variable,
    /// In the file of this absolute path. No client reads one, but the bridge does.
    File(String),
}

impl Wish {
    /// The daemon that the client itself reaches, over HTTP.
    #[must_use]
    pub fn reached(&self) -> Option<&Daemon> {
        let daemon = self.daemon.as_ref();
        daemon.filter(|daemon| !matches!(daemon.token, Token::File(_)))
    }
}

/// A text that stands for no client file, or a file that cannot take an entry.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConnectError {
    /// The file is not what the client itself could read.
    #[error("it cannot be read: {0}; correct it, or move it away and run this again")]
    Unreadable(String),
    /// The place of the entry is taken by something else.
    #[error("\"{0}\" in it is not a table; correct that, or move the file away")]
    NoTable(String),
    /// The change would have touched more than the entry; nothing was written.
    #[error("the entry cannot be put there without touching the rest; add it by hand")]
    Entangled,
}

/// A template is JSON text, so that its order is the one in which clients' own pages show it.
fn template<'de, D: Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
    let text = String::deserialize(from)?;
    serde_json::from_str(&text).map_err(D::Error::custom)
}

fn optional_template<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Map<String, Value>>, D::Error> {
    template(from).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    client: Vec<Client>,
}

/// All clients, in the order of the file; none only if the embedded file were broken, which a test
/// excludes.
#[must_use]
pub fn clients() -> Vec<Client> {
    toml::from_str::<Rows>(CLIENTS_TOML).map_or_else(|_| Vec::new(), |rows| rows.client)
}

impl Client {
    /// The file of a scope, as the row has it; `None` when the client has no such file.
    #[must_use]
    pub fn file(&self, scope: Scope) -> Option<&str> {
        match (scope, &self.user_macos) {
            (Scope::Project, _) => self.project.as_deref(),
            (Scope::User, Some(path)) if cfg!(target_os = "macos") => Some(path),
            (Scope::User, _) => Some(&self.user),
        }
    }

    /// Whether the file is TOML; all others are JSON.
    #[must_use]
    pub fn is_toml(&self) -> bool {
        self.user.ends_with(".toml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_parses_and_grants_more_time_than_the_longest_tool_takes() {
        let rows: Rows = toml::from_str(CLIENTS_TOML).unwrap();
        let all = rows.client;
        assert_eq!(all.len(), 10);
        let config = crate::config::Config::load(&crate::config::Sources::default()).unwrap();
        let longest = config.timeouts.thinking.workflow.as_secs();
        for client in &all {
            let granted = client.timeout_seconds.unwrap_or(longest.max(340) + 1);
            assert!(granted >= 340 && granted > longest, "{}", client.id);
            let entry = Value::Object(client.stdio.clone()).to_string();
            let named = |key: &str| entry.contains(key);
            assert_eq!(
                client.timeout_seconds.is_some(),
                named("\"timeout\"") || named("tool_timeout_sec"),
                "{}",
                client.id
            );
            assert_eq!(client.at.last().map(String::as_str), Some("exai"));
        }
    }
}
