use std::time::{Duration, Instant};

use super::*;
use crate::observe::Health;
use crate::observe::health::{Report, Status};
use crate::observe::metrics::{Call, CallStatus, Metrics};

fn drawn(metrics: &Metrics, instance_name: &str) -> String {
    let mut history = History::default();
    let start = Instant::now();
    history.push(start, &Metrics::new().prometheus());
    history.push(start + Duration::from_secs(5), &metrics.prometheus());
    let health = Health::new(&[]);
    health.report(
        "store",
        Report::new(Status::Healthy, "").fact("kind", "sqlite"),
    );
    let view = View {
        history: &history,
        detail: &health.detail(),
        providers: &[],
        tools: &["chat", "version"],
        alerts: &[],
        happenings: &[],
        instance_name,
        started_at: "2026-01-31T08:00:00Z",
    };
    page(&parts(&view))
}

#[test]
fn a_tile_holds_the_exact_figure_of_its_metric() {
    let metrics = Metrics::new();
    for _ in 0..12_345 {
        metrics.request(Call {
            tool: "chat",
            transport: "http",
            status: CallStatus::Ok,
            elapsed: Duration::from_millis(30),
            correlation_id: "abc",
        });
    }
    let page = drawn(&metrics, "");
    let exact = "<data value=\"12345\">12\u{202f}345</data> in all";
    assert!(page.contains(exact), "{page}");
    // Within the five seconds between the two scrapes.
    let rate = "<data data-figure=\"rate\" value=\"2469\">2\u{202f}469</data><i> / s</i>";
    assert!(page.contains(rate), "{page}");
    assert!(page.contains("data-tool=\"chat\""));
    assert!(page.contains("2 tools listed · 1 not called yet"));
    assert!(!page.contains("<!--"), "a place was left empty");
}

#[test]
fn what_operators_and_callers_wrote_is_shown_as_text() {
    let metrics = Metrics::new();
    let page = drawn(&metrics, "<script>alert(1)</script>\"'&");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
    assert_eq!(page.matches("<script>").count(), 1);
}

#[test]
fn the_policy_names_the_page_s_own_style_and_script_and_no_inline_code() {
    let policy = policy();
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(policy.matches("'sha256-").count(), 2);
    let page = drawn(&Metrics::new(), "");
    // A style attribute or a handler would need the policy to allow any.
    for inline in [" style=", " onclick=", " onload=", "javascript:", "eval("] {
        assert!(!page.contains(inline), "{inline}");
    }
    let locked = super::page(&[]);
    assert!(locked.contains("data-state=\"locked\"") && !locked.contains("data-metric"));
}
