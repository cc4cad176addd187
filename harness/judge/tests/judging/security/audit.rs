//! The audit log beside what clients saw: the same denials, each as often and as what it was.

use exai_judge::Verdict;

use super::*;

fn lines(world: &mut World) -> impl Iterator<Item = &mut AuditSeen> {
    world
        .out
        .iter_mut()
        .filter_map(|seen| match &mut seen.event {
            Event::Audit(line) => Some(line),
            _ => None,
        })
}

/// The first line whose reason begins so, after a change.
fn changed(begin: &str, change: impl FnOnce(&mut AuditSeen)) -> Finding {
    let mut world = good();
    let line = lines(&mut world).find(|line| line.reason.starts_with(begin));
    change(line.unwrap());
    judged(&world)
}

/// Without so many lines of refusals by rate.
fn without(count: usize) -> World {
    let mut world = good();
    let mut left = count;
    world.out.retain(|seen| match &seen.event {
        Event::Audit(line) if line.reason.starts_with("rate_") && left > 0 => {
            left -= 1;
            false
        }
        _ => true,
    });
    assert_eq!(left, 0);
    world
}

/// A line that stands for so many others.
fn stands_for(count: u64) -> Event {
    Event::Audit(AuditSeen {
        decision: "allowed".to_owned(),
        reason: "no_room".to_owned(),
        chained: true,
        stands_for: count,
        ..AuditSeen::default()
    })
}

#[test]
fn every_denial_that_a_client_saw_has_a_trial_whether_case_or_call() {
    let mut world = good();
    let count = u64::try_from(lines(&mut world).count()).unwrap();
    let finding = judged(&world);
    assert_pass(&finding);
    assert_eq!(check(&finding, "audit").n, count);
    assert!(count > 400, "{count} with those by rate");
}

#[test]
fn a_refusal_by_rate_without_its_line_fails() {
    let finding = judged(&without(1));
    assert_eq!(failed(&finding), ["audit"]);
    assert!(finding.violations[0].says.ends_with("left no audit line"));
}

#[test]
fn a_line_that_stands_twice_fails_for_a_case_and_for_a_call() {
    for begin in ["token_", "origin", "rate_"] {
        let mut world = good();
        let line = lines(&mut world).find(|line| line.reason.starts_with(begin));
        let line = line.unwrap().clone();
        world.push(9 * S, Event::Audit(line));
        let finding = judged(&world);
        assert_eq!(failed(&finding), ["audit"], "{begin}");
        assert!(finding.violations[0].says.ends_with("left 2 audit lines"));
    }
}

#[test]
fn a_line_with_another_principal_fails() {
    for (begin, named) in [
        ("rate_", "somebody else"),
        ("rate_", "unverified"),
        ("rate_", ""),
        // Whoever showed a forged token is nobody, whomever it names.
        ("token_", "ada"),
        ("origin", "ada"),
    ] {
        let finding = changed(begin, |line| line.principal = Some(named.to_owned()));
        assert_eq!(failed(&finding), ["audit"], "{begin} {named}");
        let says = &finding.violations[0].says;
        assert!(says.contains(&format!("names {named} where")), "{says}");
    }
}

#[test]
fn a_caller_is_told_less_than_the_log() {
    for reason in ["token_missing", "grace_ended", "rotation_old"] {
        assert_pass(&changed("token_", |line| line.reason = reason.to_owned()));
    }
}

#[test]
fn a_line_with_another_reason_or_of_another_transport_fails() {
    for (begin, reason) in [
        ("rate_", "role"),
        ("token_", "rate_principal"),
        ("origin", "host"),
    ] {
        let finding = changed(begin, |line| line.reason = reason.to_owned());
        assert_eq!(failed(&finding), ["audit"], "{begin} {reason}");
    }
    for begin in ["rate_", "token_"] {
        let finding = changed(begin, |line| line.transport = Some("websocket".to_owned()));
        assert_eq!(failed(&finding), ["audit"], "{begin}");
        assert!(
            finding.violations[0]
                .says
                .ends_with("is of websocket, not of http")
        );
    }
}

#[test]
fn a_connection_that_was_somebodys_may_be_refused_as_theirs_and_as_no_other_ones() {
    let named = |named: &str| {
        let mut world = good();
        let line = lines(&mut world).find(|line| line.transport.as_deref() == Some("websocket"));
        line.unwrap().principal = Some(named.to_owned());
        failed(&judged(&world)).len()
    };
    assert_eq!(named("ada"), 0);
    assert_eq!(named("bob"), 1);
}

#[test]
fn a_role_is_denied_to_whoever_was_verified() {
    let denied = |named: &str| {
        let mut world = good();
        let mut refused = case("A1.user", EDGES[1], false);
        refused.code = Some("forbidden".to_owned());
        let mut control = case("A1.user", EDGES[1], true);
        control.seen = "accepted".to_owned();
        let line = AuditSeen {
            reason: "role".to_owned(),
            principal: Some(named.to_owned()),
            ..line(&refused)
        };
        world.push(3 * S, Event::Case(control));
        world.push(3 * S, Event::Audit(line));
        world.push(3 * S, Event::Case(refused));
        failed(&judged(&world)).len()
    };
    assert_eq!(denied("ada"), 0);
    assert_eq!(denied("bob"), 1);
    assert_eq!(denied("unverified"), 1);
}

#[test]
fn a_line_that_denies_whoever_was_let_in_is_invented() {
    let mut world = good();
    let accepted = line(&case("J1", EDGES[0], true));
    world.push(9 * S, Event::Audit(accepted));
    let finding = judged(&world);
    assert_eq!(failed(&finding), ["invented"]);
    assert!(
        finding.violations[0]
            .says
            .ends_with("and the client was let in")
    );
}

