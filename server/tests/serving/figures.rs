//! The dashboard's figures beside a scrape's: all of them, but those that never stand still
//! (processor, memory, disk, descriptors and the rate of this moment).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::alerts::at_once;
use super::browser::Browser;
use super::dashboard::{REFRESH, Scrape, scrape, sum, work};
use super::process::{Server, wait_for};
use super::provider::serve_asking_with;
use super::socket::Socket;

const REQUESTS: &str = "exai_requests_total";
const SECONDS: &str = "exai_request_duration_seconds";
const ATTEMPTS: &str = "exai_provider_requests_total";

/// A figure of the page: where it is, and what it should be by a scrape; NaN where there is none.
struct Figure {
    place: String,
    of: Box<dyn Fn(&Scrape) -> f64>,
}

fn figure(place: impl Into<String>, of: impl Fn(&Scrape) -> f64 + 'static) -> Figure {
    let (place, of) = (place.into(), Box::new(of));
    Figure { place, of }
}

fn named(within: &str, name: &str, of: impl Fn(&Scrape) -> f64 + 'static) -> Figure {
    figure(format!("{within} data[data-figure={name}]"), of)
}

/// The sum of a metric over the series with this label.
fn total(place: String, metric: &'static str, only: String) -> Figure {
    let exact = "data:not([data-figure])";
    figure(format!("{place} {exact}"), move |now| {
        sum(now, metric, &only)
    })
}

/// The values of a label, over all series of a metric.
fn values(now: &Scrape, metric: &str, label: &str) -> BTreeSet<String> {
    let own = now.keys().filter(|id| id.split('{').next() == Some(metric));
    let value = own.filter_map(|id| id.split_once(&format!("{label}=\""))?.1.split('"').next());
    value.map(str::to_owned).collect()
}

/// A histogram's quantile as Prometheus computes it.
fn quantile(now: &Scrape, family: &str, only: &str, q: f64) -> f64 {
    let mut buckets: BTreeMap<u64, f64> = BTreeMap::new();
    let name = format!("{family}_bucket");
    for (id, count) in now
        .iter()
        .filter(|(id, _)| id.starts_with(&name) && id.contains(only))
    {
        let bound = id.split_once("le=\"").unwrap().1.split('"').next().unwrap();
        let bound: f64 = bound.replace("+Inf", "inf").parse().unwrap();
        *buckets.entry(bound.to_bits()).or_default() += count;
    }
    let all = buckets.values().copied().fold(0.0, f64::max);
    if all == 0.0 {
        return f64::NAN;
    }
    let (mut low, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        let high = f64::from_bits(bound);
        if count >= q * all {
            let part = (q * all - below) / (count - below);
            return if high.is_finite() {
                low + (high - low) * part
            } else {
                low
            };
        }
        (low, below) = (high, count);
    }
    low
}

fn of_the_server() -> Vec<Figure> {
    let errors = |now: &Scrape| sum(now, REQUESTS, "status=\"error\"");
    let mut all = vec![
        // The scrape comes over a connection of its own.
        named("#tiles", "connections", |now| {
            sum(now, "exai_connections", "") - 1.0
        }),
        named("#tiles", "sessions", |now| sum(now, "exai_sessions", "")),
        named("#tiles", "limit", |now| {
            sum(now, "exai_in_flight_limit", "")
        }),
        named("#tiles", "failovers", |now| {
            sum(now, "exai_failovers_total", "")
        }),
        named("#tiles", "p50", |now| quantile(now, SECONDS, "", 0.5)),
        named("#tiles", "p95", |now| quantile(now, SECONDS, "", 0.95)),
        named("#tiles", "failed", move |now| {
            errors(now) / sum(now, REQUESTS, "")
        }),
        named("#system", "overdue", |now| {
            sum(now, "exai_permits_overdue", "")
        }),
    ];
    let tiles = [REQUESTS, "exai_errors_total", "exai_in_flight"];
    let tiles = tiles
        .into_iter()
        .chain(["exai_request_duration_seconds_count"]);
    all.extend(tiles.map(|tile| total(format!("[data-metric={tile}]"), tile, String::new())));
    all
}

