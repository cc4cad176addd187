use serde_json::Value;

use super::process::{PATIENCE, exai, request, serve, wait_for};

fn ready(server: &super::process::Server) -> Option<()> {
    (server.admin("/health/ready", &[]).status == 200).then_some(())
}

#[test]
fn probes_answer_anybody_with_a_status_word_and_nothing_else() {
    let server = serve(&["--demo"], &[]);
    wait_for("readiness", || ready(&server));
    for host in ["10.244.0.5:8080", "evil.example", "localhost"] {
        for (path, word) in [("/health/live", "live"), ("/health/ready", "ready")] {
            let bad = [("host", host), ("authorization", "Bearer nonsense")];
            let reply = server.admin(path, &bad);
            assert_eq!((reply.status, reply.body.as_str()), (200, word), "{host}");
            assert!(reply.header("set-cookie").is_none());
        }
    }
    assert_eq!(
        request(server.admin, "HEAD", "/health/live", &[], b"").status,
        200
    );
    assert_eq!(
        request(server.admin, "POST", "/health/live", &[], b"").status,
        405
    );
}

#[test]
fn without_any_provider_the_server_lives_and_is_not_ready() {
    let server = serve(&[], &[]);
    assert_eq!(server.admin("/health/live", &[]).status, 200);
    let detail = wait_for("the first probes", || {
        let detail = server.admin("/health", &[]).json();
        (detail["not_ready"] != "starting").then_some(detail)
    });
    assert_eq!(detail["status"], "unhealthy");
    let why = detail["not_ready"].as_str().unwrap();
    assert!(why.contains("provider"), "{why}");
    assert_eq!(server.admin("/health/ready", &[]).body, "not_ready");
}

#[test]
fn detail_metrics_and_manifest_tell_what_is_documented() {
    let server = serve(&["--demo", "server.instance=blue-7"], &[]);
    wait_for("readiness", || ready(&server));
    let detail = server.admin("/health", &[]).json();
    assert_eq!(detail["status"], "healthy", "{detail}");
    assert_eq!(detail["components"]["store"]["kind"], "sqlite");
    assert_eq!(detail["components"]["in_flight"]["limit"], 512);
    let memory = &detail["components"]["memory"];
    assert!(memory["own_bytes"].as_u64() > Some(0) && memory["limit_bytes"].as_u64() > Some(0));
    assert!(detail["components"]["disk"]["free_bytes"].as_u64() > Some(0));
    let metrics = server.admin("/metrics", &[]);
    assert!(metrics.body.contains("\nexai_process_resident_bytes "));
    assert!(
        metrics
            .body
            .contains("# TYPE exai_requests_total counter\n")
    );

    let manifest = server.admin("/manifest", &[]);
    let page = manifest.json();
    assert_eq!(page["instance_name"], "blue-7");
    assert_eq!(page["auth"], "none");
    assert_eq!(page["pid"], server.child.id());
    assert_eq!(page["instance"], manifest.header("exai-instance").unwrap());
    assert_eq!(page["instance"], detail["instance"]);
    let stages = page["stages"].as_array().unwrap();
    let names: Vec<&Value> = stages.iter().map(|stage| &stage["name"]).collect();
    for name in [
        "state_dir",
        "store",
        "providers",
        "tools",
        "audit",
        "listen",
    ] {
        assert!(
            names.iter().any(|found| *found == name),
            "{name} is not in {names:?}"
        );
    }
    assert!(
        page["tools"]
            .as_array()
            .unwrap()
            .iter()
            .any(|tool| tool["name"] == "chat")
    );
}

#[test]
fn the_manifest_and_the_version_command_hash_the_running_executable() {
    let server = serve(&["--demo"], &[]);
    let told = server.admin("/manifest", &[]).json()["executable_sha256"].clone();
    let sum = std::process::Command::new("sha256sum")
        .arg(env!("CARGO_BIN_EXE_exai"))
        .output();
    let sum = String::from_utf8(sum.unwrap().stdout).unwrap();
    assert_eq!(told, sum.split_whitespace().next().unwrap());
    let version = exai(&[]).args(["version", "--json"]).output().unwrap();
    let version: Value = serde_json::from_slice(&version.stdout).unwrap();
    assert_eq!(version["executable_sha256"], told);
    assert!(PATIENCE.as_secs() > 0);
}

#[test]
fn a_policy_key_moves_the_policy_digest_alone() {
    let digests = |setting: &str| {
        let output = exai(&[])
            .args(["check", "--set", setting])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let digest = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().last().unwrap().to_owned()
        };
        (digest("policy_digest"), digest("site_digest"))
    };
    let base = digests("limits.in_flight=512");
    let policy = digests("limits.in_flight=511");
    let site = digests("server.log=debug");
    assert!(policy.0 != base.0 && policy.1 == base.1);
    assert!(site.0 == base.0 && site.1 != base.1);
}
