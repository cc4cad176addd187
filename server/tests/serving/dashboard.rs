//! The dashboard: what it shows are the metrics, to those alone who may see them, on a desk and on
//! a phone, by mouse and by keyboard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::browser::Browser;
use super::figures::equal_to_the_scrape;
use super::process::{Server, call, call_headers, serve, serve_jwt, token, wait_for};
use super::provider::serve_asking;

/// The refresh of the feed in these tests, and what a slow machine adds.
pub const REFRESH: &str = "health.interval=200ms";
const SLACK: Duration = Duration::from_secs(4);

/// Samples by name and labels.
pub type Scrape = BTreeMap<String, f64>;

/// The metrics as a scraper sees them, labels and all.
pub fn scrape(server: &Server) -> Scrape {
    let text = server.admin("/metrics", &[]).body;
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = samples.filter_map(|line| line.rsplit_once(' '));
    pairs
        .map(|(id, value)| (id.to_owned(), value.parse().unwrap()))
        .collect()
}

pub fn sum(scrape: &Scrape, name: &str, only: &str) -> f64 {
    let of = |id: &str| id.split('{').next() == Some(name) && id.contains(only);
    scrape.iter().filter(|(id, _)| of(id)).map(|(_, v)| v).sum()
}

pub fn work(server: &Server, tool: &str, arguments: Value) -> Value {
    server
        .post(&call(tool, arguments), &call_headers(tool))
        .json()
}

/// The exact figure that an element of the page holds.
fn shown(browser: &mut Browser, place: &str) -> f64 {
    let expression =
        format!("document.querySelector('{place} data:not([data-figure])')?.value ?? 'none'");
    let value = browser.look(&expression);
    value.as_str().unwrap().parse().unwrap_or(f64::NAN)
}

const TILES: [&str; 3] = [
    "exai_requests_total",
    "exai_request_duration_seconds_count",
    "exai_errors_total",
];

#[test]
fn tiles_show_what_a_scrape_shows_within_one_refresh_during_load() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (server, provider) = serve_asking(&[REFRESH]);
    browser.resize(1280, 1400);
    browser.open(server.admin, "/");
    browser.wait("document.getElementById('feed').textContent === 'live'");
    let stop = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (halt, target) = (Arc::clone(&stop), &server);
        scope.spawn(move || {
            for n in 0.. {
                if halt.load(Ordering::SeqCst) {
                    break;
                }
                work(target, "version", json!({}));
                work(target, "chat", json!({"prompt": format!("question {n}")}));
                work(target, "chat", json!({"prompt": 3}));
            }
        });
        for _ in 0..5 {
            for tile in TILES {
                let before = sum(&scrape(&server), tile, "");
                let place = format!("[data-metric={tile}]");
                let asked = Instant::now();
                let value = wait_for("the tile to reach the scrape", || {
                    let value = shown(&mut browser, &place);
                    (value >= before).then_some(value)
                });
                assert!(asked.elapsed() < SLACK, "{tile} took {:?}", asked.elapsed());
                let after = sum(&scrape(&server), tile, "");
                assert!(value <= after, "{tile} shows {value} of {after}");
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    equal_to_the_scrape(&mut browser, &server);
    shows_a_call_in_flight(&mut browser, &server, &provider);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// A call in flight is on the page while it is.
fn shows_a_call_in_flight(
    browser: &mut Browser,
    server: &Server,
    provider: &super::provider::Provider,
) {
    std::thread::scope(|scope| {
        scope.spawn(|| work(server, "chat", json!({"prompt": "slow one"})));
        wait_for("the call in flight", || {
            (shown(browser, "[data-metric=exai_in_flight]") == 1.0).then_some(())
        });
        provider.open();
    });
}

/// What does not fit into the window.
const MISFITS: &str = r#"(() => {
  const wide = innerWidth, found = [];
  const page = document.documentElement.scrollWidth;
  if (page > wide) found.push("page " + page);
  for (const e of document.querySelectorAll("body *")) {
    const box = e.getBoundingClientRect();
    if (box.width === 0 || e.closest("svg") || e.closest(".unseen") || e.closest(".skip")) continue;
    const text = e.tagName + " " + e.className + ": " + e.textContent.slice(0, 30);
    if (box.right > wide + 1 || box.left < -1) found.push("outside " + text);
    const style = getComputedStyle(e);
    if (style.overflowX !== "visible" && e.tagName !== "INPUT" && e.scrollWidth > e.clientWidth + 1)
      found.push("cut " + text);
    if (e.children.length === 0 && e.textContent && parseFloat(style.fontSize) < 11)
      found.push("small " + text);
  }
  return found.join("; ");
})()"#;

/// A server on which something of each kind happened.
fn eventful() -> Server {
    let (server, provider) = serve_asking(&[
        REFRESH,
        "server.instance=blue-7",
        "provider.glm.base_url=http://127.0.0.1:9/v1",
        "provider.glm.allow_private=true",
        "provider.kimi.label=the paid one",
    ]);
    for n in 0..30 {
        work(
            &server,
            "chat",
            json!({"prompt": format!("question {}", n % 20)}),
        );
        work(&server, "version", json!({}));
        work(&server, "listmodels", json!({}));
    }
    for arguments in [
        json!({"prompt": 3}),
        json!({"prompt": "x", "model": "no-such-model"}),
    ] {
        work(&server, "chat", arguments);
    }
    work(&server, "no_such_tool", json!({}));
    server.post(
        &call("version", json!({})),
        &[("origin", "http://evil.example")],
    );
    drop(provider);
    server
}

