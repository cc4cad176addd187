//! What the container is given, as the server itself takes it.

use std::process::Output;

use serde_json::{Value, json};

use super::template::plain;
use super::{faults, named, objects, values, variables};
use crate::place::text_of;
use crate::process::{SECRET, exai, serve};

const POD_NAME: &str = "mine-0";
const POD_IP: &str = "10.244.0.5";

/// Where the chart mounts files.
const MOUNTED: &str = "/etc/exai";

fn pod(values: &Value) -> Value {
    named(&objects(values), "Deployment", "mine")["spec"]["template"]["spec"].clone()
}

/// What a reference stands for.
fn referred(from: &Value) -> &'static str {
    let field = from["fieldRef"]["fieldPath"].as_str();
    let key = from["secretKeyRef"]["key"].as_str();
    match (field, key) {
        (Some("metadata.name"), None) => POD_NAME,
        (Some("status.podIP"), None) => POD_IP,
        (None, Some("password")) => "6f1d0c",
        (None, Some("url")) => "postgres://exai:6f1d0c@db/exai",
        _ => panic!("nobody knows {from}"),
    }
}

/// The variables as the kubelet sets them, which knows of `$(NAME)` what stands before it alone.
fn environment(values: &Value) -> Vec<(String, String)> {
    let mut set: Vec<(String, String)> = Vec::new();
    for one in variables(&objects(values)) {
        let name = plain(&one["name"]);
        let value = match &one["valueFrom"] {
            Value::Null => set.iter().fold(plain(&one["value"]), |value, (known, is)| {
                value.replace(&format!("$({known})"), is)
            }),
            from => referred(from).to_owned(),
        };
        assert!(!value.contains("$("), "{name} is {value}");
        set.push((name, value));
    }
    set
}

/// `exai check` with the container's words and variables, and what it mounts in `folder`.
fn check(values: &Value, folder: &str, secrets: &[(&str, &str)]) -> Output {
    let here = |text: String| text.replace(MOUNTED, folder);
    let container = &pod(values)["containers"][0];
    let words = container["args"].as_array().unwrap();
    let words = words.iter().skip(1).map(|word| here(plain(word)));
    let set = environment(values).into_iter();
    let mut command = exai(secrets);
    command.arg("check").args(words);
    command.envs(set.map(|(name, value)| (name, here(value))));
    command.output().unwrap()
}

#[test]
fn the_server_takes_the_variables_the_chart_sets() {
    let mut all = values();
    all["settings"] = json!({"EXAI_LIMITS__IN_FLIGHT": "256"});
    all["archive"]["secret"] = json!("exai-archive");
    all["trustedProxies"] = json!(["10.42.0.0/16", "fd00::/8"]);
    let mut elsewhere = all.clone();
    elsewhere["redis"]["enabled"] = json!(false);
    elsewhere["redis"]["host"] = json!("cache.example.org");
    elsewhere["redis"]["tls"] = json!(true);
    for values in [all, elsewhere] {
        let output = check(&values, MOUNTED, &[("EXAI_JWT_SECRET", SECRET)]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

#[test]
fn each_replica_bears_the_name_of_its_pod() {
    let wanted = ("EXAI_SERVER__INSTANCE".to_owned(), POD_NAME.to_owned());
    let set = environment(&values());
    assert!(set.contains(&wanted), "{set:?}");
}

/// Prometheus asks each pod by its address, which is then the Host of what it sends.
#[test]
fn a_pod_may_be_scraped_by_its_address() {
    let set = environment(&values());
    let found = set
        .iter()
        .find(|(name, _)| name == "EXAI_SERVER__ALLOWED_HOSTS");
    let hosts = &found.unwrap().1;
    let hosts = hosts.replace(POD_IP, &format!("{POD_IP},fd00::5"));
    let server = serve(&["--demo"], &[("EXAI_SERVER__ALLOWED_HOSTS", &hosts)]);
    for (host, status) in [
        ("10.244.0.5:8080", 200),
        ("[fd00::5]:8080", 200),
        ("10.244.0.6:8080", 403),
    ] {
        let reply = server.admin("/metrics", &[("host", host)]);
        assert_eq!(reply.status, status, "{host}: {reply:?}");
    }
}

/// They are mounted whole: what is mounted by a `subPath` never changes.
#[test]
fn files_that_exist_are_mounted_and_read() {
    let mut all = values();
    assert!(!pod(&all).to_string().contains(MOUNTED));
    let config = "/etc/exai/files/exai.toml";
    all["files"] = json!({"configMap": "mine-files", "secret": "mine-keys", "config": config});
    all["settings"] = json!({
        "EXAI_AUTH__POLICY_FILE": "/etc/exai/files/policy.toml",
        "EXAI_JWT_SECRET_FILE": "/etc/exai/secrets/jwt",
        "KIMI_API_KEY_FILE": "/etc/exai/secrets/kimi",
    });
    assert_eq!(faults(&all), Vec::<String>::new());
    let pod = pod(&all);
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    for (name, path) in [
        ("files", "/etc/exai/files"),
        ("secrets", "/etc/exai/secrets"),
    ] {
        let wanted = json!({"name": name, "mountPath": path, "readOnly": true});
        assert!(mounts.contains(&wanted), "{wanted} in {mounts:?}");
    }
    let volumes = pod["volumes"].as_array().unwrap();
    for wanted in [
        json!({"name": "files", "configMap": {"name": "mine-files"}}),
        json!({"name": "secrets", "secret": {"secretName": "mine-keys"}}),
    ] {
        assert!(volumes.contains(&wanted), "{wanted} in {volumes:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let missed = check(&all, path, &[]);
    let said = String::from_utf8_lossy(&missed.stderr);
    for name in ["exai.toml", "POLICY_FILE", "SECRET_FILE", "KEY_FILE"] {
        assert!(said.contains(name), "{name} is not in {said}");
    }
    let policy = text_of("server/src/auth/policy.toml");
    for (name, text) in [
        ("files/exai.toml", "[thread]\nttl = \"1h\"\n"),
        ("files/policy.toml", policy.as_str()),
        ("secrets/jwt", SECRET),
        ("secrets/kimi", "sk-6f1d0c"),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let output = check(&all, path, &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
