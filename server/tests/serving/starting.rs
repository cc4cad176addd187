//! Starting without keys, what the doctor finds, and a start that must fail.

use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};

use super::piped::Bridge;
use super::process::{call, call_headers, exai, initialize, serve};
use super::tools::result;
use super::upstream::Upstream;

#[test]
fn without_a_key_every_tool_is_listed_and_a_model_tool_names_variable_and_doctor() {
    let server = serve(&[], &[]);
    let session = server.session(&[]);
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let headers = [
        ("mcp-session-id", &*session),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let tools = server.post(&list, &headers).json()["result"]["tools"].clone();
    let names: Vec<&str> = tools
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    for tool in ["chat", "consensus", "codereview", "version", "status"] {
        assert!(names.contains(&tool), "{names:?}");
    }
    let refused = server.post(&call("chat", json!({"prompt": "x"})), &call_headers("chat"));
    let refused = refused.json()["result"].clone();
    assert_eq!(refused["isError"], true, "{refused}");
    let said = refused["content"][0]["text"].as_str().unwrap();
    for part in ["KIMI_API_KEY", "exai doctor"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for tool in ["version", "status", "listmodels"] {
        assert_eq!(result(&server, tool, json!({}))["isError"], false, "{tool}");
    }
}

/// What the doctor finds wrong: the checks and, joined, what it says of them.
fn doctor(words: &[&str], env: &[(&str, &str)]) -> (i32, Vec<Value>) {
    let mut command: Command = exai(env);
    let output = command
        .args(["doctor", "--json"])
        .args(words)
        .output()
        .unwrap();
    let said: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let findings = said["findings"].as_array().unwrap().iter();
    let bad = findings
        .filter(|finding| finding["ok"] == false)
        .cloned()
        .collect();
    (output.status.code().unwrap(), bad)
}

/// Words of a command line, variables, and what the doctor must say.
type Planted<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

#[test]
fn the_doctor_finds_each_of_ten_planted_faults_and_names_the_fix() {
    let state = tempfile::tempdir().unwrap();
    let dir = format!("server.state_dir={}", state.path().display());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("server.listen={}", taken.local_addr().unwrap());
    let policy = state.path().join("policy.toml");
    std::fs::write(&policy, "[roles.user]\ntools = [\"chat\"\n").unwrap();
    let policy = format!("auth.policy_file={}", policy.display());
    // Nothing listens at port 9 of this machine.
    let silent = [
        "provider.kimi.base_url=http://127.0.0.1:9/v1",
        "provider.kimi.allow_private=true",
    ];
    let key = [("KIMI_API_KEY", "sk-planted-0123456789abcdef")];
    let weak = [key[0], ("EXAI_JWT_SECRET", "short")];
    let cases: [Planted<'_>; 10] = [
        (&[], &[], "KIMI_API_KEY"),
        (&["--set", "tools.profil=lean"], &key, "tools.profile"),
        (&["--set", "thread.ttl=soon"], &key, "thread.ttl"),
        (
            &["--set", "server.state_dir=/dev/null/x"],
            &key,
            "server.state_dir",
        ),
        (&["--set", &taken], &key, "server.listen"),
        (
            &[
                "--set",
                "store.kind=redis",
                "--set",
                "store.url=redis://127.0.0.1:9",
            ],
            &key,
            "store.url",
        ),
        (&["--set", "server.listen=0.0.0.0:0"], &key, "auth.mode"),
        (&[], &weak, "EXAI_JWT_SECRET"),
        (&["--set", &policy], &key, "auth.policy_file"),
        (
            &["--live", "--set", silent[0], "--set", silent[1]],
            &key,
            "KIMI_API_KEY",
        ),
    ];
    for (planted, env, says) in cases {
        let mut words = vec!["--set", &*dir, "--set", "server.listen=127.0.0.1:0"];
        words.extend(["--set", "server.admin=127.0.0.1:0"]);
        words.extend(planted);
        let (code, bad) = doctor(&words, env);
        assert_eq!(code, 64, "{planted:?}: {bad:?}");
        let found = bad.iter().find(|one| one.to_string().contains(says));
        let found = found.unwrap_or_else(|| panic!("{planted:?}: {bad:?}"));
        assert!(
            !found["fix"].as_str().unwrap_or_default().is_empty(),
            "{found}"
        );
    }
}

#[test]
fn the_live_doctor_asks_each_provider_that_has_a_key_once_and_reports_a_good_one() {
    let upstream = Upstream::start(|_| json!({"data": []}));
    let state = tempfile::tempdir().unwrap();
    let settings = [
        format!("server.state_dir={}", state.path().display()),
        format!("provider.kimi.base_url={}", upstream.url),
        "provider.kimi.allow_private=true".to_owned(),
        "server.listen=127.0.0.1:0".to_owned(),
        "server.admin=127.0.0.1:0".to_owned(),
    ];
    let mut words: Vec<&str> = settings.iter().flat_map(|pair| ["--set", pair]).collect();
    let key = [("KIMI_API_KEY", "sk-planted-0123456789abcdef")];
    assert_eq!(doctor(&words, &key), (0, vec![]));
    assert_eq!(upstream.requests(), 0);
    words.push("--live");
    assert_eq!(doctor(&words, &key), (0, vec![]));
    assert_eq!(upstream.requests(), 1);
}

#[test]
fn the_live_doctor_tells_a_key_that_is_refused_from_one_that_was_not_tried() {
    let refusing = |status: &'static str, body: &'static str| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
                let _ = std::io::Write::write_all(&mut stream, (head + body).as_bytes());
            }
        });
        let state = tempfile::tempdir().unwrap();
        let settings = [
            format!("server.state_dir={}", state.path().display()),
            format!("provider.kimi.base_url={url}"),
            "provider.kimi.allow_private=true".to_owned(),
            "server.listen=127.0.0.1:0".to_owned(),
            "server.admin=127.0.0.1:0".to_owned(),
        ];
        let mut words: Vec<&str> = settings.iter().flat_map(|pair| ["--set", pair]).collect();
        words.push("--live");
        doctor(&words, &[("KIMI_API_KEY", "sk-planted-0123456789abcdef")])
    };
    let said = "{\"error\":{\"message\":\"Invalid Authentication\",\
                \"type\":\"invalid_authentication_error\"}}";
    let (code, bad) = refusing("401 Unauthorized", said);
    assert_eq!((code, bad.len()), (64, 1), "{bad:?}");
    let found = bad[0].to_string();
    assert!(found.contains("live kimi"), "{found}");
    assert!(found.contains("KIMI_API_KEY"), "{found}");
    assert_eq!(refusing("404 Not Found", "{}"), (0, vec![]));
}

