//! Sample evidence: a run that carries its claim, one that does not, one that could not tell.

mod calm;
mod load;
mod parts;
mod soak;

use std::collections::BTreeMap;

use exai_judge::Verdict;

use crate::evidence::ledger::Trend;
use crate::report::Evidence;
use crate::report::facts::{
    ClaimAsked, CriterionText, HostFacts, Identity, Override, RunFacts, Signature,
};
use crate::report::model::{Figure, NotTested, Previous};

const ROWS: [(&str, &str, &str); 9] = [
    (
        "V.1",
        "every critical tool works",
        "Every tool over every transport, each answer proven.",
    ),
    (
        "V.2",
        "one failure never ends a workflow",
        "Each fault in turn inside sessions that go on.",
    ),
    (
        "V.3",
        "100+ operations at once",
        "In flight ≥ 100 for ≥ 10 s; errors < 1 %, p95 < 5 s.",
    ),
    (
        "V.4",
        "storage stable under stress",
        "No turn lost, doubled, reordered or stale; p95 < 100 ms.",
    ),
    (
        "V.5",
        "failover of every component",
        "kill -9 of each part; sustained service in < 30 s.",
    ),
    (
        "V.6",
        "security configured and enforced",
        "Every case denied and audited exactly once.",
    ),
    (
        "V.7",
        "four hours without a critical error",
        "≥ 14 400 s in one piece, one pid throughout.",
    ),
    (
        "V.8g",
        "benchmarks, gate tier",
        "p95 < 5 s, errors < 1 %, ≥ 50 at once.",
    ),
    (
        "V.8t",
        "benchmarks, target tier",
        "p95 < 200 ms at 1 000 req/s, errors < 0.1 %.",
    ),
];

/// A run that carries `merge-ready`.
pub fn go() -> Evidence {
    let findings = vec![
        calm::tools(),
        calm::faults(),
        load::peak(),
        load::storage(0),
        calm::kills(),
        calm::security(),
        calm::soak(),
        parts::pass(
            "V.8g",
            "5 of 5 gate figures inside their limits",
            "p95",
            ("41 ms", "< 5 s"),
        ),
        calm::target(),
    ];
    Evidence {
        run: run(),
        identity: identity(),
        claim: claim(Verdict::Pass),
        texts: ROWS.iter().map(text).collect(),
        findings,
        not_tested: vec![
            NotTested {
                criterion: String::new(),
                what: "live providers: no keys on this machine, simulators only".to_owned(),
            },
            NotTested {
                criterion: "V.5".to_owned(),
                what: "container kills: the local driver starts processes".to_owned(),
            },
        ],
        not_applicable: Vec::new(),
        figures: vec![
            figure("generator ceiling against a null server", 4100.0, "req/s"),
            figure(
                "p50 of `version` against a bare handler doing the same bytes",
                1.42,
                "ratio",
            ),
            figure("resident memory under load", 25.31, "MiB"),
        ],
        signature: Signature::Unsigned,
        previous: Some(previous()),
        before: before(),
    }
}

/// A run whose store lost a turn, and whose security battery broke.
pub fn no_go() -> Evidence {
    let mut evidence = go();
    evidence.claim.verdict = Verdict::Fail;
    evidence.findings[3] = load::storage(1);
    evidence.findings[5] = calm::broken_security();
    evidence.run.dirty = true;
    evidence
}

/// A run on a crowded machine: nothing failed, and nothing can be said for sure.
pub fn inconclusive() -> Evidence {
    let mut evidence = go();
    evidence.claim.verdict = Verdict::Inconclusive;
    evidence.findings[2] = load::crowded_peak();
    evidence.findings.remove(4);
    evidence.previous = None;
    evidence.run.store = "sqlite".to_owned();
    evidence.claim.printed =
        "merge-ready (local driver, embedded store, simulated providers)".to_owned();
    evidence.run.unprivileged = false;
    evidence.run.replay =
        "cargo verify run --profile quick --driver local --store embedded --seed 7".to_owned();
    evidence.identity.harness_sha256 = None;
    evidence
}

/// A soak that found too much, with more of everything than a page likes.
pub fn crowded() -> Evidence {
    let mut evidence = no_go();
    evidence.claim.criteria.push("V.7".to_owned());
    evidence.findings[6] = soak::crowded_soak();
    evidence
}

