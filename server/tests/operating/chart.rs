//! The chart in `deploy/helm/exai`, drawn by a reader of the few words its templates use, and held
//! to what operators are promised. That Helm draws the same is shown in `schemas`.

#[path = "chart/container.rs"]
mod container;
#[path = "chart/template.rs"]
mod template;

use serde_json::{Value, json};

use self::template::{drawn, plain};
use super::place::text_of;
use super::yaml;

pub const CHART: &str = "deploy/helm/exai";

pub fn values() -> Value {
    yaml::read(&text_of(&format!("{CHART}/values.yaml"))).unwrap()
}

/// Every object of the chart under these values.
pub fn objects(values: &Value) -> Vec<Value> {
    let scope = json!({"Values": values, "Release": {"Name": "mine"}});
    let mut all = Vec::new();
    for name in [
        "deployment",
        "service",
        "policy",
        "redis",
        "outside",
        "migrate",
    ] {
        let template = text_of(&format!("{CHART}/templates/{name}.yaml"));
        let text = drawn(&template, &scope);
        if text.trim().is_empty() {
            continue;
        }
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
        json!({"name": "EXAI_ARCHIVE__MIGRATE", "value": "command"}),
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

/// Tables are changed once, before the first new replica starts, by the image that needs it.
#[test]
fn a_job_before_each_release_migrates_a_shared_archive() {
    let mut all = values();
    let jobs = |objects: &[Value]| objects.iter().filter(|one| one["kind"] == "Job").count();
    assert_eq!(jobs(&objects(&all)), 0, "a job without an archive");
    all["archive"]["secret"] = json!("exai-archive");
    let objects = objects(&all);
    let job = named(&objects, "Job", "mine-migrate");
    let hooks = &job["metadata"]["annotations"]["helm.sh/hook"];
    assert_eq!(hooks, "pre-install,pre-upgrade");
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["args"], json!(["migrate", "--apply"]));
    let deployment = &named(&objects, "Deployment", "mine")["spec"]["template"]["spec"];
    assert_eq!(container["image"], deployment["containers"][0]["image"]);
    for variable in container["env"].as_array().unwrap() {
        assert!(variables(&objects).contains(variable), "{variable}");
    }
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

fn egress(objects: &[Value]) -> Vec<Value> {
    let policy = &named(objects, "NetworkPolicy", "mine")["spec"];
    policy["egress"].as_array().unwrap().clone()
}

#[test]
fn the_policy_lets_out_what_the_values_add_to_its_own_rules() {
    let mut all = values();
    let added = [
        json!({"to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}], "ports": [{"port": 4318}]}),
        json!({"to": [{"namespaceSelector": {"matchLabels": {"name": "models"}}}]}),
    ];
    let mut wanted = egress(&objects(&all));
    wanted.extend(added.clone());
    all["networkPolicy"]["egress"] = json!(added);
    assert_eq!(faults(&all), Vec::<String>::new());
    assert_eq!(egress(&objects(&all)), wanted);
}

#[test]
fn a_redis_elsewhere_is_reached_at_its_port_and_by_tls_where_that_is_asked_for() {
    let mut all = values();
    all["redis"]["enabled"] = json!(false);
    all["redis"]["host"] = json!("cache.example.org");
    all["redis"]["port"] = json!(6380);
    for (tls, scheme) in [(false, "redis"), (true, "rediss")] {
        all["redis"]["tls"] = json!(tls);
        assert_eq!(faults(&all), Vec::<String>::new());
        let objects = objects(&all);
        let url = format!("{scheme}://:$(REDIS_PASSWORD)@cache.example.org:6380");
        let wanted = json!({"name": "EXAI_STORE__URL", "value": url});
        let env = variables(&objects);
        assert!(env.contains(&wanted), "{wanted} in {env:?}");
        let rules = egress(&objects);
        let wanted = json!({"ports": [{"port": 6380}]});
        assert!(rules.contains(&wanted), "{wanted} in {rules:?}");
    }
}

/// A number in the Deployment would undo at each upgrade what the autoscaler did.
#[test]
fn where_there_is_an_autoscaler_it_alone_says_how_many_replicas_there_are() {
    let mut all = values();
    all["replicas"] = json!(3);
    all["autoscaling"]["enabled"] = json!(true);
    let objects = objects(&all);
    let deployment = &named(&objects, "Deployment", "mine")["spec"];
    assert_eq!(deployment.get("replicas"), None);
    let scaler = &named(&objects, "HorizontalPodAutoscaler", "mine")["spec"];
    assert_eq!(scaler["minReplicas"], 3);
}

#[test]
fn a_bad_value_is_refused_by_its_name_and_the_shipped_ones_are_not() {
    assert_eq!(faults(&values()), Vec::<String>::new());
    let planted: [(&str, Value, &str); 16] = [
        ("/replicas", json!(1), "/replicas"),
        ("/replica", json!(3), "replica"),
        ("/image/digest", json!("latest"), "/image/digest"),
        ("/redis/maxmemory", json!("75%"), "/redis/maxmemory"),
        ("/drainSeconds", json!("45s"), "/drainSeconds"),
        ("/settings/EXAI_JWT_SECRET", json!("x"), "EXAI_JWT_SECRET"),
        ("/settings/KIMI_API_KEY", json!("x"), "KIMI_API_KEY"),
        ("/hosts", json!([]), "/hosts"),
        ("/trustedProxies", json!(["10.0.0.1"]), "/trustedProxies"),
        ("/archive/url", json!("postgres://x"), "url"),
        ("/settings/EXAI_ARCHIVE__KIND", json!("sqlite"), "KIND"),
        ("/state/claim", json!(true), "/state/claim"),
        ("/files/config", json!("exai.toml"), "/files/config"),
        ("/redis/port", json!(6380), "/redis/port"),
        ("/redis/tls", json!(true), "/redis/tls"),
        ("/networkPolicy/egress", json!([{"port": 1}]), "/egress/0"),
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
