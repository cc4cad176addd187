use std::time::Instant;

use super::*;
use crate::observe::alert::rows;
use crate::observe::history::{History, Pick};
use crate::observe::metrics::Metrics;

#[test]
fn each_row_becomes_a_rule_with_its_runbook() {
    let rows = rows("").unwrap();
    let text = prometheus_rules(&rows, "https://wiki.example/exai/");
    assert_eq!(text.matches("- alert: Exai").count(), rows.len());
    for row in &rows {
        let link = format!("runbook_url: \"https://wiki.example/exai/{}.md\"", row.id);
        assert!(text.contains(&link), "{link}");
    }
    assert!(
        text.contains(
            "alert: ExaiBreakerOpen\n        expr: \"sum by (instance, dependency) \
                           (exai_breaker_state) > 0\"\n        for: 30s\n"
        ),
        "{text}"
    );
}

#[test]
fn a_ratio_with_two_windows_must_burn_in_both() {
    let rows = rows("").unwrap();
    let row = rows.iter().find(|row| row.id == "error-ratio").unwrap();
    let expression = expression(row);
    assert!(
        expression.contains("[5m]") && expression.contains("[1h]"),
        "{expression}"
    );
    assert!(expression.contains("{status=\"error\"}") && expression.contains(">= 20"));
}

#[test]
fn what_a_rule_counts_is_in_a_scrape_before_the_first_of_it() {
    let mut history = History::default();
    history.push(Instant::now(), &Metrics::new().prometheus());
    let rows = rows("").unwrap();
    // A label that names whoever was denied has no value before somebody was.
    let counted = rows.iter().filter(|row| row.measure == Measure::Increase);
    let counted: Vec<&Row> = counted.filter(|row| row.by.is_empty()).collect();
    assert!(counted.len() > 4, "{counted:?}");
    for row in counted {
        let only = row.only.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let only: Vec<(&str, &str)> = only.collect();
        let series = history.now(Pick::all(&row.metric).only(&only));
        assert_eq!(
            series.into_values().collect::<Vec<_>>(),
            [0.0],
            "{}",
            row.id
        );
    }
}

/// Input series that are past the row's threshold for a quarter of an hour, every 15 s.
fn series(row: &Row) -> Vec<(String, String)> {
    let labels = |only: &[(String, String)]| {
        let by = (!row.by.is_empty()).then(|| (row.by.clone(), "planted".to_owned()));
        let all = [("instance".to_owned(), "i".to_owned())].into_iter();
        let all = all.chain(by).chain(only.iter().cloned());
        let all: Vec<String> = all.map(|(k, v)| format!("{k}=\"{v}\"")).collect();
        format!("{{{}}}", all.join(","))
    };
    let only: Vec<(String, String)> = row.only.clone().into_iter().collect();
    let part = format!("{}{}", row.metric, labels(&only));
    let most = row.above.unwrap_or_default();
    match row.measure {
        Measure::Value => {
            let past = row.below.map_or(most + most.max(1.0), |least| least - 1.0);
            vec![(part, format!("{past}x60"))]
        }
        Measure::Share => vec![
            (part, "99x60".to_owned()),
            (format!("{}{}", row.of, labels(&[])), "100x60".to_owned()),
        ],
        Measure::Increase => vec![(part, format!("0+{}x60", most + 1.0))],
        Measure::Ratio => {
            let rest = [("status".to_owned(), "ok".to_owned())];
            let rest = if row.only.is_empty() {
                Vec::new()
            } else {
                rest.to_vec()
            };
            vec![
                (part, "0+9x60".to_owned()),
                (format!("{}{}", row.of, labels(&rest)), "0+10x60".to_owned()),
            ]
        }
    }
}

#[test]
fn each_planted_condition_fires_its_rule_in_prometheus_itself() {
    let rows = rows("").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "rules.yml",
        &prometheus_rules(&rows, "https://wiki.example/"),
    );
    let tests = rows.iter().map(|row| {
        let input = series(row).into_iter();
        let input = input.map(|(series, values)| json!({"series": series, "values": values}));
        let mut labels = json!({"severity": row.severity.name(), "alert_id": row.id,
            "instance": "i"});
        if !row.by.is_empty() {
            labels[&row.by] = "planted".into();
        }
        json!({"interval": "15s", "input_series": input.collect::<Vec<Value>>(),
            "alert_rule_test": [{"eval_time": "10m", "alertname": rule_name(&row.id),
                "exp_alerts": [{"exp_labels": labels, "exp_annotations": {
                    "summary": row.title, "description": row.help,
                    "runbook_url": row.runbook("https://wiki.example/")}}]}]})
    });
    let tests = json!({"rule_files": ["rules.yml"], "evaluation_interval": "15s",
        "tests": tests.collect::<Vec<Value>>()});
    // YAML takes JSON.
    write("tests.yml", &tests.to_string());
    let run = std::process::Command::new("promtool")
        .args(["test", "rules", "tests.yml"])
        .current_dir(folder.path())
        .output();
    match run {
        Ok(run) => assert!(
            run.status.success(),
            "{}",
            String::from_utf8_lossy(&run.stderr)
        ),
        Err(_) => {
            let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
            assert!(
                !required.split(',').any(|one| one == "promtool"),
                "no promtool on PATH"
            );
            println!("not run: promtool test rules needs Debian's package prometheus");
        }
    }
}
