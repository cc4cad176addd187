use super::*;

#[test]
fn every_documented_name_is_exported_from_the_start() {
    let text = Metrics::new().prometheus();
    for (name, kind) in families() {
        let suffix = if kind == "counter" { "_total" } else { "" };
        let header = format!("# TYPE {name}{suffix} {kind}\n");
        assert_eq!(text.matches(&header).count(), 1, "{name}:\n{text}");
    }
}

#[test]
fn a_call_moves_the_counter_the_histogram_and_leaves_an_exemplar() {
    let metrics = Metrics::new();
    metrics.request(Call {
        tool: "chat",
        transport: "http",
        status: CallStatus::Ok,
        elapsed: Duration::from_millis(30),
        correlation_id: "abc",
    });
    let plain = metrics.prometheus();
    let line = "exai_requests_total{tool=\"chat\",transport=\"http\",status=\"ok\"} 1\n";
    assert!(plain.contains(line), "{plain}");
    let count = "exai_request_duration_seconds_count{tool=\"chat\"} 1";
    assert!(plain.contains(count), "{plain}");
    assert!(!plain.contains("correlation_id"));
    assert!(metrics.open_metrics().contains("correlation_id=\"abc\""));
}

#[tokio::test]
async fn a_task_that_has_not_ended_is_counted_until_it_has() {
    let metrics = Metrics::new();
    let count = || {
        let text = metrics.prometheus();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("exai_tasks "));
        line.unwrap().parse::<u64>().unwrap()
    };
    let before = count();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(ended);
    assert_eq!(count(), before + 1);
    drop(end);
    assert!(task.await.unwrap().is_err());
    assert_eq!(count(), before);
}