fn of_a_provider(name: &str) -> Vec<Figure> {
    let place = format!("[data-provider={name}]");
    let own = format!("provider=\"{name}\"");
    let (good, slow) = (own.clone(), own.clone());
    vec![
        total(place.clone(), ATTEMPTS, own),
        named(&place, "good", move |now| {
            1.0 - sum(now, "exai_provider_errors_total", &good) / sum(now, ATTEMPTS, &good)
        }),
        named(&place, "p95", move |now| {
            quantile(now, "exai_provider_request_duration_seconds", &slow, 0.95)
        }),
    ]
}

fn of_a_tool(name: &str) -> Vec<Figure> {
    let place = format!("[data-tool={name}]");
    let own = format!("tool=\"{name}\"");
    let (failed, slow) = (own.clone(), own.clone());
    vec![
        total(place.clone(), REQUESTS, own),
        named(&place, "failed", move |now| {
            let of_tool = now.iter().filter(|(id, _)| id.contains(&failed));
            let of_tool: Scrape = of_tool.map(|(id, value)| (id.clone(), *value)).collect();
            sum(&of_tool, REQUESTS, "status=\"error\"")
        }),
        named(&place, "p95", move |now| {
            quantile(now, SECONDS, &slow, 0.95)
        }),
    ]
}

fn of_a_cache(name: &str) -> Vec<Figure> {
    let place = format!("[data-cache={name}]");
    let own = format!("cache=\"{name}\"");
    let share = own.clone();
    vec![
        total(place.clone(), "exai_cache_hits_total", own),
        named(&place, "share", move |now| {
            let is_asked = values(now, "exai_cache_misses_total", "cache");
            let hits = sum(now, "exai_cache_hits_total", &share);
            let misses = sum(now, "exai_cache_misses_total", &share);
            let is_there = is_asked
                .iter()
                .any(|cache| share.contains(&format!("\"{cache}\"")));
            if is_there {
                hits / (hits + misses)
            } else {
                f64::NAN
            }
        }),
    ]
}

fn of_a_category(name: &str) -> Vec<Figure> {
    let place = format!("[data-category={name}]");
    let own = format!("category=\"{name}\"");
    let lately = own.clone();
    vec![
        total(place.clone(), "exai_errors_total", own),
        named(&place, "lately", move |now| {
            sum(now, "exai_errors_total", &lately)
        }),
    ]
}

/// What has figures of its own for each value of a metric's label: metric, label, figures.
type List = (&'static str, &'static str, fn(&str) -> Vec<Figure>);

fn figures(now: &Scrape) -> Vec<Figure> {
    let mut all = of_the_server();
    let lists: [List; 5] = [
        (ATTEMPTS, "provider", of_a_provider),
        (REQUESTS, "tool", of_a_tool),
        ("exai_cache_hits_total", "cache", of_a_cache),
        ("exai_cache_misses_total", "cache", of_a_cache),
        ("exai_errors_total", "category", of_a_category),
    ];
    for (metric, label, of) in lists {
        let names = values(now, metric, label);
        all.extend(names.iter().flat_map(|name| of(name)));
    }
    all
}

/// What a list of the page holds, each row as one text.
fn listed(browser: &mut Browser, rows: &str, text: &str) -> BTreeSet<String> {
    let all = format!("[...document.querySelectorAll('{rows}')].map(row => {text})");
    let all = browser.look(&format!("JSON.stringify({all})"));
    serde_json::from_str(all.as_str().unwrap()).unwrap()
}

