//! `exai connect`: what it prints and writes for each client, and that the entry starts a server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::piped::Bridge;
use super::process::{Server, call, exai, initialize, serve, serve_jwt, token};

pub const CLIENTS: [&str; 10] = [
    "claude-code",
    "claude-desktop",
    "cursor",
    "vscode",
    "codex",
    "gemini",
    "zed",
    "copilot-cli",
    "windsurf",
    "opencode",
];

const DAEMON: &str = "https://exai.example.com/mcp";

fn connect(home: &Path, words: &[&str]) -> Output {
    let home = home.to_str().unwrap();
    let mut command = exai(&[("HOME", home)]);
    command.arg("connect").args(words).current_dir(home);
    command.output().unwrap()
}

fn printed(home: &Path, words: &[&str]) -> String {
    let output = connect(home, words);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The entry in a printed file, as its client would read it.
pub fn entry(client: &str, text: &str) -> Value {
    let file: Value = match client {
        "codex" => toml::from_str(text).unwrap(),
        _ => serde_json::from_str(text).unwrap(),
    };
    let table = file
        .as_object()
        .unwrap()
        .values()
        .find(|table| table["exai"].is_object());
    table.unwrap()["exai"].clone()
}

/// How a client would start it: nothing in the environment, every reference without a value.
fn start(entry: &Value) -> Bridge {
    let words = |key: &str| -> Vec<String> {
        match &entry[key] {
            Value::String(word) => vec![word.clone()],
            Value::Array(words) => words
                .iter()
                .map(|w| w.as_str().unwrap().to_owned())
                .collect(),
            _ => Vec::new(),
        }
    };
    let argv = [words("command"), words("args")].concat();
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).env_clear();
    for table in ["env", "environment"] {
        for name in entry[table]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
        {
            command.env(name, "");
        }
    }
    Bridge::spawn(&mut command)
}

pub fn tools(bridge: &mut Bridge) -> Vec<String> {
    let listed = bridge.ask(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
    let tools = listed["result"]["tools"]
        .as_array()
        .unwrap_or_else(|| panic!("{listed}"));
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

/// The tools that a server lists over HTTP.
pub fn listed(server: &Server, bearer: &str) -> Vec<String> {
    let meta = &call("", json!({}))["params"]["_meta"];
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}});
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/list"),
        ("authorization", bearer),
    ];
    let answer = server.post(&ask, &headers).json();
    let tools = answer["result"]["tools"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"));
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn each_clients_file_is_printed_as_it_was_agreed() {
    let home = tempfile::tempdir().unwrap();
    let mut all = String::new();
    for client in CLIENTS {
        for words in [&[client][..], &[client, "--url", DAEMON]] {
            let output = connect(home.path(), words);
            assert!(output.status.success(), "{words:?}: {output:?}");
            let says = String::from_utf8(output.stderr).unwrap();
            let file = String::from_utf8(output.stdout).unwrap();
            all.push_str(&format!(
                "$ exai connect {}\n{says}{file}\n",
                words.join(" ")
            ));
        }
    }
    let program = env!("CARGO_BIN_EXE_exai");
    let all = all
        .replace(program, "/opt/exai")
        .replace(home.path().to_str().unwrap(), "~");
    insta::assert_snapshot!("every_client", all);
    insta::assert_snapshot!("list_of_clients", printed(home.path(), &[]));
}

#[test]
fn each_clients_entry_starts_the_server_from_an_empty_environment() {
    let home = tempfile::tempdir().unwrap();
    for client in CLIENTS {
        let entry = entry(client, &printed(home.path(), &[client]));
        let mut bridge = start(&entry);
        bridge.begin();
        let tools = tools(&mut bridge);
        assert_eq!(tools.len(), 11, "{client}: {tools:?}");
        assert!(
            tools.iter().any(|tool| tool == "chat"),
            "{client}: {tools:?}"
        );
    }
}

#[test]
fn each_clients_entry_for_a_daemon_names_its_address_and_its_token_by_reference() {
    let home = tempfile::tempdir().unwrap();
    let secret = "planted-0123456789abcdef-planted";
    for client in CLIENTS {
        let mut command = exai(&[
            ("HOME", home.path().to_str().unwrap()),
            ("EXAI_TOKEN", secret),
            ("KIMI_API_KEY", secret),
        ]);
        let output = command
            .args(["connect", client, "--url", DAEMON])
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("exai.example.com"), "{client}: {said}");
        assert!(
            said.contains("EXAI_TOKEN") && !said.contains(secret),
            "{client}: {said}"
        );
    }
    let open = printed(home.path(), &["cursor", "--url", "http://127.0.0.1:8079"]);
    let open = entry("cursor", &open);
    assert_eq!(open, json!({"url": "http://127.0.0.1:8079/mcp"}));
}

