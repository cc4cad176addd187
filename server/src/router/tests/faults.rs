//! What whole calls do when providers misbehave, counted at the providers.

use super::super::*;
use super::bench::{Bench, KEY, ask, chat_end, chat_stream, chat_whole, context, piece};
use super::bench::{refusal, router_with, row, settings};
use super::scripted::{Line, Scripted};
use crate::failure::Category;

/// Kimi plays the lines; requests at Kimi and GLM are counted and somebody answers whole.
async fn rescued(id: &str, lines: Vec<Line>, counts: (usize, usize)) {
    let bench = Bench::new(lines).await;
    let answer = bench.ask().await.unwrap_or_else(|f| panic!("{id}: {f:?}"));
    assert_eq!(bench.counts(), counts, "{id}: {answer:?}");
    let is_failover = counts.1 > 0;
    let text = if is_failover { "from glm" } else { "ok" };
    assert_eq!(answer.text, text, "{id}");
    assert_eq!(answer.trace.failover, is_failover, "{id}");
    let attempts = answer.trace.attempts;
    assert_eq!(attempts.len(), counts.0 + counts.1, "{id}: {attempts:?}");
    assert_eq!(attempts.last().unwrap().outcome, "ok", "{id}");
}

#[tokio::test]
async fn refused_requests_are_retried_or_passed_on_as_their_rows_say() {
    let overload = r#"{"error":{"type":"engine_overloaded_error","message":"busy"}}"#;
    let quota = r#"{"error":{"type":"exceeded_current_quota_error"}}"#;
    let gone = r#"{"error":{"type":"resource_not_found_error"}}"#;
    let page = Line::Whole(502, "text/html", "<html>".to_owned());
    let ok = || chat_stream(&["ok"]);
    rescued("K01", vec![refusal(429, overload)], (2, 1)).await;
    rescued("FB03", vec![refusal(500, ""), ok()], (2, 0)).await;
    rescued("G02", vec![page], (2, 1)).await;
    rescued("K04", vec![refusal(429, quota)], (1, 1)).await;
    rescued("K09", vec![refusal(404, gone)], (1, 1)).await;
    rescued("G03", vec![refusal(200, "{}")], (1, 1)).await;
    rescued("S26", vec![chat_whole("ok")], (1, 0)).await;
}

#[tokio::test]
async fn broken_streams_are_restarted_left_or_accepted_as_their_rows_say() {
    let cut = || vec![piece("cut")];
    let ok = || chat_stream(&["ok"]);
    let ping = vec![": ping\n\n".to_owned()];
    let whole = vec![piece("ok"), chat_end()];
    rescued("FB06", vec![Line::Silence], (1, 1)).await;
    rescued("FB08", vec![Line::Reset(cut()), ok()], (2, 0)).await;
    rescued("S02", vec![Line::Stream(cut())], (2, 1)).await;
    rescued("FB09", vec![Line::Stall(cut())], (1, 1)).await;
    rescued("S24", vec![Line::Stall(ping)], (1, 1)).await;
    rescued("S27", vec![Line::Reset(whole)], (1, 0)).await;
}

#[tokio::test]
async fn a_refusal_that_is_final_never_reaches_another_provider() {
    let body = |kind: &str| format!(r#"{{"error":{{"type":"{kind}","message":"no"}}}}"#);
    let (wrong_key, filter) = (body("invalid_authentication_error"), body("content_filter"));
    let cases = [
        (
            401,
            wrong_key,
            Category::ProviderError,
            "provider_configuration",
        ),
        (400, filter, Category::ProviderError, "content_filtered"),
        (
            400,
            body("never_seen"),
            Category::UnknownError,
            "provider_code_unknown",
        ),
    ];
    for (status, body, category, code) in cases {
        let bench = Bench::new(vec![refusal(status, &body)]).await;
        let failure = bench.ask().await.unwrap_err();
        assert_eq!((failure.category, failure.code), (category, code));
        assert_eq!(bench.counts(), (1, 0), "{code}");
        assert!(failure.message.contains("kimi"), "{failure:?}");
        assert!(!format!("{failure:?}").contains(KEY), "{code}");
    }
}

#[tokio::test]
async fn a_failure_everywhere_has_the_category_of_its_cause() {
    let cut = Line::Reset(vec![piece("cut")]);
    let cases = [
        (refusal(500, ""), Category::ProviderError, "provider_failed"),
        (Line::Silence, Category::TimeoutError, "provider_silent"),
        (
            refusal(429, ""),
            Category::RateLimitError,
            "provider_rate_limited",
        ),
        (cut, Category::NetworkError, "stream_interrupted"),
    ];
    for (line, category, code) in cases {
        let kimi = Scripted::start(vec![line]).await;
        let rows = vec![row(Dialect::Kimi, Some(&kimi.url))];
        let router = router_with(settings(), rows);
        let result = router.ask(ask("auto", true), &context()).await;
        let failure = result.unwrap_err();
        assert_eq!((failure.category, failure.code), (category, code));
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_unreachable_and_unhealthy() {
    let nowhere = row(Dialect::Kimi, Some("http://127.0.0.1:9"));
    let router = router_with(settings(), vec![nowhere]);
    let result = router.ask(ask("auto", true), &context()).await;
    let failure = result.unwrap_err();
    assert_eq!(failure.category, Category::NetworkError);
    assert_eq!(failure.code, "provider_unreachable");
    assert_eq!(router.report("kimi").unwrap().status.name(), "unhealthy");
}

#[tokio::test]
async fn health_returns_by_a_probe_without_any_traffic() {
    // Bound and not listening: every connection is refused, and nobody else is given the port.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = closed.local_addr().unwrap();
    let mut settings = settings();
    settings.breaker.failures = 2;
    settings.breaker.first_open = Duration::from_millis(20);
    let url = format!("http://{address}");
    let router = router_with(settings, vec![row(Dialect::Kimi, Some(&url))]);
    router.ask(ask("auto", true), &context()).await.unwrap_err();
    assert_eq!(router.providers()[0].breaker, "open");

    drop(closed);
    let _back = Scripted::start_at(address, vec![refusal(404, "{}")]).await;
    let stop = CancellationToken::new();
    let healed = async {
        while router.providers()[0].health != "healthy" {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let both = async { tokio::join!(router.watch(stop.clone()), healed) };
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, both).await.unwrap();
    assert_eq!(router.providers()[0].breaker, "closed");
}
