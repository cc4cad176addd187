//! Keys, shared tokens, revocations, roles and rates change while the server runs, for open
//! connections as well; a configuration with a fault changes nothing.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::process::{JWT, SECRET, Server, call, call_headers, serve, serve_jwt, token, wait_for};
use super::socket::Socket;

const CURRENT: &str = "9f2c81d4e6b7a0355c1e8f7d2b4a6903";
const NEXT: &str = "71c0aa93be52d86f4403fe129d8b7c5a";
const QUICK: [&str; 3] = [
    "--demo",
    "limits.rate.principal=10000",
    "limits.rate.address=10000",
];

fn status(server: &Server, token: Option<&str>) -> u16 {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = call_headers("version");
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    server.post(&call("version", json!({})), &headers).status
}

pub fn lines(server: &Server, action: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(server.state.path().join("audit.jsonl")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["action"] == action).collect()
}

/// Replaces a file as an operator would, at once and with another length.
pub fn put(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

fn hangup(server: &Server) {
    server.signal(nix::sys::signal::Signal::SIGHUP);
}

pub fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> (PathBuf, String) {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let shown = path.display().to_string();
    (path, shown)
}

fn shared(path: &str, more: &[&str]) -> Server {
    let file = format!("auth.token_file={path}");
    let own = ["auth.mode=token", file.as_str()];
    let settings: Vec<&str> = own.iter().chain(more).chain(&QUICK).copied().collect();
    serve(&settings, &[])
}

#[test]
fn a_rotated_shared_token_is_good_for_its_overlap_and_then_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let (path, shown) = file(&folder, "tokens", CURRENT);
    let server = shared(&shown, &["auth.watch=50ms"]);
    let bearer = format!("Bearer {CURRENT}");
    let mut open = Socket::mcp(&server, &[("authorization", &bearer)]);
    let ask = json!({"jsonrpc": "2.0", "id": 5, "method": "ping"});
    assert_eq!(status(&server, Some(CURRENT)), 200);
    assert_eq!(status(&server, Some(NEXT)), 401);
    put(&path, &format!("{NEXT}\n{CURRENT} 2999-01-01T00:00:00Z\n"));
    wait_for("the new token", || {
        (status(&server, Some(NEXT)) == 200).then_some(())
    });
    assert_eq!(status(&server, Some(CURRENT)), 200, "inside the overlap");
    assert!(
        open.ask(ask.clone())["error"].is_null(),
        "inside the overlap"
    );
    put(&path, &format!("{NEXT}\n{CURRENT} 2001-01-01T00:00:00Z\n"));
    wait_for("the end of the old", || {
        (status(&server, Some(CURRENT)) == 401).then_some(())
    });
    assert_eq!(status(&server, Some(NEXT)), 200);
    let refused = open.ask(ask);
    assert_eq!(
        refused["error"]["data"]["category"], "auth_error",
        "{refused}"
    );
    put(&path, "short");
    wait_for("the refused reload", || {
        lines(&server, "reload")
            .into_iter()
            .find(|line| line["reason"] == "reload_invalid")
    });
    assert_eq!(status(&server, Some(NEXT)), 200, "the old tokens stay");
}

#[test]
fn a_token_file_that_is_empty_or_weak_refuses_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["", "changeme", "password-password-password-password"] {
        let (_, shown) = file(&folder, "tokens", text);
        let mut command = super::process::exai(&[]);
        let output = command
            .args(["serve", "--set", "auth.mode=token", "--set"])
            .args([&format!("auth.token_file={shown}"), "--set"])
            .arg(format!("server.state_dir={}", folder.path().display()))
            .args([
                "--set",
                "server.listen=127.0.0.1:0",
                "--set",
                "server.admin=127.0.0.1:0",
            ])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(64), "{text:?}: {output:?}");
    }
}

#[test]
fn grace_ends_on_its_date_whatever_restarts_and_each_use_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let (_, shown) = file(&folder, "tokens", CURRENT);
    let open = shared(&shown, &["auth.grace_until=2999-01-01T00:00:00Z"]);
    assert_eq!(status(&open, None), 200);
    assert_eq!(
        status(&open, Some(NEXT)),
        401,
        "a wrong token is no missing one"
    );
    wait_for("the line", || {
        lines(&open, "POST /mcp")
            .into_iter()
            .find(|line| line["reason"] == "grace")
    });
    for _restart in 0..2 {
        let past = shared(&shown, &["auth.grace_until=2001-01-01T00:00:00Z"]);
        assert_eq!(status(&past, None), 401);
        assert_eq!(status(&past, Some(CURRENT)), 200);
    }
}

