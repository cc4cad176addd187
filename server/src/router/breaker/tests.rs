use proptest::prelude::*;

use super::*;

fn drive(state: &mut Breaker, event: Event, now: Instant, settings: &BreakerSettings) -> Step {
    let taken = step(*state, event, now, settings);
    *state = taken.state;
    taken
}

fn ticket(step: Step) -> Ticket {
    match step.decision {
        Decision::Admit(ticket) => ticket,
        other => panic!("not admitted: {other:?}"),
    }
}

#[test]
fn it_opens_probes_once_and_closes_again() {
    let (settings, start) = (BreakerSettings::default(), Instant::now());
    let mut state = Breaker::default();
    for _ in 0..settings.failures {
        let pass = ticket(drive(&mut state, Event::Ask, start, &settings));
        drive(
            &mut state,
            Event::Done(pass, Verdict::Failure),
            start,
            &settings,
        );
    }
    assert_eq!(state.position(), Position::Open);
    let early = drive(&mut state, Event::Ask, start, &settings);
    assert_eq!(early.decision, Decision::Refuse(settings.first_open));

    let due = start + settings.first_open;
    let probe = ticket(drive(&mut state, Event::Ask, due, &settings));
    assert!(probe.is_probe);
    let second = drive(&mut state, Event::Ask, due, &settings);
    assert_eq!(second.decision, Decision::Refuse(Duration::ZERO));
    let closed = drive(
        &mut state,
        Event::Done(probe, Verdict::Success),
        due,
        &settings,
    );
    assert_eq!(
        closed.transition,
        Some((Position::HalfOpen, Position::Closed))
    );
}

#[test]
fn each_failed_probe_doubles_the_interval_up_to_its_bound() {
    let (settings, mut now) = (BreakerSettings::default(), Instant::now());
    let mut state = open(settings.first_open, 1, now);
    for seconds in [5, 10, 20, 20] {
        let Breaker::Open {
            until, interval, ..
        } = state
        else {
            panic!("{state:?}")
        };
        assert_eq!(interval, Duration::from_secs(seconds));
        now = until;
        let probe = ticket(drive(&mut state, Event::Ask, now, &settings));
        drive(
            &mut state,
            Event::Done(probe, Verdict::Failure),
            now,
            &settings,
        );
    }
}

#[test]
fn an_abandoned_probe_frees_its_place() {
    let (settings, now) = (BreakerSettings::default(), Instant::now());
    let mut state = open(Duration::ZERO, 1, now);
    let probe = ticket(drive(&mut state, Event::Ask, now, &settings));
    drive(
        &mut state,
        Event::Done(probe, Verdict::Abandoned),
        now,
        &settings,
    );
    assert!(ticket(drive(&mut state, Event::Ask, now, &settings)).is_probe);
}

