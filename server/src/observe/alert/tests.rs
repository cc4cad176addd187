use super::*;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn read(text: &str) -> Result<Vec<Row>, RowsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts.toml");
    std::fs::write(&path, text).unwrap();
    rows(path.to_str().unwrap())
}

fn row(body: &str) -> String {
    let head = "title = \"T\"\nseverity = \"high\"\nhelp = \"H.\"";
    format!("[[alert]]\nid = \"one\"\n{head}\n{body}\n")
}

fn alerts(body: &str) -> Alerts {
    Alerts::new(read(&row(body)).unwrap(), "/runbooks/")
}

/// Steps through texts five seconds apart; gives the ids that turned at each.
fn play(alerts: &mut Alerts, texts: &[&str]) -> Vec<Vec<String>> {
    let start = Instant::now();
    let mut history = History::default();
    let mut turned = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let now = start + secs(5 * n as u64);
        history.push(now, text);
        let found = alerts.step(&history, now, Timestamp::now());
        let names = found.iter().map(|alert| {
            let end = if alert.ended.is_some() { " ended" } else { "" };
            format!("{}{end}", alert.of)
        });
        turned.push(names.collect());
    }
    turned
}

#[test]
fn the_embedded_rows_can_be_used_and_watch_what_is_exported() {
    let text = crate::observe::Metrics::new().prometheus();
    for row in rows("").unwrap() {
        for metric in [&row.metric, &row.of]
            .into_iter()
            .filter(|name| !name.is_empty())
        {
            let family = format!("# TYPE {metric} ");
            assert!(text.contains(&family), "{}: {metric}", row.id);
        }
    }
}

#[test]
fn a_counter_whose_first_step_fires_is_there_before_it() {
    let text = crate::observe::Metrics::new().prometheus();
    let rows = rows("").unwrap();
    let is_counted = |row: &&Row| row.measure == Measure::Increase && row.by.is_empty();
    for row in rows.iter().filter(is_counted) {
        let only = row.only.iter().map(|(k, v)| format!("{k}=\"{v}\""));
        let labels = only.collect::<Vec<String>>().join(",");
        let series = match labels.as_str() {
            "" => row.metric.clone(),
            labels => format!("{}{{{labels}}}", row.metric),
        };
        let line = format!("\n{series} 0\n");
        assert!(text.contains(&line), "{}: {series}", row.id);
    }
}

#[test]
fn a_gauge_fires_for_each_label_after_its_time_and_ends_at_once() {
    let body = "metric = \"b\"\nmeasure = \"value\"\nby = \"d\"\nabove = 0\nfor = \"10s\"";
    let (calm, open) = (
        "b{d=\"kimi\"} 0\nb{d=\"glm\"} 0\n",
        "b{d=\"kimi\"} 1\nb{d=\"glm\"} 0\n",
    );
    let mut alerts = alerts(body);
    let turned = play(&mut alerts, &[calm, open, open, open, open, calm]);
    let none: Vec<String> = Vec::new();
    assert_eq!(turned[..3], [none.clone(), none.clone(), none.clone()]);
    assert_eq!(turned[3], ["kimi"]);
    assert_eq!(turned[4], none);
    assert_eq!(turned[5], ["kimi ended"]);
    assert!(alerts.firing().is_empty());
}

#[test]
fn an_increase_counts_the_window_alone_and_the_threshold_itself_is_quiet() {
    let body = "metric = \"c\"\nmeasure = \"increase\"\nwindow = \"10s\"\nabove = 4";
    let mut alerts = alerts(body);
    let turned = play(&mut alerts, &["c 100", "c 104", "c 105", "c 105", "c 105"]);
    let fired: Vec<usize> = turned.iter().map(Vec::len).collect();
    assert_eq!(fired, [0, 0, 1, 1, 0], "{turned:?}");
}

