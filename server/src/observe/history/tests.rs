use super::*;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn labels_are_read_with_their_escapes() {
    let series = Series::parse(r#"exai_x{a="one, \"two\"",b="c\\d\ne"}"#).unwrap();
    assert_eq!(series.label("a"), "one, \"two\"");
    assert_eq!(series.label("b"), "c\\d\ne");
    assert_eq!(series.label("none"), "");
    assert_eq!(Series::parse("exai_y").unwrap().labels, []);
    assert!(Series::parse("exai_z{a=\"open}").is_none());
}

#[test]
fn an_increase_is_what_counters_grew_by_within_the_window() {
    let start = Instant::now();
    let mut history = History::default();
    for n in 0..=24u64 {
        // Five a second in one series; the other begins late, at seven.
        let mut text = format!("# TYPE c counter\nc{{k=\"a\"}} {}\n", 25 * n);
        if n == 24 {
            text.push_str("c{k=\"b\"} 7\n");
        }
        history.push(start + secs(5 * n), &text);
    }
    let by_k = history.increase(Pick::all("c").by("k"), secs(60));
    assert_eq!(by_k["a"], 300.0);
    assert_eq!(by_k["b"], 7.0);
    assert_eq!(history.covered(secs(60)), 60.0);
    let longer = history.increase(Pick::all("c").only(&[("k", "a")]), secs(600));
    assert_eq!(longer[""], 600.0, "a window longer than the history");
    assert_eq!(history.sum(Pick::all("c")), 607.0);
}

#[test]
fn a_quantile_is_interpolated_within_its_bucket() {
    let start = Instant::now();
    let mut history = History::default();
    let text = |n: u64| {
        format!(
            "h_bucket{{le=\"0.1\"}} {}\nh_bucket{{le=\"0.2\"}} {}\nh_bucket{{le=\"+Inf\"}} {}\n",
            10 * n,
            20 * n,
            20 * n
        )
    };
    history.push(start, &text(0));
    assert!(history.quantile(Pick::all("h"), 0.95, secs(60)).is_empty());
    history.push(start + secs(5), &text(1));
    let p75 = history.quantile(Pick::all("h"), 0.75, secs(60))[""];
    assert!((p75 - 0.15).abs() < 1e-9, "{p75}");
}

#[test]
fn an_hour_is_kept_in_few_points() {
    let start = Instant::now();
    let mut history = History::default();
    for n in 0..7200 {
        history.push(start + secs(n), &format!("c {n}\n"));
    }
    assert!(history.past.len() < 140, "{}", history.past.len());
    let hour = history.grown(Pick::all("c"), secs(3600));
    assert!((3500.0..=3600.0).contains(&hour), "{hour}");
    let five = history.line(Pick::all("c"), true);
    assert!(
        five.len() >= 59 && five.iter().all(|rate| *rate == 1.0),
        "{five:?}"
    );
}