#[test]
fn a_daemons_entry_lists_its_tools_over_http_and_over_the_bridge() {
    let server = serve_jwt(&["--demo"]);
    let home = tempfile::tempdir().unwrap();
    let bearer = token("ann", &["user"]);
    let url = format!("http://{}/mcp", server.public);
    let shown = |client: &str| {
        let home = home.path().to_str().unwrap();
        let mut command = exai(&[("HOME", home), ("EXAI_TOKEN", &bearer)]);
        let output = command
            .args(["connect", client, "--url", &url])
            .output()
            .unwrap();
        entry(client, &String::from_utf8(output.stdout).unwrap())
    };
    let cursor = shown("cursor");
    assert_eq!(cursor["url"], url.as_str());
    let header = cursor["headers"]["Authorization"].as_str().unwrap();
    let header = header.replace("${env:EXAI_TOKEN}", &bearer);
    let begun = server.post(&initialize(), &[("authorization", &header)]);
    assert_eq!(begun.status, 200, "{begun:?}");
    let zed = shown("zed");
    let argv: Vec<&str> = zed["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w.as_str().unwrap())
        .collect();
    let mut command = Command::new(zed["command"].as_str().unwrap());
    let state = server.state.path().to_str().unwrap();
    command.args(argv).env_clear().env("EXAI_TOKEN", &bearer);
    command.env("EXAI_SERVER__STATE_DIR", state);
    let mut bridge = Bridge::spawn(&mut command);
    bridge.begin();
    assert_eq!(tools(&mut bridge), listed(&server, &header));
}

#[test]
fn writing_keeps_the_rest_of_the_file_and_a_copy_and_happens_once() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".config/zed/settings.json");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let before = "// Mine\n{\n  \"theme\": \"One\", // dark\n  \"context_servers\": {\n    \
                  \"other\": { \"command\": \"x\" }\n  },\n}\n";
    std::fs::write(&path, before).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let said = printed(home.path(), &["zed", "--write"]);
    assert!(
        said.contains("+     \"exai\": {") && !said.contains("theme"),
        "{said}"
    );
    let after = std::fs::read_to_string(&path).unwrap();
    for kept in [
        "// Mine\n",
        "// dark\n",
        "\"other\": { \"command\": \"x\" }",
        "\"exai\": {",
    ] {
        assert!(after.contains(kept), "{kept}: {after}");
    }
    let files = || {
        std::fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|one| one.unwrap().path())
    };
    let copies: Vec<_> = files()
        .filter(|one| one.extension().is_some_and(|e| e == "bak"))
        .collect();
    assert_eq!(std::fs::read_to_string(&copies[0]).unwrap(), before);
    for file in files() {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    let again = printed(home.path(), &["zed", "--write"]);
    assert!(again.contains("already"), "{again}");
    assert_eq!(
        (std::fs::read_to_string(&path).unwrap(), files().count()),
        (after, 2)
    );
}

#[test]
fn every_clients_new_file_is_the_printed_one() {
    let home = tempfile::tempdir().unwrap();
    for client in CLIENTS {
        let said = printed(home.path(), &[client, "--write"]);
        let path = said
            .lines()
            .find_map(|line| line.strip_prefix("written: "))
            .unwrap();
        let written = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            written.trim_end(),
            printed(home.path(), &[client]).trim_end(),
            "{client}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("opencode.json");
    for broken in ["{\"mcp\": ", "{\"mcp\": [], \"mcp\": {}}", "{\"mcp\": 7}"] {
        std::fs::write(&path, broken).unwrap();
        let output = connect(home.path(), &["opencode", "--write", "--scope", "project"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(
            said.contains("opencode.json") && said.contains("move"),
            "{said}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), broken);
    }
}

#[test]
fn what_cannot_be_connected_is_refused_with_what_can() {
    let home = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 8] = [
        (&["emacs"], "claude-code, claude-desktop, cursor"),
        (&["zed", "--link"], "no deep link"),
        (&["windsurf", "--scope", "project"], "leave out --scope"),
        (
            &["cursor", "--url", "http://exai.example.com/mcp"],
            "https://",
        ),
        (
            &["cursor", "--url", "https://me:pw@exai.example.com/mcp"],
            "EXAI_TOKEN",
        ),
        (&["cursor", "--url", "exai"], "http://127.0.0.1:8079/mcp"),
        (&["cursor", "--token-file", "x"], "--url"),
        (
            &["cursor", "--url", DAEMON, "--token-file", "none"],
            "could not read none",
        ),
    ];
    for (words, says) in cases {
        let output = connect(home.path(), words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{words:?}: {said}");
        assert!(said.contains(says), "{words:?}: {said}");
    }
}

#[test]
fn a_link_holds_the_entry_that_the_file_would() {
    use base64::Engine as _;
    let home = tempfile::tempdir().unwrap();
    let decoded = |text: &str| {
        let bytes = text.split('%').enumerate().flat_map(|(n, part)| match n {
            0 => part.as_bytes().to_vec(),
            _ => {
                let code = u8::from_str_radix(&part[..2], 16).unwrap();
                [&[code], &part.as_bytes()[2..]].concat()
            }
        });
        String::from_utf8(bytes.collect()).unwrap()
    };
    let link = printed(home.path(), &["cursor", "--link"]);
    let config = link.trim().split_once("&config=").unwrap().1;
    let config = base64::engine::general_purpose::STANDARD
        .decode(decoded(config))
        .unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config, entry("cursor", &printed(home.path(), &["cursor"])));
    let link = printed(home.path(), &["vscode", "--link", "--url", DAEMON]);
    let named: Value =
        serde_json::from_str(&decoded(link.trim().split_once('?').unwrap().1)).unwrap();
    assert_eq!(
        (&named["name"], &named["url"]),
        (&json!("exai"), &json!(DAEMON))
    );
    assert_eq!(named["inputs"][0]["id"], "EXAI_TOKEN");
}

#[test]
fn the_profile_asked_for_is_the_profile_started() {
    let home = tempfile::tempdir().unwrap();
    let entry = entry(
        "cursor",
        &printed(home.path(), &["cursor", "--profile", "standard"]),
    );
    let mut bridge = start(&entry);
    bridge.begin();
    let server = serve(&[], &[]);
    let wanted = server.post(
        &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {}}}}),
        &[
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/list"),
        ],
    );
    let wanted = wanted.json()["result"]["tools"].as_array().unwrap().len();
    assert_eq!(tools(&mut bridge).len(), wanted);
}
