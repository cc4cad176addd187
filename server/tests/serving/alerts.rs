//! Alerts: raised by real conditions within a period, told to whoever asks, listens or is posted
//! to, and absent from a quiet system.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::dialect::greet;
use super::process::{Server, call, call_headers, exai, serve, wait_for};
use super::provider::serve_asking;
use super::socket::open_at;

const REFRESH: &str = "health.interval=200ms";

/// The embedded rows without the time that a condition must hold.
pub fn at_once() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts.toml");
    let rows = include_str!("../../alerts.toml");
    let rows: Vec<&str> = rows
        .lines()
        .filter(|line| !line.starts_with("for = "))
        .collect();
    std::fs::write(&path, rows.join("\n")).unwrap();
    (folder, format!("alerts.file={}", path.display()))
}

pub fn firing(server: &Server) -> Vec<String> {
    let page = server.admin("/alerts", &[]).json();
    let firing = page["firing"].as_array().unwrap();
    firing
        .iter()
        .map(|alert| alert["id"].as_str().unwrap().to_owned())
        .collect()
}

pub fn wait_until_fires(server: &Server, id: &str) {
    wait_for(id, || {
        firing(server).iter().any(|one| one == id).then_some(())
    });
}

fn chat(server: &Server, arguments: Value) {
    server.post(&call("chat", arguments), &call_headers("chat"));
}

/// Answers posts with these statuses, then with 204, and keeps what was posted.
fn receiver(statuses: &'static [u16]) -> (SocketAddr, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let posted: Arc<Mutex<Vec<Value>>> = Arc::default();
    let (kept, mut statuses) = (Arc::clone(&posted), statuses.iter().copied());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(&stream);
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let status = statuses.next().unwrap_or(204);
            if status == 204 {
                kept.lock()
                    .unwrap()
                    .push(serde_json::from_slice(&body).unwrap());
            }
            let head =
                format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = (&stream).write_all(head.as_bytes());
        }
    });
    (address, posted)
}

#[test]
fn real_conditions_raise_their_alerts_and_a_webhook_hears_of_them_despite_a_refusal() {
    let (address, posted) = receiver(&[503]);
    let (_folder, rows) = at_once();
    let webhook = format!("alerts.webhook=http://{address}/hook");
    let (server, provider) = serve_asking(&[REFRESH, &rows, &webhook]);
    for n in 0..25 {
        chat(&server, json!({"prompt": n}));
    }
    for id in ["medium-errors", "error-ratio"] {
        wait_until_fires(&server, id);
    }
    for _ in 0..101 {
        let reply = server.post(
            &call("version", json!({})),
            &[("origin", "http://evil.example")],
        );
        assert_eq!(reply.status, 403);
    }
    wait_until_fires(&server, "denials");
    let mut feed = open_at(server.admin, "/ws/monitoring", "", &[]).unwrap();
    assert_eq!(greet(&mut feed, json!({}))["ok"], true);
    let shot = feed.hear().unwrap();
    let alerts = shot["alerts"].as_array().unwrap();
    let denials = alerts
        .iter()
        .find(|alert| alert["id"] == "denials")
        .unwrap();
    assert_eq!(denials["runbook"], "/runbooks/denials.md");
    assert_eq!(server.admin("/runbooks/denials.md", &[]).status, 200);
    assert!(
        shot["events"]
            .as_array()
            .unwrap()
            .iter()
            .any(|event| event["kind"] == "alert")
    );
    let gauge = "exai_alert_firing{alert=\"error-ratio\",of=\"\",severity=\"high\"} 1";
    wait_for(gauge, || {
        server
            .admin("/metrics", &[])
            .body
            .contains(gauge)
            .then_some(())
    });
    wait_for("the webhook to be told", || {
        let posted = posted.lock().unwrap();
        let told = |id: &str| {
            posted
                .iter()
                .any(|one| one["alert"]["id"] == id && one["status"] == "firing")
        };
        (told("medium-errors") && told("error-ratio")).then_some(())
    });
    let metrics = server.admin("/metrics", &[]).body;
    assert!(
        metrics.contains("exai_alert_deliveries_total{outcome=\"retried\"} 1"),
        "{metrics}"
    );
    drop(provider);
}

