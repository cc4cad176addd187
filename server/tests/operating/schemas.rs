//! What operators are given, held against those who will read it: Helm's own engine draws the
//! chart, and the published schemas of Kubernetes' API, GitHub, GitLab and Compose judge the rest.
//! They come with three Python packages; `schemas.py` asks two of them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::chart::{CHART, objects, values};
use super::place::{at, text_of};

/// The release of Kubernetes whose schemas are asked.
const KUBERNETES: &str = "1.37";

/// The program that has the packages of a requirement; `None`, and a line that says so, where there
/// is none.
pub fn python(requirement: &str, modules: &str, packages: &str) -> Option<String> {
    let program = std::env::var("CLIENTS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let tried = Command::new(&program)
        .args(["-c", &format!("import {modules}")])
        .output();
    if tried.is_ok_and(|tried| tried.status.success()) {
        return Some(program);
    }
    eprintln!("not run: {requirement} ({packages} from PyPI; set CLIENTS_PYTHON)");
    let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name == requirement);
    assert!(!is_required, "EXAI_REQUIRE names {requirement}");
    None
}

fn readers() -> Option<String> {
    let packages = "check-jsonschema 0.39.0, kubernetes-validate 1.37.0, helm-python-sdk 0.2.2";
    let modules = "check_jsonschema, helm_python, kubernetes_validate";
    python("schemas", modules, packages)
}

fn ask(python: &str, words: &[&str], about: &Value) -> Value {
    let mut child = Command::new(python)
        .arg(at("server/tests/operating/schemas.py"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    write!(pipe, "{about}").unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn drawn(python: &str, values: &Value) -> Value {
    let chart = at(CHART);
    ask(python, &["draw", chart.to_str().unwrap(), "mine"], values)
}

/// Values with everything switched on that is off as shipped.
fn all_on() -> Value {
    let mut all = values();
    for key in ["ingress", "serviceMonitor", "autoscaling"] {
        all[key]["enabled"] = json!(true);
    }
    all["archive"]["secret"] = json!("exai-archive");
    let config = "/etc/exai/files/exai.toml";
    all["files"] = json!({"configMap": "mine", "secret": "mine", "config": config});
    all["networkPolicy"]["egress"] = json!([{"ports": [{"port": 4318}]}]);
    all
}

#[test]
fn helm_draws_the_objects_that_the_other_tests_hold_and_finds_nothing_to_say() {
    let Some(python) = readers() else { return };
    for values in [values(), all_on()] {
        let told = drawn(&python, &values);
        assert_eq!((&told["fault"], &told["lint"]), (&Value::Null, &json!([])));
        let mut theirs = told["objects"].as_array().unwrap().clone();
        let mut ours = objects(&values);
        let key = |one: &Value| format!("{}{}", one["kind"], one["metadata"]["name"]);
        theirs.sort_by_key(key);
        ours.sort_by_key(key);
        assert_eq!(theirs, ours);
    }
    let mut bad = values();
    bad["replicas"] = json!(1);
    let fault = drawn(&python, &bad)["fault"].to_string();
    assert!(fault.contains("/replicas"), "{fault}");
}

#[test]
fn every_object_of_the_chart_fits_the_api_and_each_planted_fault_is_found() {
    let Some(python) = readers() else { return };
    let good = drawn(&python, &all_on())["objects"].clone();
    assert!(good.as_array().unwrap().len() >= 10, "{good}");
    let faults = |objects: &Value| ask(&python, &["check", KUBERNETES], objects);
    // A kind of the Prometheus operator's own, which no release of Kubernetes knows.
    assert_eq!(faults(&good), json!([["ServiceMonitor", "no schema"]]));
    let planted = [
        ("Deployment", "/spec", "replicas", json!("two")),
        ("Deployment", "/spec/template/spec", "containerz", json!([])),
        ("Service", "/spec", "portz", json!([])),
        ("PodDisruptionBudget", "/spec", "minAvailable", json!(true)),
        (
            "NetworkPolicy",
            "",
            "apiVersion",
            json!("networking.k8s.io/v9"),
        ),
        ("StatefulSet", "/spec", "serviceName", json!(7)),
    ];
    for (kind, place, key, value) in planted {
        let mut bad = good.as_array().unwrap().clone();
        let object = bad.iter_mut().find(|one| one["kind"] == kind).unwrap();
        object.pointer_mut(place).unwrap()[key] = value;
        let found = faults(&Value::from(bad));
        let is_found = found.as_array().unwrap().iter().any(|one| one[0] == kind);
        assert!(is_found, "{kind} {place}/{key}: {found}");
    }
}

/// Whether a file fits one of the schemas that come with the checker.
fn fits(python: &str, schema: &str, path: &Path) -> Output {
    Command::new(python)
        .args(["-m", "check_jsonschema", "--builtin-schema", schema])
        .arg(path)
        .output()
        .unwrap()
}

#[test]
fn pipelines_and_topology_fit_their_published_schemas_and_a_spoiled_one_does_not() {
    let Some(python) = readers() else { return };
    let gitlab = text_of("deploy/ci/gitlab.yml");
    let (head, job) = gitlab.split_once("\n---\n").unwrap();
    let table = [
        (
            "github-actions",
            text_of("action.yml"),
            ("using: composite", "using: 7"),
        ),
        (
            "github-workflows",
            text_of("deploy/ci/github-example.yml"),
            ("runs-on:", "runs-of:"),
        ),
        (
            "gitlab-ci",
            text_of("deploy/ci/gitlab-example.yml"),
            ("exit_codes: [2]", "exit_codes: two"),
        ),
        ("gitlab-ci", head.to_owned(), ("options: [", "options: 7 #")),
        (
            "gitlab-ci",
            job.to_owned(),
            ("when: always", "when: sometimes"),
        ),
        (
            "compose-spec",
            text_of("docker-compose.test.yml"),
            ("services:", "servants:"),
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (schema, good, (part, spoiled)) in table {
        let schema = format!("vendor.{schema}");
        let path = folder.path().join("pipeline.yml");
        std::fs::write(&path, &good).unwrap();
        let output = fits(&python, &schema, &path);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{schema}: {said}\n{good}");
        assert!(good.contains(part), "{part} is not in\n{good}");
        std::fs::write(&path, good.replacen(part, spoiled, 1)).unwrap();
        let output = fits(&python, &schema, &path);
        assert_eq!(output.status.code(), Some(1), "{schema} takes {spoiled}");
    }
}
