//! Which provider requests a call caused: its own tracers while it was open, and none forgotten
//! too soon.

use exai_judge::journal::Journal;
use exai_judge::observation::{Event, Served};
use exai_judge::operation::{Outcome, Planted, ProofKind, Repeat};
use exai_judge::proof::Usage;
use exai_judge::{Call, Observation};

use crate::world::{Ask, S, World};

/// A call that is open from 100 to 200, with a tracer of its own and one of an earlier turn.
fn call() -> Call {
    let ask = Ask {
        takes: 100,
        ..Ask::new("V.1", 100)
    };
    let planted = |slot: &str| Planted {
        slot: slot.to_owned(),
        text: format!("words of {slot}"),
    };
    let mut call = World::new().plain(&ask);
    call.proof = ProofKind::Keyed {
        tracers: vec![planted("prompt"), planted("turn.1")],
        sets: 1,
    };
    call
}

/// A request with the tracer of that slot, received at that moment.
fn serve(journal: &mut Journal, seq: u64, at: u64, slot: &str) {
    let mut world = World::new();
    let tracers = [format!("words of {slot}")];
    let served = world.serve(&Ask::new("V.1", at), at, &tracers);
    let served = Served {
        seq: format!("kimi.1.{seq}"),
        ..served
    };
    journal.serve(at, &served);
}

fn seqs<'a>(journal: &'a Journal, call: &Call) -> Vec<&'a str> {
    let attempts = journal.attempts(call).into_iter();
    attempts.map(|one| one.served.seq.as_str()).collect()
}

#[test]
fn a_request_belongs_to_the_call_that_was_open_when_it_came_in() {
    let mut journal = Journal::default();
    for (seq, at) in [(1, 99), (2, 100), (3, 150), (4, 200), (5, 201)] {
        serve(&mut journal, seq, at, "prompt");
    }
    serve(&mut journal, 6, 150, "turn.1");
    serve(&mut journal, 7, 150, "another");
    let open = call();
    assert_eq!(seqs(&journal, &open), ["kimi.1.2", "kimi.1.3", "kimi.1.4"]);
    let unknown = Call {
        outcome: Outcome::Unknown,
        ..open
    };
    let all = ["kimi.1.2", "kimi.1.3", "kimi.1.4", "kimi.1.5"];
    assert_eq!(seqs(&journal, &unknown), all, "the server may have gone on");
}

#[test]
fn what_began_before_the_moment_is_forgotten_and_what_began_at_it_is_not() {
    let mut journal = Journal::default();
    serve(&mut journal, 1, 149, "prompt");
    serve(&mut journal, 2, 150, "prompt");
    journal.forget(149);
    assert_eq!(seqs(&journal, &call()).len(), 2);
    journal.forget(150);
    assert_eq!(seqs(&journal, &call()), ["kimi.1.2"]);
    assert!(journal.entry("kimi.1.1").is_none());
    journal.forget(151);
    assert_eq!(seqs(&journal, &call()), Vec::<&str>::new());
}

#[test]
fn the_end_of_a_request_is_joined_to_it_whichever_came_first() {
    for order in [[0, 1], [1, 0]] {
        let mut world = World::new();
        let served = world.serve(&Ask::new("V.1", 100), 100, &[]);
        world.deliver(170, &served.seq, "answered", Some("text"));
        let events: Vec<Observation> = world.out.split_off(world.out.len() - 2);
        let mut journal = Journal::default();
        for index in order {
            match &events[index].event {
                Event::Served(served) => journal.serve(events[index].at, served),
                Event::Delivered(end) => journal.deliver(events[index].at, end),
                other => panic!("{other:?}"),
            }
        }
        let entry = journal.entry(&served.seq).unwrap();
        assert_eq!(entry.ended.as_ref().map(|(at, _)| *at), Some(170));
        assert_eq!(entry.delivered().map(|end| end.status), Some(200));
    }
}

/// Whether the second call may be answered by the first one's request.
fn may_share(change: impl Fn(&mut Call, &mut Call)) -> bool {
    let repeat = |of| {
        Some(Repeat {
            of,
            same_principal: true,
            exact: true,
        })
    };
    let (mut first, mut second) = (call(), call());
    second.op = first.op + 1;
    second.repeat = repeat(first.op);
    change(&mut first, &mut second);
    let mut usage = Usage::default();
    let seqs = ["kimi.1.1".to_owned()];
    assert_eq!(usage.claim(&first, &seqs, S), None);
    usage.claim(&second, &seqs, S).is_none()
}

#[test]
fn one_request_serves_one_call_and_its_exact_repeat_while_the_answer_is_kept() {
    assert!(may_share(|_, _| {}));
    assert!(may_share(|first, second| second.sent_at = first.sent_at + S));
    assert!(!may_share(
        |first, second| second.sent_at = first.sent_at + S + 1
    ));
    assert!(!may_share(|_, second| second.repeat = None));
    assert!(!may_share(|_, second| second.identity.push('2')));
    let of =
        |change: fn(&mut Repeat)| may_share(|_, second| second.repeat.iter_mut().for_each(change));
    assert!(!of(|repeat| repeat.exact = false));
    assert!(!of(|repeat| repeat.same_principal = false));
    assert!(!of(|repeat| repeat.of += 7));
    // Of two near repeats of one operation neither may have the other's.
    assert!(!may_share(|first, second| {
        first.repeat.clone_from(&second.repeat);
        first
            .repeat
            .iter_mut()
            .for_each(|repeat| repeat.exact = false);
    }));
}
