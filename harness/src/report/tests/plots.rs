//! What the history gives to the charts.

use exai_judge::criterion::Criteria;
use exai_judge::fault::{Fault, FaultKind, Step};
use exai_judge::observation::{PhaseMark, Sample};
use exai_judge::{Event, Finding, Observation};
use serde_json::json;

use super::samples;
use crate::report::plots::Plots;

const SECOND: u64 = 1_000_000_000;

fn call(criterion: &str, intended_at: u64, took_ms: u64) -> Event {
    let call = json!({
        "op": 1, "criterion": criterion, "phase": "peak", "tool": "chat",
        "transport": "stdio", "identity": "a", "intended_at": intended_at,
        "sent_at": intended_at, "first_byte_at": null,
        "done_at": intended_at + took_ms * 1_000_000, "deadline": 0, "planned_provider": 0,
        "proof": {"kind": "none"}, "thread": null, "repeat": null, "fault": null,
        "reaction": null, "outcome": "ok", "belongs": true, "replies": 1, "status": null,
        "failure": null, "answers": [], "found": [], "meta": null, "turns": null,
        "instance": null, "trouble": null
    });
    Event::Call(Box::new(serde_json::from_value(call).expect("a call")))
}

fn phase(ended: bool) -> Event {
    Event::Phase(PhaseMark {
        criterion: "V.3".to_owned(),
        phase: "peak".to_owned(),
        ended,
    })
}

fn fault(id: &str, step: Step) -> Event {
    let fault = Fault {
        id: id.to_owned(),
        component: "store".to_owned(),
        kind: FaultKind::Pause,
    };
    Event::Fault { fault, step }
}

fn sample(resident_mib: u64) -> Event {
    Event::Sample(Sample {
        process: "server".to_owned(),
        pid: 1,
        resident_bytes: resident_mib << 20,
        descriptors: 61,
        threads: 4,
        cpu_ms: 0,
        wait_ms: 0,
        connections: None,
    })
}

/// Ten seconds of V.3, one pause inside and one after it.
fn drawn() -> Vec<Finding> {
    let mut plots = Plots::default();
    let mut see = |at: u64, event: Event| plots.observe(&Observation { at, event });
    see(0, sample(20));
    see(2 * SECOND, phase(false));
    for index in 0..100_u64 {
        let at = 2 * SECOND + index * SECOND / 10;
        see(at, call("V.3", at, 10 + index % 10));
    }
    see(4 * SECOND, fault("store.pause.1", Step::Injected));
    see(6 * SECOND, fault("store.pause.1", Step::Healed));
    see(7 * SECOND, sample(30));
    see(12 * SECOND, phase(true));
    see(20 * SECOND, fault("store.pause.2", Step::Injected));
    see(21 * SECOND, fault("store.reset.1", Step::Injected));
    let never = Step::NotLanded {
        why: "no flow".to_owned(),
    };
    see(22 * SECOND, fault("store.reset.1", never));
    see(30 * SECOND, sample(31));
    let text = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/criteria.toml"),
    );
    let criteria = Criteria::parse(&text.expect("the catalogue")).expect("a catalogue");
    let mut findings = samples::go().findings;
    for finding in &mut findings {
        finding.series.clear();
    }
    findings[2]
        .series
        .insert("in_flight".to_owned(), vec![(3.0, 120.0)]);
    plots.add_to(&mut findings, &criteria.of_profile("quick").expect("quick"));
    findings
}

#[test]
fn latency_is_drawn_from_the_intended_start_second_by_second() {
    let findings = drawn();
    let series = &findings[2].series;
    assert_eq!(series["latency.p50"].first(), Some(&(2.0, 14.0)));
    assert_eq!(series["latency.p99"].len(), 10);
    let counted: f64 = series["latency.histogram"]
        .iter()
        .map(|(_, count)| count)
        .sum();
    assert!((counted - 100.0).abs() < 1e-9, "{counted} calls drawn");
    let ended: f64 = series["throughput"].iter().map(|(_, count)| count).sum();
    assert!((ended - 100.0).abs() < 1e-9, "{ended} calls drawn");
    assert!(
        !findings[0].series.contains_key("latency.p50"),
        "V.1 made no call"
    );
}

#[test]
fn a_fault_is_shaded_where_it_fell_and_nowhere_else() {
    let findings = drawn();
    assert_eq!(findings[2].series["faults.store_pause"], [(4.0, 6.0)]);
    // V.7 has no phase of its own and watches the whole run; what never healed lasts to its end.
    assert_eq!(
        findings[6].series["faults.store_pause"],
        [(4.0, 6.0), (20.0, 30.0)]
    );
}

#[test]
fn samples_are_drawn_where_they_are_judged() {
    let findings = drawn();
    assert_eq!(findings[2].series["memory.server"], [(7.0, 30.0)]);
    assert_eq!(findings[6].series["descriptors.server"].len(), 3);
    assert!(!findings[3].series.contains_key("memory.server"));
}

#[test]
fn memory_is_told_before_any_call_and_at_most() {
    let mut plots = Plots::default();
    assert_eq!(plots.resident_mib(), None);
    for (at, mib) in [(0, 20), (1, 34), (2, 28)] {
        let event = sample(mib);
        plots.observe(&Observation { at, event });
    }
    assert_eq!(plots.resident_mib(), Some((20.0, 34.0)));
}

#[test]
fn limits_are_those_of_the_catalogue() {
    let findings = drawn();
    let series = &findings[2].series;
    assert_eq!(series["latency.limit"], [(0.0, 5000.0)]);
    assert_eq!(series["memory.limit"], [(0.0, 2048.0 * 0.8)]);
    assert_eq!(
        series["inflight"],
        [(3.0, 120.0)],
        "the checker's own series, renamed"
    );
    assert_eq!(series["inflight.floor"], [(0.0, 100.0)]);
    assert!(
        !findings[4].series.contains_key("recovery.limit"),
        "no recovery was drawn"
    );
}
