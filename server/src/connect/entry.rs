//! The entry: a row's template with this machine's words in it.

use serde_json::{Map, Value, json};

use super::{Client, Daemon, TOKEN, Token, Wish};

/// Starts the words after it in the user's login shell, for clients that hand on no variables.
const LOGIN: [&str; 3] = ["/bin/sh", "-lc", "exec \"$0\" \"$@\""];

impl Client {
    /// The entry under [`Client::at`].
    #[must_use]
    pub fn entry(&self, wish: &Wish) -> Map<String, Value> {
        let http = self.http.as_ref().filter(|_| wish.reached().is_some());
        let template = http.unwrap_or(&self.stdio);
        let filled = template.iter().filter_map(|(key, value)| {
            let value = match value.as_str().and_then(word) {
                Some(word) => self.said(word, wish)?,
                None => value.clone(),
            };
            Some((key.clone(), value))
        });
        filled.collect()
    }

    /// What the client must be told to ask its user for: a list at [`Client::inputs`].
    #[must_use]
    pub fn asked(&self, wish: &Wish) -> Vec<Value> {
        if self.inputs.is_none() {
            return Vec::new();
        }
        let one = |name: &String| {
            json!({
                "type": "promptString",
                "id": name,
                "description": format!("{name} for exai; may stay empty"),
                "password": true,
            })
        };
        variables(wish).iter().map(one).collect()
    }

    /// One command that makes the same entry, where the client has one.
    #[must_use]
    pub fn command(&self, wish: &Wish) -> Option<String> {
        let template = match wish.reached() {
            Some(_) => self.add_http.as_ref()?,
            None => self.add_stdio.as_ref()?,
        };
        let quoted: Vec<String> = self.argv(wish).iter().map(|word| quoted(word)).collect();
        let url = wish
            .daemon
            .as_ref()
            .map_or("", |daemon| daemon.url.as_str());
        Some(
            template
                .replace("{argv}", &quoted.join(" "))
                .replace("{url}", url),
        )
    }

    /// Whether the program is started in a login shell.
    #[must_use]
    pub fn uses_login_shell(&self) -> bool {
        let hands_on = |value: &Value| value == "{names}" || value == "{variables}";
        !self.stdio.values().any(hands_on)
    }

    fn said(&self, word: &str, wish: &Wish) -> Option<Value> {
        let argv = self.argv(wish);
        match word {
            "command" => Some(json!(argv.first())),
            "args" => Some(json!(argv.get(1..).unwrap_or_default())),
            "argv" => Some(json!(argv)),
            "names" => Some(json!(variables(wish))).filter(|names| *names != json!([])),
            "variables" => {
                let form = self.variable.as_ref()?;
                let pairs = variables(wish);
                let pairs = pairs.iter().map(|name| (name.clone(), refer(form, name)));
                let table: Map<String, Value> = pairs.collect();
                (!table.is_empty()).then_some(Value::Object(table))
            }
            "url" => Some(json!(wish.daemon.as_ref()?.url.as_str())),
            "headers" => {
                let form = self.variable.as_ref().filter(|_| has_token(wish))?;
                let token = form.replace("NAME", TOKEN);
                Some(json!({ "Authorization": format!("Bearer {token}") }))
            }
            "token" => has_token(wish).then(|| json!(TOKEN)),
            _ => None,
        }
    }

    fn argv(&self, wish: &Wish) -> Vec<String> {
        let own: Vec<String> = match &wish.daemon {
            Some(daemon) => bridge(daemon),
            None => {
                let profile = format!("tools.profile={}", wish.profile);
                vec!["stdio".into(), "--set".into(), profile]
            }
        };
        let shell = LOGIN.iter().map(|word| (*word).to_owned());
        let mut argv: Vec<String> = shell.filter(|_| self.uses_login_shell()).collect();
        argv.push(wish.program.clone());
        argv.extend(own);
        argv
    }
}

/// The word in braces that a template's value is.
fn word(value: &str) -> Option<&str> {
    value.strip_prefix('{')?.strip_suffix('}')
}

fn refer(form: &str, name: &str) -> Value {
    form.replace("NAME", name).into()
}

fn has_token(wish: &Wish) -> bool {
    let daemon = wish.daemon.as_ref();
    daemon.is_some_and(|daemon| daemon.token == Token::Variable)
}

/// The variables that the started program or the daemon needs.
fn variables(wish: &Wish) -> Vec<String> {
    match &wish.daemon {
        Some(daemon) if daemon.token == Token::Variable => vec![TOKEN.to_owned()],
        Some(_) => Vec::new(),
        None => wish.variables.clone(),
    }
}

/// The words that start a bridge to a daemon.
fn bridge(daemon: &Daemon) -> Vec<String> {
    let mut words = vec!["bridge".to_owned(), "--url".to_owned(), bridge_url(daemon)];
    if let Token::File(path) = &daemon.token {
        words.extend(["--set".to_owned(), format!("bridge.token_file={path}")]);
    }
    words
}

/// The daemon's WebSocket beside its MCP endpoint.
fn bridge_url(daemon: &Daemon) -> String {
    let mut url = daemon.url.clone();
    let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
    // Both are special schemes, between which a change is always possible.
    let _ = url.set_scheme(scheme);
    let path = url.path().trim_end_matches("mcp").to_owned();
    url.set_path(&format!("{path}ws"));
    url.into()
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::super::clients;
    use super::*;

    fn wish(url: Option<&str>) -> Wish {
        Wish {
            program: "/opt/my tools/exai".to_owned(),
            profile: "lean".to_owned(),
            variables: vec!["KIMI_API_KEY".to_owned()],
            daemon: url.map(|url| Daemon {
                url: url.parse().unwrap(),
                token: Token::Variable,
            }),
        }
    }

    #[test]
    fn no_word_of_a_template_is_left_and_no_variable_is_lost() {
        for client in clients() {
            for url in [None, Some("https://exai.example.com/mcp")] {
                let wish = wish(url);
                let entry = Value::Object(client.entry(&wish)).to_string();
                let left = [
                    "{command}",
                    "{args}",
                    "{argv}",
                    "{variables}",
                    "{names}",
                    "{url}",
                ];
                assert!(left.iter().all(|word| !entry.contains(word)), "{entry}");
                let name = if url.is_some() { TOKEN } else { "KIMI_API_KEY" };
                let is_named = entry.contains(name) || entry.contains("-lc");
                assert!(is_named, "{}: {entry}", client.id);
            }
        }
    }

    #[test]
    fn a_client_without_http_reaches_a_daemon_through_the_bridge() {
        let all = clients();
        let zed = all.iter().find(|client| client.id == "zed").unwrap();
        let entry = zed.entry(&wish(Some("https://exai.example.com/mcp")));
        let entry = Value::Object(entry).to_string();
        assert!(entry.contains("wss://exai.example.com/ws"), "{entry}");
    }

    #[test]
    fn a_command_quotes_what_a_shell_would_take_apart() {
        let all = clients();
        let codex = all.iter().find(|client| client.id == "codex").unwrap();
        let command = codex.command(&wish(None)).unwrap();
        let wanted = "codex mcp add exai -- '/opt/my tools/exai' stdio --set tools.profile=lean";
        assert_eq!(command, wanted);
    }
}
