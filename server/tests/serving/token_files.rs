//! `exai connect` where a server's token is in a file.

use std::process::Command;

use super::connect::{CLIENTS, entry, listed, tools};
use super::piped::Bridge;
use super::process::{exai, serve_jwt, token};

#[test]
fn a_token_in_a_file_is_read_by_the_bridge_and_stands_in_no_entry() {
    let server = serve_jwt(&["--demo"]);
    let home = tempfile::tempdir().unwrap();
    let bearer = token("ann", &["user"]);
    std::fs::write(home.path().join("token"), format!("{bearer}\n")).unwrap();
    let file = home.path().join("token").display().to_string();
    let url = format!("http://{}/mcp", server.public);
    let of = |client: &str, more: &[&str], env: (&str, &str)| {
        let mut command = exai(&[("HOME", home.path().to_str().unwrap()), env]);
        command.args(["connect", client, "--url", &url]).args(more);
        let output = command.current_dir(home.path()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.contains(&file), "{said}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            !text.contains(&bearer) && !text.contains("EXAI_TOKEN"),
            "{text}"
        );
        entry(client, &text)
    };
    let by_flag = |client: &str| of(client, &["--token-file", "token"], ("UNUSED", "x"));
    for client in CLIENTS {
        assert!(by_flag(client).to_string().contains(&file), "{client}");
    }
    let cursor = by_flag("cursor");
    for name in ["EXAI_TOKEN_FILE", "EXAI_BRIDGE__TOKEN_FILE"] {
        assert_eq!(of("cursor", &[], (name, &file)), cursor, "{name}");
    }
    let args = cursor["args"].as_array().unwrap().iter();
    let mut command = Command::new(cursor["command"].as_str().unwrap());
    command
        .args(args.map(|word| word.as_str().unwrap()))
        .env_clear();
    command.env("EXAI_SERVER__STATE_DIR", server.state.path());
    let mut bridge = Bridge::spawn(&mut command);
    bridge.begin();
    let header = format!("Bearer {bearer}");
    assert_eq!(tools(&mut bridge), listed(&server, &header));
}
