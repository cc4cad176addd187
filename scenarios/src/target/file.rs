//! `target.toml`: which server, and which of its tools may be called.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::Ending;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetFile {
    /// How the server is reached.
    pub server: Server,
    /// The load smoke.
    #[serde(default)]
    pub load: LoadRow,
    /// Its tools, each with what may be done to it.
    #[serde(default, rename = "tool")]
    pub tools: Vec<ToolRow>,
}

/// How a server is reached: by a command or by an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The program and its words.
    pub stdio: Option<Vec<String>>,
    /// The address of its MCP endpoint.
    pub url: Option<String>,
    /// The variable that holds a bearer token for it.
    pub bearer_env: Option<String>,
    /// Variables for its process; their values are no secrets.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables of this environment that its process gets, and that must not come back.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Seconds one request may take.
    #[serde(default = "five")]
    pub wait_s: u64,
}

const fn five() -> u64 {
    5
}

/// The load smoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadRow {
    /// Requests a second, at most 200.
    pub rate: u32,
    /// Seconds, at most 60.
    pub seconds: u32,
}

impl Default for LoadRow {
    fn default() -> Self {
        Self {
            rate: 20,
            seconds: 10,
        }
    }
}

/// A tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolRow {
    /// Its name.
    pub name: String,
    /// Whether it may be called, with right and with wrong arguments.
    pub call: bool,
    /// Arguments it accepts.
    #[serde(default = "nothing")]
    pub arguments: Value,
}

fn nothing() -> Value {
    json!({})
}

impl TargetFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`Ending::Usage`] naming what is wrong and what to write.
    pub fn read(path: &Path) -> Result<Self, Ending> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let fix = "write one with: verify target init --stdio PROGRAM WORD… | --url URL";
            Ending::Usage(format!("{shown}: {error}; {fix}"))
        })?;
        let file: Self =
            toml::from_str(&text).map_err(|error| Ending::Usage(format!("{shown}: {error}")))?;
        file.check()
            .map_err(|why| Ending::Usage(format!("{shown}: {why}")))?;
        Ok(file)
    }

    fn check(&self) -> Result<(), String> {
        let server = &self.server;
        let has_command = server.stdio.as_ref().is_some_and(|words| !words.is_empty());
        if has_command == server.url.is_some() {
            return Err(
                "[server]: write either stdio = [\"PROGRAM\", …] or url = \"…\"".to_owned(),
            );
        }
        if !(1..=60).contains(&server.wait_s) {
            return Err("[server] wait_s: write 1 to 60 seconds".to_owned());
        }
        let load = self.load;
        if !(1..=200).contains(&load.rate) || !(1..=60).contains(&load.seconds) {
            return Err("[load]: write rate 1 to 200 and seconds 1 to 60".to_owned());
        }
        match self.tools.iter().find(|tool| !tool.arguments.is_object()) {
            Some(tool) => Err(format!("tool {}: arguments must be a table", tool.name)),
            None => Ok(()),
        }
    }

    /// The row of a tool.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&ToolRow> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    /// As the record keeps it. It holds no secret: tokens are named by their variables.
    #[must_use]
    pub fn as_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_names_no_server_or_two_or_an_unknown_key_is_refused_with_the_fix() {
        let cases = [
            ("[server]", "either stdio"),
            (
                "[server]\nstdio = [\"a\"]\nurl = \"http://x/\"",
                "either stdio",
            ),
            ("[server]\nstdio = []", "either stdio"),
            ("[server]\nurl = \"http://x/\"\nwait = 3", "unknown field"),
            ("[server]\nurl = \"http://x/\"\nwait_s = 900", "1 to 60"),
            (
                "[server]\nurl = \"http://x/\"\n[load]\nrate = 0\nseconds = 1",
                "rate 1 to 200",
            ),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("target.toml");
        for (text, hint) in cases {
            std::fs::write(&path, text).unwrap();
            let Err(Ending::Usage(says)) = TargetFile::read(&path) else {
                panic!("{text} was taken");
            };
            assert!(says.contains(hint), "{text}: {says}");
        }
        let missing = TargetFile::read(&folder.path().join("none.toml"));
        assert!(matches!(missing, Err(Ending::Usage(says)) if says.contains("target init")));
    }
}