/// Breakers and alerts by a scrape, in the page's words.
fn states(now: &Scrape) -> (BTreeSet<String>, BTreeSet<String>) {
    let words = ["closed", "open", "half_open"];
    let mut breakers = BTreeSet::new();
    for name in values(now, "exai_provider_health", "provider") {
        let own = format!("dependency=\"{name}\"");
        let state = sum(now, "exai_breaker_state", &own);
        let word = words
            .iter()
            .zip([0.0, 1.0, 2.0])
            .find(|(_, gauge)| *gauge == state);
        breakers.insert(format!("{name} {}", word.unwrap().0));
    }
    let mut alerts = BTreeSet::new();
    for name in values(now, "exai_alert_firing", "alert") {
        let own = format!("alert=\"{name}\"");
        if sum(now, "exai_alert_firing", &own) > 0.0 {
            alerts.insert(name);
        }
    }
    (breakers, alerts)
}

/// With nothing going on, every figure of the page is the scrape's, within a refresh.
pub fn equal_to_the_scrape(browser: &mut Browser, server: &Server) {
    for figure in figures(&scrape(server)) {
        let expression = format!(
            "document.querySelector('{}')?.value ?? 'none'",
            figure.place
        );
        let mut last = String::new();
        let what = format!("the scrape's figure in {}", figure.place);
        wait_for(&what, || {
            let wanted = (figure.of)(&scrape(server));
            let shown = browser.look(&expression);
            let value: f64 = shown.as_str().unwrap().parse().unwrap_or(f64::NAN);
            let is_equal = (value - wanted).abs() < 1e-9 || (value.is_nan() && wanted.is_nan());
            let seen = format!("{}: {value}, not {wanted}", figure.place);
            if !is_equal && seen != last {
                eprintln!("{seen}");
                last = seen;
            }
            is_equal.then_some(())
        });
    }
    wait_for("the scrape's breakers and alerts", || {
        let providers = "row.dataset.provider + ' ' + row.dataset.breaker";
        let on = "[data-provider]:not(.off)";
        let shown = (
            listed(browser, on, providers),
            listed(browser, "[data-alert]", "row.dataset.alert"),
        );
        (shown == states(&scrape(server))).then_some(())
    });
}

#[test]
fn breakers_failovers_caches_sessions_and_alerts_are_the_scrape_s() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, rows) = at_once();
    let settings = [
        REFRESH,
        &rows,
        "provider.glm.base_url=http://127.0.0.1:9/v1",
        "provider.glm.allow_private=true",
        "breaker.provider.first_open=1m",
        "breaker.provider.max_open=1m",
    ];
    let key = (
        "GLM_API_KEY",
        "0123456789abcdef0123456789abcdef.0123456789abcdef",
    );
    let (server, provider) = serve_asking_with(&settings, &[key]);
    browser.open(server.admin, "/");
    browser.wait("document.getElementById('feed').textContent === 'live'");
    let _session = server.session(&[]);
    let _socket = Socket::mcp(&server, &[]);
    for n in 0..12 {
        let here = json!({"prompt": format!("question {}", n % 5), "model": "kimi-k2.6"});
        work(&server, "chat", here);
        let elsewhere = json!({"prompt": format!("question {n}"), "model": "glm-5-turbo"});
        work(&server, "chat", elsewhere);
        work(&server, "chat", json!({"prompt": n}));
        work(&server, "version", json!({}));
    }
    equal_to_the_scrape(&mut browser, &server);
    let now = scrape(&server);
    for (metric, only) in [
        ("exai_failovers_total", ""),
        ("exai_sessions", ""),
        ("exai_cache_hits_total", "cache=\"result\""),
        ("exai_cache_misses_total", "cache=\"result\""),
        ("exai_breaker_state", "dependency=\"glm\""),
        ("exai_alert_firing", "alert=\"breaker-open\""),
        ("exai_errors_total", "validation_error"),
    ] {
        assert!(
            sum(&now, metric, only) > 0.0,
            "nothing to compare: {metric}"
        );
    }
    drop(provider);
    assert_eq!(browser.complaints, Vec::<String>::new());
}