#[test]
fn a_start_that_must_fail_tells_the_client_what_standard_error_says() {
    let cases: [(&[&str], &str); 3] = [
        (&["stdio", "--set", "tools.profile=huge"], "tools.profile"),
        (
            &["stdio", "--set", "server.state_dir=/dev/null/x"],
            "set server.state_dir",
        ),
        (
            &["bridge", "--set", "bridge.url=ws://exai.example.com/ws"],
            "bridge.url",
        ),
    ];
    for (words, says) in cases {
        let mut command = exai(&[]);
        command.args(words).stderr(std::process::Stdio::piped());
        let mut pipe = Bridge::spawn(&mut command);
        let answer = pipe.ask(&initialize());
        let told = answer["error"]["message"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"));
        assert!(
            told.contains(says) && told.contains("exai doctor"),
            "{told}"
        );
        assert_eq!(answer["error"]["data"]["code"], "not_started", "{answer}");
        let status = pipe.child.wait().unwrap();
        assert_eq!(status.code(), Some(64), "{words:?}");
        let mut stderr = String::new();
        let pipe = pipe.child.stderr.as_mut().unwrap();
        std::io::Read::read_to_string(pipe, &mut stderr).unwrap();
        let sentence = told.trim_end_matches(" (run `exai doctor`)");
        assert!(stderr.contains(sentence), "{stderr}");
    }
}
