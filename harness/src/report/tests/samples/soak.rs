//! A four-hour run with more of everything than a page likes.

use exai_judge::finding::{Finding, Violation, Witness};
use exai_judge::{Reason, Verdict};

use super::parts::{check, concluded, empty, floor};

/// Four hours of samples, thirty kinds of fault, twenty violations and a word without a blank.
pub fn crowded_soak() -> Finding {
    let mut finding = empty(
        "V.7",
        "14 400 s in one piece, 20 critical errors (0 allowed)",
    );
    finding.floors = vec![floor("seconds in one piece", 14_400, 14_400)];
    let mut slope = check(
        "memory slope",
        "0.9 % an hour (0.2 to 1.6 %)",
        "≤ 1 % an hour",
        Verdict::Inconclusive,
    );
    slope.reason = Some(Reason::SlopeUndecided);
    let errors = check("critical errors", "20 in 14 400 s", "0", Verdict::Fail);
    finding.checks = vec![slope, errors];
    finding.violations = (0..20).map(violation).collect();
    finding.not_tested = (1..=12)
        .map(|row| format!("class {row} of the fault catalogue: no means to inject it here"))
        .collect();
    draw(&mut finding);
    concluded(finding)
}

fn violation(number: u64) -> Violation {
    let at = 600_000_000_000 * (number + 1);
    Violation {
        check: "critical_errors".to_owned(),
        op: None,
        at,
        says: format!(
            "the log says panicked at {}",
            "a_word_without_a_blank::".repeat(12)
        ),
        witnesses: vec![Witness {
            at,
            actor: "server.stderr.of.instance.3f9c1d77".to_owned(),
            what: "{\"level\":\"error\",\"message\":".to_owned() + &"x".repeat(200),
        }],
    }
}

fn draw(finding: &mut Finding) {
    let seconds = || (0..14_400_u32).map(f64::from);
    let series = &mut finding.series;
    let wave = |at: f64| 1.0 + 0.1 * (at / 400.0).sin();
    for (name, base) in [("p50", 9.0), ("p95", 31.0)] {
        let points = seconds().map(|at| (at, base * wave(at))).collect();
        series.insert(format!("latency.{name}"), points);
    }
    let memory = seconds().map(|at| (at, 24.0 + at / 9000.0)).collect();
    series.insert("memory.server".to_owned(), memory);
    series.insert("memory.limit".to_owned(), vec![(0.0, 30.0)]);
    series.insert("descriptors.server".to_owned(), vec![(7200.0, 61.0)]);
    let busy = seconds().map(|at| (at, 40.0 * wave(at))).collect();
    series.insert("throughput".to_owned(), busy);
    series.insert("faults".to_owned(), vec![(50.0, 52.0), (900.0, 905.0)]);
    for kind in 0..30_u32 {
        let begins = (0..4).map(|hour| f64::from(hour * 3600 + kind * 110));
        let spans = begins.map(|begin| (begin, begin + 20.0)).collect();
        series.insert(
            format!("faults.link_server-minimax_black_hole_{kind}"),
            spans,
        );
    }
    series.insert(
        "recovery.a_component_with_a_long_name".to_owned(),
        vec![(1.0, 0.0)],
    );
    series.insert("latency.histogram".to_owned(), vec![(10.0, 12.0)]);
}