#[test]
fn a_provider_that_is_gone_and_an_instance_out_of_service_raise_theirs() {
    let (_folder, rows) = at_once();
    let dead = [
        "provider.kimi.base_url=http://127.0.0.1:9/v1",
        "provider.kimi.allow_private=true",
    ];
    let server = serve(
        &[&dead[..], &[REFRESH, &rows]].concat(),
        &[super::provider::KEY],
    );
    for n in 0..6 {
        chat(&server, json!({"prompt": format!("question {n}")}));
    }
    for id in ["breaker-open", "component-unhealthy"] {
        wait_until_fires(&server, id);
    }
    let bare = serve(&[REFRESH, &rows], &[]);
    wait_until_fires(&bare, "not-ready");
}

#[test]
fn the_fifth_denial_of_one_address_within_a_minute_raises_an_alert() {
    let server = serve(&["--demo", REFRESH], &[]);
    let deny = || {
        let stranger = [("origin", "http://evil.example")];
        let reply = server.post(&call("version", json!({})), &stranger);
        assert_eq!(reply.status, 403);
    };
    let wait_until_scraped = |denials: u64| {
        let gauge = format!("\nexai_denials_of_one_source {denials}\n");
        wait_for(&gauge, || {
            let scrape = server.admin("/metrics", &[]).body;
            scrape.contains(&gauge).then_some(())
        });
    };
    (0..4).for_each(|_| deny());
    wait_until_scraped(4);
    let mut feed = open_at(server.admin, "/ws/monitoring", "", &[]).unwrap();
    greet(&mut feed, json!({}));
    // Each shot follows a look, and the first one is of the present.
    for _ in 0..3 {
        let alerts = feed.hear().unwrap()["alerts"].to_string();
        assert!(!alerts.contains("denials"), "{alerts}");
    }
    deny();
    wait_until_fires(&server, "denials-of-one-source");
}

#[test]
fn a_quiet_system_raises_none() {
    let server = serve(&["--demo", REFRESH], &[]);
    for n in 0..20 {
        chat(&server, json!({"prompt": format!("question {n}")}));
    }
    let count = "exai_requests_total{tool=\"chat\",transport=\"http\",status=\"ok\"} 20";
    wait_for("the calls to be looked at", || {
        server
            .admin("/metrics", &[])
            .body
            .contains(count)
            .then_some(())
    });
    let mut feed = open_at(server.admin, "/ws/monitoring", "", &[]).unwrap();
    greet(&mut feed, json!({}));
    // The disk of the machine that runs this is no part of the system.
    let is_own = |alert: &&Value| !alert["id"].as_str().unwrap().starts_with("disk-");
    for _ in 0..12 {
        let shot = feed.hear().unwrap();
        let alerts = shot["alerts"].as_array().unwrap();
        assert_eq!(alerts.iter().filter(is_own).count(), 0, "{shot}");
    }
}

#[test]
fn exports_come_from_the_same_rows_and_ask_for_metrics_that_a_scrape_has() {
    let export = |what: &str, set: &str| {
        let output = exai(&[])
            .args(["export", what, "--set", set])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let rules = export("prometheus-rules", "alerts.runbooks=https://wiki.example/");
    assert!(
        rules.contains("runbook_url: \"https://wiki.example/breaker-open.md\""),
        "{rules}"
    );
    let dashboard = export("grafana-dashboard", "server.log=info");
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    assert_eq!(dashboard["title"], "exai");
    let server = serve(&["--demo", REFRESH], &[]);
    let scrape = wait_for("a first look", || {
        let body = server.admin("/metrics", &[]).body;
        body.contains("exai_ready 1").then_some(body)
    });
    let texts = [rules.clone(), dashboard.to_string()];
    let mut asked = 0;
    for text in &texts {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in words.filter(|word| word.starts_with("exai_")) {
            let family = name.trim_end_matches("_bucket");
            assert!(
                scrape.contains(&format!("# TYPE {family} ")),
                "{name} is not in a scrape"
            );
            asked += 1;
        }
    }
    assert!(asked > 40, "{asked}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yml");
    std::fs::write(&file, rules).unwrap();
    match std::process::Command::new("promtool")
        .args(["check", "rules"])
        .arg(&file)
        .output()
    {
        Ok(checked) => assert!(checked.status.success(), "{checked:?}"),
        Err(_) => {
            let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
            assert!(
                !required.split(',').any(|one| one == "promtool"),
                "promtool is not on PATH"
            );
            println!("not run: promtool check rules needs Debian's package prometheus");
        }
    }
}