#[test]
fn a_policy_that_changes_takes_a_role_from_an_open_connection() {
    let folder = tempfile::tempdir().unwrap();
    let grants =
        "[roles.user]\ntools = [\"version\", \"status\"]\n[roles.other]\ntools = [\"*\"]\n";
    let (path, shown) = file(&folder, "policy.toml", grants);
    let policy = format!("auth.policy_file={shown}");
    let settings: Vec<&str> = QUICK.iter().copied().chain([policy.as_str()]).collect();
    let server = serve_jwt(&settings);
    let (user, other) = (token("u", &["user"]), token("o", &["other"]));
    let bearer = format!("Bearer {user}");
    let mut open = Socket::mcp(&server, &[("authorization", &bearer)]);
    let version = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call",
        "params": {"name": "version", "arguments": {}}});
    let list = json!({"jsonrpc": "2.0", "id": 6, "method": "tools/list"});
    let names = |said: &Value| {
        let tools = said["result"]["tools"].as_array().unwrap().clone();
        tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(open.ask(version.clone())["error"].is_null());
    let mut listed = names(&open.ask(list.clone()));
    listed.sort();
    assert_eq!(listed, ["status", "version"], "only what the role may call");
    put(
        &path,
        "[roles.user]\ntools = [\"status\"]\n[roles.other]\ntools = [\"*\"]\n",
    );
    hangup(&server);
    wait_for("the new policy", || {
        (status(&server, Some(&user)) == 403).then_some(())
    });
    let denied = open.ask(version);
    assert!(!denied["error"].is_null(), "{denied}");
    assert_eq!(names(&open.ask(list)), ["status"]);
    assert_eq!(status(&server, Some(&other)), 200, "the other role goes on");
    put(&path, "roles = 3");
    hangup(&server);
    wait_for("the refused reload", || {
        lines(&server, "reload")
            .into_iter()
            .find(|line| line["decision"] == "deny")
    });
    assert_eq!(status(&server, Some(&other)), 200, "the old policy stays");
}

#[test]
fn what_needs_a_restart_is_said_and_nothing_of_its_file_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let head = "[auth]\nmode = \"jwt\"\nwatch = \"0s\"\n[auth.jwt]\n\
                issuer = \"https://issuer.test\"\naudience = \"exai\"\n";
    let revoked = folder.path().join("revoked");
    std::fs::write(&revoked, "").unwrap();
    let text = |more: &str| format!("{head}revoked_file = \"{}\"\n{more}", revoked.display());
    let (path, shown) = file(&folder, "exai.toml", &text(""));
    let config = format!("--config={shown}");
    let server = serve(&[&config, "--demo"], &[("EXAI_JWT_SECRET", SECRET)]);
    let user = token("u", &["user"]);
    assert_eq!(status(&server, Some(&user)), 200);
    put(
        &path,
        &text("leeway = \"1s\"\n[tools]\nprofile = \"lean\"\n"),
    );
    hangup(&server);
    let told = wait_for("the line", || lines(&server, "reload").pop());
    assert_eq!(told["reason"], "reload_needs_restart", "{told}");
    assert!(
        told["resource"].as_str().unwrap().contains("tools.profile"),
        "{told}"
    );
    put(
        &path,
        &text("leeway = \"1s\"\n[limits.rate]\nprincipal = 1\nburst = \"1s\"\n"),
    );
    hangup(&server);
    let told = wait_for("the second line", || {
        lines(&server, "reload").into_iter().nth(1)
    });
    assert_eq!(told["decision"], "allow", "{told}");
    let statuses: Vec<u16> = (0..4).map(|_| status(&server, Some(&user))).collect();
    assert!(statuses.contains(&429), "the new rate holds: {statuses:?}");
}

#[test]
fn keys_that_are_fetched_rotate_and_are_used_while_their_issuer_is_away() {
    let issuer = super::issuer::Issuer::start();
    let url = format!("auth.jwt.jwks={}", issuer.url());
    let settings = [
        "auth.jwt.algorithms=[\"EdDSA\"]",
        "auth.jwt.jwks_refresh=200ms",
        url.as_str(),
    ];
    let settings: Vec<&str> = JWT.iter().chain(&settings).chain(&QUICK).copied().collect();
    let first = issuer.publish(&["a"]);
    let server = serve(&settings, &[]);
    let token = |key: usize| first[key].token();
    wait_for("the first keys", || {
        (status(&server, Some(&token(0))) == 200).then_some(())
    });
    let both = issuer.publish(&["b"]);
    wait_for("the next key", || {
        (status(&server, Some(&both[0].token())) == 200).then_some(())
    });
    assert_eq!(
        status(&server, Some(&token(0))),
        401,
        "the old key has left the set"
    );
    issuer.fail();
    let before = issuer.asked();
    wait_for("fetches that fail", || {
        (issuer.asked() > before + 2).then_some(())
    });
    assert_eq!(
        status(&server, Some(&both[0].token())),
        200,
        "the last keys are used"
    );
    wait_for("the degraded component", || {
        let log = server.log.lock().unwrap();
        log.iter()
            .any(|line| line.contains("no new keys"))
            .then_some(())
    });
}
