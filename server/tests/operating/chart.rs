//! The chart in `deploy/helm/exai`, drawn by a reader of the few words its templates use, and held
//! to what operators are promised. That Helm draws the same is shown in `schemas`.

use serde_json::{Value, json};

use super::place::text_of;
use super::yaml;

pub const CHART: &str = "deploy/helm/exai";

/// A part of a template: text, or what stands between braces.
enum Part<'a> {
    Text(&'a str),
    Word(&'a str),
}

fn parts(template: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for (at, piece) in template.split("{{").enumerate() {
        if at == 0 {
            parts.push(Part::Text(piece));
            continue;
        }
        let (word, text) = piece.split_once("}}").expect("braces that close");
        if let (true, Some(Part::Text(before))) = (word.starts_with('-'), parts.last_mut()) {
            *before = before.trim_end();
        }
        parts.push(Part::Word(word.trim_start_matches('-').trim()));
        parts.push(Part::Text(text));
    }
    parts
}

/// Draws parts until the `end` or `else` that closes them; where it stands and which it is.
fn draw(parts: &[Part<'_>], mut at: usize, scope: &Value, into: &mut String) -> (usize, bool) {
    while let Some(part) = parts.get(at) {
        at += 1;
        let word = match part {
            Part::Text(text) => {
                into.push_str(text);
                continue;
            }
            Part::Word(word) => *word,
        };
        if word == "end" || word == "else" {
            return (at, word == "else");
        }
        if let Some(condition) = word.strip_prefix("if ") {
            let value = look(scope, condition);
            let holds = ![json!(false), json!(""), json!([]), Value::Null].contains(&value);
            let (mut no, mut nothing) = (String::new(), String::new());
            let (end, has_else) = draw(parts, at, scope, if holds { into } else { &mut nothing });
            at = end;
            if has_else {
                (at, _) = draw(parts, at, scope, if holds { &mut nothing } else { &mut no });
                into.push_str(&no);
            }
        } else if let Some(of) = word.strip_prefix("range $name, $value := ") {
            let mut inner = scope.clone();
            (inner["$name"], inner["$value"]) = (json!(""), json!(""));
            let mut end = draw(parts, at, &inner, &mut String::new()).0;
            for (name, value) in look(scope, of).as_object().unwrap() {
                (inner["$name"], inner["$value"]) = (json!(name), value.clone());
                end = draw(parts, at, &inner, into).0;
            }
            at = end;
        } else {
            into.push_str(&expression(scope, word));
        }
    }
    (at, false)
}

fn look(scope: &Value, path: &str) -> Value {
    let path = path.trim().trim_start_matches('.');
    let found = path
        .split('.')
        .try_fold(scope, |value, name| value.get(name));
    found
        .cloned()
        .unwrap_or_else(|| panic!("{path} is no value"))
}

fn expression(scope: &Value, word: &str) -> String {
    let mut steps = word.split(" | ");
    let mut value = look(scope, steps.next().unwrap());
    for step in steps {
        value = match step.split_once(' ').unwrap_or((step, "")) {
            ("quote", _) => json!(format!("\"{}\"", plain(&value))),
            ("join", _) => {
                let items: Vec<String> = value.as_array().unwrap().iter().map(plain).collect();
                json!(items.join(","))
            }
            // JSON is YAML, and no column matters to it.
            ("toYaml", _) => json!(value.to_string()),
            ("nindent", _) => value,
            (other, _) => panic!("the reader does not know {other}"),
        };
    }
    plain(&value)
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

pub fn values() -> Value {
    yaml::read(&text_of(&format!("{CHART}/values.yaml"))).unwrap()
}

/// Every object of the chart under these values.
pub fn objects(values: &Value) -> Vec<Value> {
    let scope = json!({"Values": values, "Release": {"Name": "mine"}});
    let mut all = Vec::new();
    for name in ["deployment", "service", "policy", "redis", "outside"] {
        let template = text_of(&format!("{CHART}/templates/{name}.yaml"));
        let mut text = String::new();
        draw(&parts(&template), 0, &scope, &mut text);
        let read = yaml::read_all(&text).unwrap_or_else(|what| panic!("{name}: {what}\n{text}"));
        all.extend(read);
    }
    all
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = objects
        .iter()
        .find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn faults(values: &Value) -> Vec<String> {
    let schema: Value =
        serde_json::from_str(&text_of(&format!("{CHART}/values.schema.json"))).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let told = validator.iter_errors(values);
    told.map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn the_chart_keeps_what_operators_are_promised() {
    let objects = objects(&values());
    let deployment = &named(&objects, "Deployment", "mine")["spec"];
    assert_eq!(deployment["replicas"], 2);
    assert_eq!(deployment["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    let pod = &deployment["template"]["spec"];
    let container = &pod["containers"][0];
    let variables = container["env"].as_array().unwrap();
    let variable = |name: &str| {
        let found = variables.iter().find(|one| one["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}"))["value"].clone()
    };
    let drain = variable("EXAI_SERVER__DRAIN");
    let drain: u64 = drain
        .as_str()
        .unwrap()
        .trim_end_matches('s')
        .parse()
        .unwrap();
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(
        grace >= drain + 15,
        "{grace} s of grace for a drain of {drain} s"
    );
    assert_eq!(container["lifecycle"]["preStop"]["sleep"]["seconds"], 5);
    for (probe, path) in [
        ("startupProbe", "/health/live"),
        ("livenessProbe", "/health/live"),
        ("readinessProbe", "/health/ready"),
    ] {
        assert_eq!(
            container[probe]["httpGet"],
            json!({"path": path, "port": "admin"})
        );
    }
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(
        container["securityContext"]["capabilities"]["drop"],
        json!(["ALL"])
    );
    let resources =
        json!({"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}});
    assert_eq!(container["resources"], resources);
}

fn variables(objects: &[Value]) -> Vec<Value> {
    let pod = &named(objects, "Deployment", "mine")["spec"]["template"]["spec"];
    pod["containers"][0]["env"].as_array().unwrap().clone()
}

/// Of several replicas none has an archive of its own, and nothing that should last ends with a pod
/// where there is a claim.
#[test]
fn replicas_share_an_archive_or_have_none_and_keep_their_state_in_a_claim() {
    let shipped = variables(&objects(&values()));
    assert!(shipped.contains(&json!({"name": "EXAI_ARCHIVE__KIND", "value": "none"})));
    let is_told = |name: &str| shipped.iter().any(|one| one["name"] == name);
    assert!(!is_told("EXAI_ARCHIVE__URL") && !is_told("EXAI_SERVER__TRUSTED_PROXIES"));
    let mut all = values();
    all["archive"]["secret"] = json!("exai-archive");
    all["state"]["claim"] = json!("exai-state");
    all["trustedProxies"] = json!(["10.42.0.0/16", "fd00::/8"]);
    assert_eq!(faults(&all), Vec::<String>::new());
    let objects = objects(&all);
    let env = variables(&objects);
    let from = json!({"secretKeyRef": {"name": "exai-archive", "key": "url"}});
    for wanted in [
        json!({"name": "EXAI_ARCHIVE__KIND", "value": "postgres"}),
        json!({"name": "EXAI_ARCHIVE__URL", "valueFrom": from}),
        json!({"name": "EXAI_SERVER__TRUSTED_PROXIES", "value": "10.42.0.0/16,fd00::/8"}),
    ] {
        assert!(env.contains(&wanted), "{wanted} in {env:?}");
    }
    let pod = &named(&objects, "Deployment", "mine")["spec"]["template"]["spec"];
    let state = json!({"name": "state", "mountPath": "/var/lib/exai",
        "subPathExpr": "$(POD_NAME)"});
    assert_eq!(pod["containers"][0]["volumeMounts"][0], state);
    let claim = json!({"claimName": "exai-state"});
    assert_eq!(pod["volumes"][0]["persistentVolumeClaim"], claim);
    let egress = named(&objects, "NetworkPolicy", "mine")["spec"]["egress"].to_string();
    assert!(egress.contains("5432"), "{egress}");
}

#[test]
fn one_replica_stays_and_redis_is_reached_by_the_server_alone() {
    let objects = objects(&values());
    assert_eq!(
        named(&objects, "PodDisruptionBudget", "mine")["spec"]["minAvailable"],
        1
    );
    let policy = &named(&objects, "NetworkPolicy", "mine-redis")["spec"]["ingress"][0];
    assert_eq!(
        policy["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"],
        "exai"
    );
    let redis = &named(&objects, "StatefulSet", "mine-redis")["spec"]["template"]["spec"];
    let redis = redis["containers"][0]["args"].to_string();
    for setting in [
        "\"--appendfsync\",\"always\"",
        "\"--maxmemory-policy\",\"noeviction\"",
    ] {
        assert!(redis.contains(setting), "{redis}");
    }
    assert!(
        !objects.iter().any(|one| one["kind"] == "Ingress"),
        "an ingress nobody asked for"
    );
}

#[test]
fn the_server_takes_the_variables_the_chart_sets() {
    let mut values = values();
    values["settings"] = json!({"EXAI_LIMITS__IN_FLIGHT": "256"});
    values["archive"]["secret"] = json!("exai-archive");
    values["trustedProxies"] = json!(["10.42.0.0/16", "fd00::/8"]);
    let of_secrets = [
        ("EXAI_JWT_SECRET", super::process::SECRET),
        ("EXAI_ARCHIVE__URL", "postgres://exai:6f1d0c@db/exai"),
    ];
    let mut command = super::process::exai(&of_secrets);
    for one in variables(&objects(&values)) {
        if let (Some(name), Some(value)) = (one["name"].as_str(), one["value"].as_str()) {
            command.env(name, value.replace("$(REDIS_PASSWORD)", "6f1d0c"));
        }
    }
    let output = command.arg("check").output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_bad_value_is_refused_by_its_name_and_the_shipped_ones_are_not() {
    assert_eq!(faults(&values()), Vec::<String>::new());
    let planted: [(&str, Value, &str); 11] = [
        ("/replicas", json!(1), "/replicas"),
        ("/replica", json!(3), "replica"),
        ("/image/digest", json!("latest"), "/image/digest"),
        ("/redis/maxmemory", json!("75%"), "/redis/maxmemory"),
        ("/drainSeconds", json!("45s"), "/drainSeconds"),
        ("/settings/EXAI_JWT_SECRET", json!("x"), "EXAI_JWT_SECRET"),
        ("/hosts", json!([]), "/hosts"),
        ("/trustedProxies", json!(["10.0.0.1"]), "/trustedProxies"),
        ("/archive/url", json!("postgres://x"), "url"),
        ("/settings/EXAI_ARCHIVE__KIND", json!("sqlite"), "KIND"),
        ("/state/claim", json!(true), "/state/claim"),
    ];
    for (path, value, says) in planted {
        let mut spoiled = values();
        let (table, key) = path.rsplit_once('/').unwrap();
        spoiled.pointer_mut(table).unwrap()[key] = value;
        let found = faults(&spoiled);
        assert!(
            found.iter().any(|fault| fault.contains(says)),
            "{path}: {found:?}"
        );
    }
}

#[test]
fn every_switch_adds_its_object() {
    let mut all = values();
    for key in ["ingress", "serviceMonitor", "autoscaling"] {
        all[key]["enabled"] = json!(true);
    }
    all["image"]["digest"] = json!(format!("sha256:{}", "a".repeat(64)));
    assert_eq!(faults(&all), Vec::<String>::new());
    let objects = objects(&all);
    let ingress = named(&objects, "Ingress", "mine");
    let annotations = &ingress["metadata"]["annotations"];
    assert_eq!(
        annotations["nginx.ingress.kubernetes.io/proxy-buffering"],
        "off"
    );
    named(&objects, "ServiceMonitor", "mine");
    named(&objects, "HorizontalPodAutoscaler", "mine");
    let pod = &named(&objects, "Deployment", "mine")["spec"]["template"]["spec"];
    assert!(
        pod["containers"][0]["image"]
            .as_str()
            .unwrap()
            .contains("@sha256:")
    );
}

#[test]
fn the_chart_has_the_version_of_the_build() {
    let chart = yaml::read(&text_of(&format!("{CHART}/Chart.yaml"))).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        (plain(&chart["version"]), plain(&chart["appVersion"])),
        (version.into(), version.into())
    );
    assert_eq!(values()["image"]["tag"], version);
}