#[test]
fn a_denial_under_a_fault_of_the_rig_demands_no_line_and_its_line_is_not_invented() {
    for is_audited in [false, true] {
        let mut world = good();
        let denied = case("J1", "elsewhere", false);
        if is_audited {
            world.push(35 * S, Event::Audit(line(&denied)));
        }
        world.push(35 * S, Event::Case(denied));
        let rig = Event::Rig {
            what: "audit_unread".to_owned(),
            until: 35 * S,
            detail: String::new(),
        };
        world.push(35 * S, rig);
        assert_pass(&judged(&world));
    }
}

#[test]
fn a_call_that_another_criterion_kills_under_demands_no_line() {
    let judged_as = |criterion: &'static str| {
        let mut world = good();
        let mut call = world.refused(&Ask::new(criterion, 9 * S), "rate_limit_error");
        call.failure.as_mut().unwrap().code = "over_rate".to_owned();
        world.record(call);
        failed(&judged(&world)).len()
    };
    assert_eq!(judged_as("V.5"), 0);
    assert_eq!(judged_as("V.3"), 1);
}

#[test]
fn a_history_from_before_lines_told_whom_they_name_is_judged_by_the_rest() {
    let mut world = good();
    lines(&mut world).for_each(|line| {
        line.principal = None;
        line.transport = None;
    });
    assert_pass(&judged(&world));
}

/// More than may wait is denied, so many lines are missing, and others stand for so many.
pub fn flood(missing: usize, told: u64) -> World {
    let mut world = without(missing);
    for _ in 0..4_096 {
        let mut call = world.refused(&Ask::new("V.3", 25 * S), "rate_limit_error");
        call.failure.as_mut().unwrap().code = "over_rate".to_owned();
        world.push(25 * S, Event::Audit(line_of(&call)));
        world.record(call);
    }
    world.push(26 * S, stands_for(told));
    world
}

fn flooded(missing: usize, told: u64) -> Verdict {
    check(&judged(&flood(missing, told)), "audit").verdict
}

#[test]
fn above_the_published_bound_refusals_by_rate_may_be_counted_and_the_sum_is_exact() {
    assert_eq!(flooded(7, 7), Verdict::Pass);
    assert_eq!(flooded(7, 6), Verdict::Fail);
    assert_eq!(flooded(7, 8), Verdict::Fail);
    assert_eq!(flooded(0, 1), Verdict::Fail);
    let mut calm = without(7);
    calm.push(26 * S, stands_for(7));
    assert_eq!(
        check(&judged(&calm), "audit").verdict,
        Verdict::Fail,
        "below it"
    );
    let mut silent = without(7);
    silent.push(26 * S, stands_for(0));
    assert_eq!(
        check(&judged(&silent), "audit").verdict,
        Verdict::Fail,
        "no sum"
    );
}

#[test]
fn a_count_of_lines_stands_for_no_denial_of_another_kind() {
    let mut world = good();
    let of_token = |event: &Event| matches!(event, Event::Audit(line) if line.reason == "token_J1");
    world.out.retain(|seen| !of_token(&seen.event));
    world.push(26 * S, stands_for(2));
    assert_eq!(failed(&judged(&world)), ["audit"]);
}

/// Where the counter of denials moved by so much more than clients saw.
fn moved(by: f64) -> Finding {
    let mut world = good();
    for seen in &mut world.out {
        if let Event::Metrics { mark, values } = &mut seen.event
            && mark == "after V.6"
        {
            let last = values
                .iter_mut()
                .find(|(series, _)| series.contains("rate_"));
            *last.unwrap().1 += by;
        }
    }
    judged(&world)
}

#[test]
fn the_counter_of_denials_moves_by_what_clients_saw() {
    assert_eq!(check(&moved(0.0), "denials_counted").verdict, Verdict::Pass);
    for by in [-1.0, 1.0] {
        assert_eq!(failed(&moved(by)), ["denials_counted"], "{by}");
    }
    let mut frozen = good();
    frozen
        .out
        .retain(|seen| !matches!(&seen.event, Event::Metrics { mark, .. } if mark == "after V.6"));
    frozen.push(14 * S, scrape("after V.6", 5.0));
    assert_eq!(failed(&judged(&frozen)), ["denials_counted"]);
}

#[test]
fn a_call_without_an_answer_may_have_been_denied() {
    let mut world = good();
    let ask = Ask {
        phase: "rate.principal".to_owned(),
        ..Ask::new("V.6", 11 * S)
    };
    let mut lost = world.plain(&ask);
    lost.outcome = exai_judge::Outcome::Unknown;
    world.record(lost);
    assert_eq!(
        check(&judged(&world), "denials_counted").verdict,
        Verdict::Pass
    );
    for seen in &mut world.out {
        if matches!(&seen.event, Event::Metrics { mark, .. } if mark == "before V.6") {
            seen.event = scrape("before V.6", 4.0);
        }
    }
    assert_eq!(
        check(&judged(&world), "denials_counted").verdict,
        Verdict::Pass
    );
}

#[test]
fn without_both_scrapes_nobody_knows_what_was_counted() {
    for gone in ["before V.6", "after V.6"] {
        let mut world = good();
        world
            .out
            .retain(|seen| !matches!(&seen.event, Event::Metrics { mark, .. } if mark == gone));
        assert_inconclusive(&judged(&world), Reason::EventNotSeen);
    }
}