#[test]
fn the_page_fits_a_desk_and_a_phone_in_light_and_dark() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let server = eventful();
    for (width, height) in [(1280, 1200), (768, 1000), (390, 844), (360, 740)] {
        for scheme in ["light", "dark"] {
            browser.resize(width, height);
            browser.color(scheme);
            browser.open(server.admin, "/");
            browser.wait("document.getElementById('feed').textContent === 'live'");
            browser.wait("!!document.querySelector('#events tbody tr')");
            browser.keep(&format!("dashboard-{width}-{scheme}"));
            let found = browser.look(MISFITS);
            assert_eq!(found, "", "at {width} in {scheme}");
        }
    }
    browser.look("document.querySelector('h1').style.minWidth = '3000px'");
    let found = browser.look(MISFITS);
    assert!(
        found.as_str().unwrap().contains("page"),
        "the probe sees nothing: {found}"
    );
}

#[test]
fn a_call_s_trail_is_followed_by_keyboard_alone_and_the_focus_stays_through_refreshes() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let server = eventful();
    browser.resize(1280, 1200);
    browser.open(server.admin, "/dashboard");
    browser.wait("!!document.querySelector('#events a[href]')");
    browser.press("Tab");
    assert_eq!(browser.look("document.activeElement.className"), "skip");
    let mut steps = 0;
    while browser.look("!document.activeElement.closest('#events')") == true {
        browser.press("Tab");
        steps += 1;
        assert!(steps < 60, "no way by keyboard to what happened");
    }
    browser.press("Enter");
    browser.wait("!document.getElementById('filter').hidden");
    let others = "[...document.querySelectorAll('#events tbody tr')].filter(row => \
                  row.offsetHeight && row.dataset.call !== location.hash.slice(1)).length";
    assert_eq!(browser.look(others), 0);
    // New happenings redraw the list; the focus and the filter stay.
    let held = browser.look("document.activeElement.id");
    let before = browser.look("document.querySelectorAll('#events tbody tr').length");
    work(&server, "chat", json!({"prompt": 3}));
    browser.wait(&format!(
        "document.querySelectorAll('#events tbody tr').length > {before}"
    ));
    assert_eq!(browser.look("document.activeElement.id"), held);
    assert_eq!(browser.look(others), 0);
    browser.look("document.getElementById('unfilter').focus()");
    browser.press("Enter");
    browser.wait("document.getElementById('filter').hidden");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn a_stranger_s_page_holds_no_figure_and_an_administrator_s_token_opens_it() {
    let server = serve_jwt(&["--demo", REFRESH]);
    let page = server.admin("/", &[]);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("data-state=\"locked\""));
    for secret in ["data-metric", "data-provider", "healthy", "<data"] {
        let figures = page.body.split("<script>").next().unwrap();
        let body = figures.split("</style>").nth(1).unwrap();
        assert!(!body.contains(secret), "{secret}");
    }
    let (user, admin) = (token("user", &["user"]), token("admin", &["admin"]));
    let with = |token: &str| {
        let header = format!("Bearer {token}");
        server
            .admin("/dashboard", &[("authorization", &header)])
            .status
    };
    let statuses = [with("nonsense"), with(&user), with(&admin)];
    assert_eq!(statuses, [401, 403, 200]);
    let Some(mut browser) = Browser::start() else {
        return;
    };
    browser.resize(1280, 1000);
    browser.open(server.admin, "/");
    browser.wait("document.activeElement.id === 'token'");
    browser.keep("dashboard-locked");
    browser.write(&user);
    browser.press("Enter");
    browser.wait("document.getElementById('refused').textContent.includes('forbidden')");
    browser.write(&admin);
    browser.press("Enter");
    browser.wait("document.body.dataset.state === 'open'");
    browser.wait("!!document.querySelector('[data-metric=exai_requests_total] data')");
}

#[test]
fn the_page_runs_no_code_but_its_own_and_is_drawn_before_any_runs() {
    let server = serve(&["--demo", REFRESH], &[]);
    let page = wait_for("the first figures", || {
        let page = server.admin("/", &[]);
        page.body.contains("<data value").then_some(page)
    });
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(page.body.contains("data-provider=\"demo\""));
    let foreign = server.admin("/", &[("host", "evil.example")]);
    assert_eq!(foreign.status, 403);
    let Some(mut browser) = Browser::start() else {
        return;
    };
    browser.open(server.admin, "/");
    browser.wait("document.getElementById('feed').textContent === 'live'");
    let inject = "const s = document.createElement('script'); s.textContent = 'window.hit = 1'; \
                  document.body.append(s); window.hit ?? 0";
    assert_eq!(browser.look(inject), 0);
    assert!(
        !browser.complaints.is_empty(),
        "the policy was not enforced"
    );
}
