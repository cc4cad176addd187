//! What no waiver covers, by the committed list.

use super::*;

fn committed() -> Vec<String> {
    let text = include_str!("../../../../../scenarios/claims.toml");
    crate::Claims::parse(text).unwrap().never_waived
}

/// What the gate says of a waived V.4 in which a check of that id ended so.
fn waived(id: &str, verdict: Verdict) -> Exit {
    let mut asked = asked();
    asked.accepts = true;
    asked.waivers = vec![waiver()];
    asked.never_waived = committed();
    let mut run = run("1", 1, FAIL);
    run.findings[1].checks.push(check(id, verdict));
    asked.of(&[run]).exit
}

#[test]
fn crossed_answers_failures_inside_successes_and_critical_errors_are_not_waived() {
    for id in [
        "text",
        "failure_inside",
        "critical",
        "leak",
        "canary",
        "lost",
        "denied",
    ] {
        for verdict in [Verdict::Fail, Verdict::HarnessError, Verdict::Inconclusive] {
            assert_ne!(waived(id, verdict), Exit::Pass, "{id} {verdict:?}");
        }
        assert_eq!(waived(id, Verdict::Pass), Exit::Pass, "{id} holds");
    }
    assert_eq!(waived("p99", Verdict::Fail), Exit::Pass);
    assert_eq!(
        waived("text.1", Verdict::Fail),
        Exit::Pass,
        "an id is whole"
    );
}
