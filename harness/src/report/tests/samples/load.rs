//! Sample findings with charts over time: the peak and the store.

use exai_judge::finding::{Finding, Violation, Witness};
use exai_judge::{Reason, Verdict};

use super::parts::{check, concluded, empty, floor};

/// Repeatable luck.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let high = u32::try_from(self.0 >> 33).expect("31 bits");
        f64::from(high) / f64::from(1_u32 << 31)
    }
}

/// A bump of latency inside fault windows, quiet outside.
fn latency(quiet: f64, loud: f64, windows: &[(f64, f64)], seed: u64) -> Vec<(f64, f64)> {
    let mut dice = Dice(seed);
    let seconds = (76..112).map(f64::from);
    seconds
        .map(|at| {
            let in_window = windows
                .iter()
                .any(|(from, until)| at >= *from && at <= *until);
            let base = if in_window { loud } else { quiet };
            (at, base * (0.9 + 0.2 * dice.roll()))
        })
        .collect()
}

pub fn peak() -> Finding {
    let mut finding = empty(
        "V.3",
        "peak 151 in flight (≥ 100), p95 441 ms (< 5 s), 0 wrong",
    );
    finding.floors = vec![
        floor("operations", 3000, 3420),
        floor("seconds at 100 in flight or more", 10, 21),
    ];
    finding.checks = vec![
        check("errors", "0 of 3 420: < 0.09 %", "< 1 %", Verdict::Pass),
        check(
            "p95 from the intended start",
            "441 ms (bound 452 ms)",
            "< 5 s",
            Verdict::Pass,
        ),
        check(
            "crossed, lost or doubled answers",
            "0 of 3 420: < 0.09 %",
            "0",
            Verdict::Pass,
        ),
    ];
    draw_peak(&mut finding);
    concluded(finding)
}

fn draw_peak(finding: &mut Finding) {
    let mut dice = Dice(3);
    let ramp = |at: f64| {
        ((at - 46.0) * 40.0)
            .clamp(0.0, 148.0)
            .min((76.0 - at) * 60.0)
    };
    let inflight = (46..=76).map(|at| {
        let at = f64::from(at);
        (at, (ramp(at) + 6.0 * dice.roll()).floor().max(0.0))
    });
    finding
        .series
        .insert("inflight".to_owned(), inflight.collect());
    finding
        .series
        .insert("inflight.floor".to_owned(), vec![(0.0, 100.0)]);
    let bucket = |index: i32| {
        let edge = 320.0 * 1.035_f64.powi(index);
        let main = 900.0 * (-((edge.ln() - 6.01) / 0.04).powi(2)).exp();
        let tail = 14.0 * (-((edge.ln() - 7.2) / 0.15).powi(2)).exp();
        (edge, (main + tail).round())
    };
    finding.series.insert(
        "latency.histogram".to_owned(),
        (0..50).map(bucket).collect(),
    );
    let quantiles = vec![(50.0, 406.0), (95.0, 441.0), (99.0, 1490.0)];
    finding
        .series
        .insert("latency.quantiles".to_owned(), quantiles);
    let memory = (0..30).map(|step| {
        let at = f64::from(step);
        (
            46.0 + at,
            25.0 - 7.0 * (-at / 6.0).exp() + 0.1 * f64::from(step % 3),
        )
    });
    finding
        .series
        .insert("memory.server".to_owned(), memory.collect());
    finding
        .series
        .insert("memory.limit".to_owned(), vec![(0.0, 1638.4)]);
    let descriptors = (0..30).map(|step| (46.0 + f64::from(step), f64::from(61 + step % 4)));
    finding
        .series
        .insert("descriptors.server".to_owned(), descriptors.collect());
}

pub fn crowded_peak() -> Finding {
    let mut finding = peak();
    finding.headline = "peak 151 in flight, but 9 of 3 429 arrivals were dropped".to_owned();
    finding.floors.push(floor(
        "seconds with the generator inside its ceiling",
        30,
        12,
    ));
    let mut dropped = check("arrivals dropped", "9 of 3 429", "0", Verdict::Inconclusive);
    dropped.reason = Some(Reason::DroppedArrivals);
    finding.checks.push(dropped);
    finding
        .not_tested
        .push("the hot identity: the load never settled before it".to_owned());
    concluded(finding)
}

pub fn storage(lost: usize) -> Finding {
    let windows = [(86.0, 88.4), (95.0, 97.0), (103.0, 104.0)];
    let says = format!("{lost} acknowledged turns lost of 1 933 (0 allowed), p95 41 ms (< 100 ms)");
    let mut finding = empty("V.4", &says);
    finding.floors = vec![
        floor("store operations", 5000, 6212),
        floor("disconnects landed", 1, 2),
        floor("pauses landed", 1, 1),
    ];
    let verdict = if lost > 0 {
        Verdict::Fail
    } else {
        Verdict::Pass
    };
    let measured = if lost > 0 {
        format!("{lost} of 1 933")
    } else {
        "0 of 1 933: < 0.16 %".to_owned()
    };
    finding.checks = vec![
        check(
            "p95 outside fault windows",
            "41 ms (bound 44 ms)",
            "< 100 ms",
            Verdict::Pass,
        ),
        check("acknowledged turns lost", &measured, "0", verdict),
        check(
            "doubled, reordered or stale",
            "0 of 6 212: < 0.05 %",
            "0",
            Verdict::Pass,
        ),
        check("reconnect", "0.44 s", "≤ 5 s", Verdict::Pass),
    ];
    finding.violations = (0..lost).map(|_| lost_turn()).collect();
    for (name, quiet, loud) in [
        ("p50", 11.0, 21.0),
        ("p95", 34.0, 2100.0),
        ("p99", 52.0, 2900.0),
    ] {
        let points = latency(quiet, loud, &windows, 11);
        finding.series.insert(format!("latency.{name}"), points);
    }
    finding
        .series
        .insert("latency.limit".to_owned(), vec![(0.0, 100.0)]);
    finding
        .series
        .insert("faults.store_kill".to_owned(), vec![windows[0]]);
    finding
        .series
        .insert("faults.store_pause".to_owned(), vec![windows[1]]);
    finding.series.insert(
        "faults.link_server-store_reset".to_owned(),
        vec![windows[2]],
    );
    concluded(finding)
}

pub fn lost_turn() -> Violation {
    let witness = |at, actor: &str, what: &str| Witness {
        at,
        actor: actor.to_owned(),
        what: what.to_owned(),
    };
    Violation {
        check: "acknowledged_turns_lost".to_owned(),
        op: Some(2107),
        at: 86_203_000_000,
        says: "turn 7 of thread t-0193…c2 was acknowledged at 86.203 s and is gone after store \
               kill 2"
            .to_owned(),
        witnesses: vec![
            witness(
                86_203_000_000,
                "client 12",
                "append turn 7 → acknowledged, tracer 9b41",
            ),
            witness(
                86_260_000_000,
                "nemesis",
                "store killed, pid 8123 gone, pid 8177 at 86.522 s",
            ),
            witness(89_010_000_000, "client 12", "read t-0193…c2 → turns 1-6"),
        ],
    }
}
