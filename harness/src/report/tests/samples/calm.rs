//! Sample findings of the other criteria.

use exai_judge::finding::Finding;
use exai_judge::{Reason, Verdict};

use super::parts::{check, concluded, empty, floor};

pub fn tools() -> Finding {
    let mut finding = empty("V.1", "1 000 of 1 000 right and provable over 4 transports");
    finding.floors = vec![
        floor("good answers in the weakest cell", 10, 12),
        floor("providers reached", 3, 3),
    ];
    finding.checks = vec![
        check("answers proven", "1 000 of 1 000", "all", Verdict::Pass),
        check(
            "failures inside a success",
            "0 of 1 000: < 0.3 %",
            "0",
            Verdict::Pass,
        ),
    ];
    concluded(finding)
}

pub fn faults() -> Finding {
    let mut finding = empty(
        "V.2",
        "82 of 82 faults survived, failover max 1.30 s (≤ 2 s)",
    );
    finding.floors = vec![floor("fault ids landed", 82, 82), floor("failovers", 1, 34)];
    finding.checks = vec![check("failover, max", "1.30 s", "≤ 2 s", Verdict::Pass)];
    for (index, fault) in (0_u32..).zip(["K02", "K07", "G01", "G05", "M03", "S09"]) {
        let begin = 26.0 + f64::from(index) * 6.5;
        let spans = vec![(begin, begin + 3.0), (begin + 3.6, begin + 4.4)];
        finding.series.insert(format!("faults.{fault}"), spans);
    }
    concluded(finding)
}

pub fn kills() -> Finding {
    let mut finding = empty("V.5", "15 kills, max 1.30 s to sustained service (< 30 s)");
    let components = [
        ("server", [0.41, 0.38, 0.44]),
        ("store", [0.26, 0.31, 0.24]),
        ("kimi", [1.21, 1.12, 1.30]),
        ("glm", [1.08, 1.19, 1.11]),
        ("minimax", [1.16, 1.22, 1.09]),
    ];
    for (row, (component, seconds)) in (0_u32..).zip(components) {
        finding
            .floors
            .push(floor(&format!("kills of {component} proven"), 3, 3));
        let numbered = (1_u32..).map(f64::from).zip(seconds);
        finding
            .series
            .insert(format!("recovery.{component}"), numbered.collect());
        let spans = (0_u32..).zip(seconds).map(|(kill, took)| {
            let begin = 112.0 + f64::from(kill * 20 + row * 4);
            (begin, begin + took)
        });
        finding
            .series
            .insert(format!("faults.{component}_kill"), spans.collect());
    }
    finding
        .series
        .insert("recovery.limit".to_owned(), vec![(0.0, 30.0)]);
    finding.checks = vec![check(
        "kill to sustained service, max",
        "1.30 s",
        "< 30 s",
        Verdict::Pass,
    )];
    concluded(finding)
}

pub fn security() -> Finding {
    let mut finding = empty("V.6", "396 of 396 denied and audited");
    finding.floors = vec![floor("cases tried", 396, 396)];
    finding.checks = vec![
        check("denied", "396 of 396", "all", Verdict::Pass),
        check("audited exactly once", "396 of 396", "all", Verdict::Pass),
    ];
    concluded(finding)
}

pub fn broken_security() -> Finding {
    let mut finding = security();
    finding.verdict = Verdict::HarnessError;
    finding.headline = "the checker stopped: case J4.NONE has no expected answer".to_owned();
    finding
}

pub fn soak() -> Finding {
    let mut finding = empty("V.7", "243 s of 14 400 s, 0 critical errors so far");
    let mut seconds = floor("seconds in one piece", 14_400, 243);
    seconds.reason = Reason::DurationShort;
    finding.floors = vec![seconds];
    finding.checks = vec![check("critical errors", "0 in 243 s", "0", Verdict::Pass)];
    finding.not_tested = vec!["threads expiring at the shipped TTL: 3 h do not fit".to_owned()];
    concluded(finding)
}

pub fn target() -> Finding {
    let mut finding = empty(
        "V.8t",
        "errors 4 of 3 000: 0.13 % (< 0.1 %), indicative in quick",
    );
    let measured = "4 of 3 000: 0.13 %, bound 0.04-0.34 %";
    let mut errors = check("errors", measured, "< 0.1 %", Verdict::Inconclusive);
    errors.reason = Some(Reason::BelowFloor);
    finding.checks = vec![
        check("p95 at 1 000 req/s", "38 ms", "< 200 ms", Verdict::Pass),
        errors,
    ];
    concluded(finding)
}