fn run() -> RunFacts {
    RunFacts {
        cut_short: None,
        second_attempt_at: None,
        target: None,
        run_id: "0198c2d4-7a31-7c52-9b0e-5f2d8a41c6aa".to_owned(),
        folder: "reports/runs/20260112T094112Z-4f1c9ae-7".to_owned(),
        version: "0.1.0".to_owned(),
        commit: "4f1c9ae".to_owned(),
        dirty: false,
        started_at: "2026-01-12T09:41:12.034Z".parse().expect("a time"),
        ended_at: "2026-01-12T09:45:15.201Z".parse().expect("a time"),
        seed: 7,
        profile: "quick".to_owned(),
        driver: "local".to_owned(),
        store: "redis".to_owned(),
        instances: 1,
        replay: "cargo verify run --profile quick --driver local --store redis --seed 7".to_owned(),
        planned_seconds: 300,
        measured_seconds: 243,
        host: HostFacts {
            cpus: 2,
            memory_bytes: 8_321_499_136,
            kernel: "Linux 6.8.0".to_owned(),
            load_before: Some(0.42),
        },
        overrides: vec![Override {
            key: "limits.rate.address".to_owned(),
            value: "20000".to_owned(),
            counts_for: "V.3, V.8".to_owned(),
        }],
        spoiler: None,
        unprivileged: true,
    }
}

/// Three runs before: one lost a turn, one measured no memory.
fn before() -> Trend {
    let mut trend = Trend::default();
    let rows = ROWS.iter().map(|row| row.0);
    let (pass, fail) = (Verdict::Pass, Verdict::Fail);
    let ceiling = ("generator ceiling against a null server", "req/s");
    let memory = ("resident memory under load", "MiB");
    for (run, of_storage, resident) in [
        ("a", pass, Some(24.1)),
        ("b", fail, None),
        ("c", pass, Some(24.9)),
    ] {
        let verdicts = rows
            .clone()
            .map(|id| (id, if id == "V.4" { of_storage } else { pass }));
        let figures = resident.map(|mib| (memory, mib));
        let figures = figures.into_iter().chain([(ceiling, 4000.0)]);
        trend.push(run, verdicts, figures);
    }
    trend
}

fn identity() -> Identity {
    let digest = |digit: &str| Some(digit.repeat(32));
    Identity {
        server_sha256: digest("9c"),
        policy_digest: digest("77"),
        site_digest: digest("31"),
        criteria_digest: digest("02"),
        harness_sha256: digest("5e"),
        merkle_root: digest("b8"),
        observations: 48_211,
    }
}

fn claim(verdict: Verdict) -> ClaimAsked {
    let criteria = ["V.1", "V.2", "V.3", "V.4", "V.5", "V.6", "V.8g"];
    ClaimAsked {
        name: "merge-ready".to_owned(),
        printed: "merge-ready (local driver, redis store, simulated providers)".to_owned(),
        criteria: criteria.map(str::to_owned).to_vec(),
        tolerates: Vec::new(),
        rules: 0,
        verdict,
        reasons: Vec::new(),
    }
}

fn text((id, title, text): &(&str, &str, &str)) -> CriterionText {
    let (id, title, text) = ((*id).to_owned(), (*title).to_owned(), (*text).to_owned());
    CriterionText {
        line: 100,
        id,
        title,
        text,
    }
}

fn previous() -> Previous {
    let mut verdicts: BTreeMap<String, Verdict> = ROWS
        .iter()
        .map(|(id, _, _)| ((*id).to_owned(), Verdict::Pass))
        .collect();
    verdicts.insert("V.7".to_owned(), Verdict::Inconclusive);
    verdicts.insert("V.8t".to_owned(), Verdict::Inconclusive);
    Previous {
        run_id: "0198b7aa-0001-7c52-9b0e-5f2d8a41c6aa".to_owned(),
        version: "0.0.9".to_owned(),
        commit: "1820aec".to_owned(),
        started_at: "2026-01-10T08:02:00Z".parse().expect("a time"),
        verdicts,
        figures: BTreeMap::from([("resident memory under load".to_owned(), 24.9)]),
    }
}

fn figure(name: &str, value: f64, unit: &str) -> Figure {
    Figure {
        name: name.to_owned(),
        value,
        unit: unit.to_owned(),
    }
}