#[test]
fn a_ratio_needs_its_least_and_both_of_its_windows() {
    let ratio = "metric = \"c\"\nonly = { s = \"error\" }\nmeasure = \"ratio\"\nof = \"c\"\n\
                 least = 20\nwindow = \"10s\"\nabove = 0.1";
    let texts = [
        "c{s=\"error\"} 0\nc{s=\"ok\"} 0\n",
        // Ten of ten, which are too few to tell.
        "c{s=\"error\"} 10\nc{s=\"ok\"} 0\n",
        "c{s=\"error\"} 10\nc{s=\"ok\"} 1000\n",
        "c{s=\"error\"} 20\nc{s=\"ok\"} 1010\n",
        "c{s=\"error\"} 40\nc{s=\"ok\"} 1020\n",
    ];
    let turned = play(&mut alerts(ratio), &texts);
    assert_eq!(turned[1], Vec::<String>::new());
    assert_eq!(turned[4], [""], "{turned:?}");
    let both = format!("{ratio}\nlong_window = \"1h\"");
    let turned = play(&mut alerts(&both), &texts);
    assert!(turned.iter().all(Vec::is_empty), "{turned:?}");
}

#[test]
fn a_row_that_means_nothing_is_refused_by_name() {
    let table = [
        (
            "metric = \"m\"\nmeasure = \"value\"",
            "one of above and below",
        ),
        (
            "metric = \"m\"\nmeasure = \"value\"\nabove = 1\nbelow = 0",
            "one of above",
        ),
        (
            "metric = \"m\"\nmeasure = \"ratio\"\nwindow = \"5m\"\nabove = 1",
            "of goes with",
        ),
        (
            "metric = \"m\"\nmeasure = \"increase\"\nabove = 1",
            "window goes with",
        ),
        (
            "metric = \"m\"\nmeasure = \"value\"\nabove = 1\nabov = 2",
            "abov",
        ),
    ];
    for (body, said) in table {
        let error = read(&row(body)).unwrap_err().to_string();
        assert!(error.contains(said), "{body}: {error}");
    }
    let twice = row("metric = \"m\"\nmeasure = \"value\"\nabove = 1").repeat(2);
    assert!(read(&twice).unwrap_err().to_string().contains("two rows"));
}

/// A scrape in which the figure that a row looks at has this value.
fn planted(row: &Row, value: f64) -> String {
    let labels = |extra: Option<(&str, &str)>| {
        let only = row.only.iter().map(|(k, v)| format!("{k}=\"{v}\""));
        let by = (!row.by.is_empty()).then(|| format!("{}=\"planted\"", row.by));
        let extra = extra.map(|(k, v)| format!("{k}=\"{v}\""));
        let all: Vec<String> = only.chain(by).chain(extra).collect();
        format!("{{{}}}", all.join(","))
    };
    let (metric, own) = (&row.metric, labels(None));
    match row.measure {
        Measure::Value | Measure::Increase => format!("{metric}{own} {value}\n"),
        Measure::Share => format!("{metric}{own} {}\n{}{own} 1000\n", value * 1000.0, row.of),
        // Where part and whole are one metric, the rest is another series of it.
        Measure::Ratio if *metric == row.of => {
            let (part, rest) = (value * 1000.0, 1000.0 - value * 1000.0);
            format!("{metric}{own} {part}\n{metric}{{status=\"ok\"}} {rest}\n")
        }
        Measure::Ratio => format!("{metric}{own} {}\n{}{own} 1000\n", value * 1000.0, row.of),
    }
}

#[test]
fn every_embedded_row_fires_just_past_its_threshold_and_is_quiet_at_it() {
    for row in rows("").unwrap() {
        let (at, past) = match (row.above, row.below) {
            (Some(most), _) => (most, most + most.abs().max(1.0) * 0.01),
            (None, least) => (least.unwrap(), least.unwrap() - 0.01),
        };
        for (value, wanted) in [(at, 0), (past, 1)] {
            let mut alerts = Alerts::new(vec![row.clone()], "/runbooks/");
            let mut history = History::default();
            let start = Instant::now();
            history.push(start, "");
            let mut fired = 0;
            let steps = 2 + row.hold.as_secs() / 5;
            for n in 1..=steps {
                let now = start + secs(5 * n);
                history.push(now, &planted(&row, value));
                fired += alerts.step(&history, now, Timestamp::now()).len();
            }
            assert_eq!(fired, wanted, "{} at {value}", row.id);
            assert_eq!(alerts.firing().len(), wanted, "{}", row.id);
        }
    }
}