#[test]
fn a_sign_of_life_lets_one_call_try_and_closes_nothing_by_itself() {
    let (settings, now) = (BreakerSettings::default(), Instant::now());
    let mut state = open(settings.first_open, 1, now);
    let told = drive(&mut state, Event::Alive, now, &settings);
    assert_eq!((told.decision, told.transition), (Decision::Noted, None));
    let probe = ticket(drive(&mut state, Event::Ask, now, &settings));
    assert!(probe.is_probe);
    drive(&mut state, Event::Alive, now, &settings);
    let second = drive(&mut state, Event::Ask, now, &settings);
    assert_eq!(second.decision, Decision::Refuse(Duration::ZERO));
    let done = Event::Done(probe, Verdict::Failure);
    drive(&mut state, done, now, &settings);
    let doubled = settings.first_open * 2;
    assert_eq!(state, open(doubled, 2, now), "a false alarm costs a probe");
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Ask,
    Alive,
    Finish(u8, Verdict),
    Wait(u16),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let verdict = prop_oneof![
        2 => Just(Verdict::Success),
        5 => Just(Verdict::Failure),
        2 => Just(Verdict::Business),
        1 => Just(Verdict::Abandoned),
    ];
    let one = prop_oneof![
        5 => Just(Move::Ask),
        5 => (any::<u8>(), verdict).prop_map(|(index, verdict)| Move::Finish(index, verdict)),
        2 => (0_u16..9000).prop_map(Move::Wait),
        1 => Just(Move::Alive),
    ];
    proptest::collection::vec(one, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn no_order_of_calls_and_results_breaks_the_rules(moves in moves()) {
        let settings = BreakerSettings::default();
        let mut state = Breaker::default();
        let mut now = Instant::now();
        let mut open_tickets: Vec<Ticket> = Vec::new();
        let mut row_of_failures = 0;
        for one in moves {
            let before = state;
            match one {
                Move::Wait(ms) => now += Duration::from_millis(u64::from(ms)),
                Move::Alive => {
                    let taken = drive(&mut state, Event::Alive, now, &settings);
                    prop_assert_eq!(taken.transition, None);
                }
                Move::Ask => {
                    let taken = drive(&mut state, Event::Ask, now, &settings);
                    if let Decision::Admit(pass) = taken.decision {
                        prop_assert!(before.wait(now).is_none_or(|wait| wait.is_zero()));
                        open_tickets.push(pass);
                    } else {
                        prop_assert!(before.position() != Position::Closed);
                    }
                }
                Move::Finish(index, verdict) if !open_tickets.is_empty() => {
                    let pass = open_tickets.swap_remove(usize::from(index) % open_tickets.len());
                    let taken = drive(&mut state, Event::Done(pass, verdict), now, &settings);
                    // Results of calls from before the last opening count for nothing.
                    if matches!(before, Breaker::Closed { epoch, .. } if epoch == pass.epoch) {
                        row_of_failures = match verdict {
                            Verdict::Failure => row_of_failures + 1,
                            Verdict::Success => 0,
                            _ => row_of_failures,
                        };
                    }
                    if let Some((_, Position::Open)) = taken.transition {
                        prop_assert_eq!(verdict, Verdict::Failure, "only a failure opens");
                        let probed = before.position() == Position::HalfOpen && pass.is_probe;
                        prop_assert!(probed || row_of_failures >= settings.failures);
                        row_of_failures = 0;
                    }
                    if let Some((_, Position::Closed)) = taken.transition {
                        prop_assert!(pass.is_probe, "only a probe closes");
                        row_of_failures = 0;
                    }
                }
                Move::Finish(..) => {}
            }
            let Breaker::HalfOpen { epoch, .. } = state else {
                if let Breaker::Open { until, interval, .. } = state {
                    prop_assert!(interval <= settings.max_open && until <= now + interval);
                }
                continue;
            };
            let probes = open_tickets.iter().filter(|t| t.is_probe && t.epoch == epoch).count();
            prop_assert!(probes <= 1, "one probe at a time");
        }
    }

    /// Whatever came before, and whoever still holds a ticket, a dependency that works again is
    /// used again after one open interval, through one probe.
    #[test]
    fn it_is_never_stuck_once_the_dependency_works_again(moves in moves()) {
        let settings = BreakerSettings::default();
        let (mut state, mut now) = (Breaker::default(), Instant::now());
        let mut held: Vec<Ticket> = Vec::new();
        for one in moves {
            match one {
                Move::Wait(ms) => now += Duration::from_millis(u64::from(ms)),
                Move::Alive => {
                    let taken = drive(&mut state, Event::Alive, now, &settings);
                    prop_assert_eq!(taken.transition, None);
                }
                Move::Ask => {
                    let taken = drive(&mut state, Event::Ask, now, &settings);
                    if let Decision::Admit(pass) = taken.decision {
                        held.push(pass);
                    }
                }
                Move::Finish(index, verdict) if !held.is_empty() => {
                    let pass = held.swap_remove(usize::from(index) % held.len());
                    drive(&mut state, Event::Done(pass, verdict), now, &settings);
                }
                Move::Finish(..) => {}
            }
        }
        // Callers that went away give their places back, as an admission does when dropped.
        for pass in held {
            drive(&mut state, Event::Done(pass, Verdict::Abandoned), now, &settings);
        }
        now += settings.max_open;
        let pass = drive(&mut state, Event::Ask, now, &settings);
        prop_assert!(matches!(pass.decision, Decision::Admit(_)), "{:?}", state);
        drive(&mut state, Event::Done(ticket(pass), Verdict::Success), now, &settings);
        prop_assert_eq!(state.position(), Position::Closed);
    }

    /// Refusals of the dependency's own and calls given up never open it.
    #[test]
    fn business_errors_never_trip(
        verdicts in proptest::collection::vec(
            prop_oneof![Just(Verdict::Business), Just(Verdict::Abandoned)], 1..100),
    ) {
        let (settings, now) = (BreakerSettings::default(), Instant::now());
        let mut state = Breaker::default();
        for verdict in verdicts {
            let pass = ticket(drive(&mut state, Event::Ask, now, &settings));
            drive(&mut state, Event::Done(pass, verdict), now, &settings);
            prop_assert_eq!(state.position(), Position::Closed);
        }
    }
}
