use std::process::Output;

use super::process::exai;

fn run(args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = exai(env).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn every_fault_of_a_configuration_is_told_at_once_with_key_and_layer() {
    let args = [
        "check",
        "--set",
        "limits.in_flight=none",
        "--set",
        "thread.tll=1h",
    ];
    let env = [("EXAI_STORE__KIND", "mysql"), ("EXAI_JWT_SECRET", "short")];
    let (code, _, said) = run(&args, &env);
    assert_eq!(code, 64);
    let wanted = [
        "limits.in_flight (flag --set limits.in_flight)",
        "thread.tll (flag --set thread.tll): unknown key; did you mean thread.ttl?",
        "store.kind (environment EXAI_STORE__KIND)",
        "EXAI_JWT_SECRET (environment EXAI_JWT_SECRET)",
    ];
    for text in wanted {
        assert!(said.contains(text), "{text} is not in:\n{said}");
    }
    assert!(!said.contains("\"short\""));
}

#[test]
fn a_start_that_must_not_be_is_refused_with_64_and_the_fix() {
    let table: [(&[&str], &str); 5] = [
        (&["serve", "--listen", "0.0.0.0:0"], "auth.mode"),
        (&["serve", "--set", "auth.mode=jwt"], "auth.jwt.issuer"),
        (
            &[
                "serve",
                "--set",
                "provider.kimi.base_url=http://10.0.0.1/v1",
            ],
            "[provider.kimi]",
        ),
        (
            &["serve", "--set", "timeouts.prompt.workflow=44s"],
            "timeouts.prompt.workflow",
        ),
        (
            &["serve", "--set", "auth.policy_file=/no/such"],
            "auth.policy_file",
        ),
    ];
    for (args, text) in table {
        let (code, stdout, stderr) = run(args, &[]);
        assert_eq!((code, stdout.as_str()), (64, ""), "{args:?}");
        assert!(stderr.contains(text), "{args:?}: {stderr}");
    }
}

#[test]
fn a_taken_port_is_the_callers_to_mend() {
    let state = tempfile::tempdir().unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let dir = format!("server.state_dir={}", state.path().display());
    let (code, _, said) = run(&["serve", "--listen", &address, "--set", &dir], &[]);
    assert_eq!(code, 64, "{said}");
    assert!(said.contains(&address), "{said}");
}

#[test]
fn usage_errors_are_64_and_help_is_0() {
    assert_eq!(run(&["serve", "--no-such-flag"], &[]).0, 64);
    assert_eq!(run(&["fly"], &[]).0, 64);
    assert_eq!(run(&[], &[]).0, 64);
    assert_eq!(run(&["--help"], &[]).0, 0);
    assert_eq!(run(&["--version"], &[]).0, 0);
    assert_eq!(run(&["check"], &[]).0, 0);
}

#[test]
fn the_doctor_names_the_variables_when_no_provider_has_a_key() {
    let state = tempfile::tempdir().unwrap();
    let dir = format!("server.state_dir={}", state.path().display());
    let args = [
        "doctor",
        "--json",
        "--set",
        &dir,
        "--set",
        "server.listen=127.0.0.1:0",
    ];
    let (code, said, _) = run(&args, &[]);
    assert_eq!(code, 64);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let bad: Vec<_> = said["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["ok"] == false)
        .collect();
    assert!(
        bad.iter()
            .any(|f| f["fix"].as_str().unwrap().contains("KIMI_API_KEY")),
        "{bad:?}"
    );
}
