//! V.1 against good, bad and empty histories.

mod bystander;
mod cells;
mod counts;
mod disguise;
mod seats;
mod shown;
mod structured;
mod unasked;

use std::collections::BTreeMap;

use exai_judge::observation::{Event, Listed};
use exai_judge::operation::{Planted, ProofKind, Repeat, Transport};
use exai_judge::{Criteria, Reason, Verdict, hex, tracer};

use crate::verdicts::{assert_inconclusive, assert_pass, check, failed};
use crate::world::{Ask, MS, S, World, all_built};

const PROFILE: &str = "smoke";

/// Every smoke tool on every transport, each provider, refusals and lists.
pub fn good(criteria: &Criteria) -> World {
    let mut world = World::new();
    world.phase("V.1", "main", S, 20 * S);
    let providers = ["kimi", "glm", "minimax"];
    let mut at = 2 * S;
    for transport in Transport::ALL {
        for (tool, provider) in ["chat", "analyze"]
            .into_iter()
            .flat_map(|tool| providers.map(|provider| (tool, provider)))
        {
            at += 100 * MS;
            let ask = Ask {
                transport,
                tool: tool.to_owned(),
                provider,
                ..Ask::new("V.1", at)
            };
            world.chat(&ask);
        }
        site(&mut world, transport, at);
        for (tool, category) in [
            ("no_such_tool", "client_error"),
            ("chat", "validation_error"),
        ] {
            let ask = Ask {
                transport,
                tool: tool.to_owned(),
                ..Ask::new("V.1", at)
            };
            let mut call = world.refused(&ask, category);
            call.proof = ProofKind::Refusal {
                category: category.to_owned(),
            };
            world.record(call);
        }
        let listed = |(name, row): (&String, &exai_judge::criterion::ToolRow)| {
            row.built
                .then(|| (name.clone(), hex::sha256(name.as_bytes())))
        };
        let listed = Listed {
            transport,
            tools: criteria
                .tools
                .iter()
                .filter_map(listed)
                .collect::<BTreeMap<_, _>>(),
            bytes: 30_000,
            repeated: Vec::new(),
            bad_cursor_refused: true,
        };
        world.push(at, Event::Listed(listed));
    }
    world
}

fn site(world: &mut World, transport: Transport, at: u64) {
    let ask = Ask {
        transport,
        tool: "version".to_owned(),
        ..Ask::new("V.1", at)
    };
    let mut call = world.plain(&ask);
    call.proof = ProofKind::Site {
        needles: vec!["juniper".to_owned()],
    };
    call.found = vec!["juniper".to_owned()];
    world.record(call);
}

#[test]
fn a_server_that_answers_everything_with_proof_passes() {
    let criteria = all_built();
    let finding = good(&criteria).finding(&criteria, PROFILE, "V.1");
    assert_pass(&finding);
    assert_eq!(finding.not_tested, Vec::<String>::new());
}

#[test]
fn what_is_not_built_is_named_and_never_passes() {
    let mut criteria = all_built();
    criteria.transports.get_mut("websocket").unwrap().built = false;
    for tool in ["smart_file_query", "smart_file_download"] {
        criteria.tools.get_mut(tool).unwrap().built = false;
    }
    let finding = good(&criteria).finding(&criteria, "quick", "V.1");
    assert_inconclusive(&finding, Reason::NotTestable);
    assert!(
        finding
            .not_tested
            .iter()
            .any(|line| line == "the tool smart_file_query is not built")
    );
    assert!(
        finding
            .not_tested
            .iter()
            .any(|line| line == "the transport websocket is not built")
    );
    let unbuilt = finding
        .floors
        .iter()
        .filter(|floor| floor.id.starts_with("tool."));
    assert_eq!(unbuilt.count(), 2);
}

#[test]
fn an_empty_history_is_not_selected_and_a_run_of_nothing_has_zero_samples() {
    let criteria = all_built();
    let empty = World::new().finding(&criteria, PROFILE, "V.1");
    assert_inconclusive(&empty, Reason::NotSelected);
    let mut idle = World::new();
    idle.phase("V.1", "main", S, 2 * S);
    assert_inconclusive(
        &idle.finding(&criteria, PROFILE, "V.1"),
        Reason::ZeroSamples,
    );
}

/// Spoils the first keyed call and demands exactly these failed checks.
fn spoiled(name: &str, demanded: &[&str], spoil: impl Fn(&mut World, u64)) {
    let criteria = all_built();
    let mut world = good(&criteria);
    let op = world.ops("V.1")[0];
    spoil(&mut world, op);
    let finding = world.finding(&criteria, PROFILE, "V.1");
    assert_eq!(finding.verdict, Verdict::Fail, "{name}");
    assert_eq!(failed(&finding), demanded, "{name}");
    let violation = &finding.violations[0];
    assert!(
        !violation.says.is_empty() && !violation.witnesses.is_empty(),
        "{name}"
    );
}

#[test]
fn each_lie_fails_its_own_check() {
    spoiled("echo", &["keyed"], |world, op| {
        world.call(op).answers = tracer::read_answer("you said\nhello\nthere")
            .into_iter()
            .collect();
    });
    spoiled("empty success", &["keyed"], |world, op| {
        world.call(op).answers.clear()
    });
    spoiled("failure as text", &["failure_inside"], |world, op| {
        let failed = world.refused(&Ask::new("V.1", 0), "provider_error").failure;
        world.call(op).failure = failed;
    });
    spoiled("foreign id", &["belongs"], |world, op| {
        world.call(op).belongs = Some(false)
    });
    spoiled("answered twice", &["doubled"], |world, op| {
        world.call(op).replies = 2
    });
    spoiled("cut text", &["text"], |world, op| {
        world.call(op).answers[0].above_sha256 = hex::sha256(b"cut");
    });
    spoiled("another text", &["text"], |world, op| {
        world.call(op).answers[0].text_sha256 = hex::sha256(b"another");
    });
    spoiled("dropped file", &["lost_input"], |world, op| {
        let text = world.tracer("file.0");
        let ProofKind::Keyed { tracers, .. } = &mut world.call(op).proof else {
            unreachable!()
        };
        tracers.push(Planted {
            slot: "file.0".to_owned(),
            text,
        });
    });
    spoiled("leak", &["leak"], |world, op| {
        world.call(op).proof = ProofKind::Keyed {
            tracers: Vec::new(),
            sets: 1,
        };
    });
    spoiled("not answered", &["ok"], |world, op| {
        world.call(op).outcome = exai_judge::Outcome::Unknown;
    });
}

#[test]
fn a_canned_answer_uses_a_sequence_twice_and_loses_the_input() {
    let criteria = all_built();
    let mut world = good(&criteria);
    let ops = world.ops("V.1");
    let canned = world.call(ops[0]).answers.clone();
    world.call(ops[1]).answers = canned;
    let finding = world.finding(&criteria, PROFILE, "V.1");
    let mut seen = failed(&finding);
    seen.sort_unstable();
    assert_eq!(seen, ["leak", "lost_input", "sequence"]);
}

#[test]
fn a_stored_answer_is_lawful_for_an_exact_repeat_of_the_same_principal_only() {
    let repeat = |exact, same_principal, identity: &str| {
        let criteria = all_built();
        let mut world = good(&criteria);
        let first = world.ops("V.1")[0];
        let mut again = world.call(first).clone();
        again.op = 9_000;
        again.identity = identity.to_owned();
        again.repeat = Some(Repeat {
            of: first,
            same_principal,
            exact,
        });
        world.record(again);
        failed(&world.finding(&criteria, PROFILE, "V.1")).len()
    };
    assert_eq!(repeat(true, true, "ann"), 0);
    assert_eq!(repeat(true, false, "bob"), 1, "another principal");
    assert_eq!(repeat(false, true, "ann"), 1, "a near repeat");
    assert_eq!(
        repeat(true, true, "bob"),
        1,
        "one who only claims to be the same"
    );
}

#[test]
fn tools_that_share_an_instruction_fail() {
    let criteria = all_built();
    let mut world = good(&criteria);
    for observation in &mut world.out {
        if let Event::Served(served) = &mut observation.event {
            served.system_sha256 = hex::sha256(b"one for all");
        }
    }
    assert_eq!(
        failed(&world.finding(&criteria, PROFILE, "V.1")),
        ["instructions"]
    );
}

#[test]
fn a_list_that_lacks_a_tool_on_one_transport_fails() {
    let criteria = all_built();
    let mut world = good(&criteria);
    let list = world
        .out
        .iter_mut()
        .rev()
        .find_map(|observation| match &mut observation.event {
            Event::Listed(listed) => Some(listed),
            _ => None,
        });
    list.expect("a list").tools.remove("chat");
    assert_eq!(failed(&world.finding(&criteria, PROFILE, "V.1")), ["list"]);
}

#[test]
fn a_violation_inside_a_rig_fault_is_a_harness_error_and_outside_a_fail() {
    let criteria = all_built();
    let mut world = good(&criteria);
    let op = world.ops("V.1")[0];
    world.call(op).answers.clear();
    let at = world.call(op).done_at;
    let rig = |until| Event::Rig {
        what: "cpu".to_owned(),
        until,
        detail: String::new(),
    };
    world.push(at - MS, rig(at + MS));
    let inside = world.finding(&criteria, PROFILE, "V.1");
    assert_eq!(check(&inside, "keyed").verdict, Verdict::HarnessError);
    let mut world = good(&criteria);
    world.call(op).answers.clear();
    world.push(at + S, rig(at + 2 * S));
    assert_eq!(
        world.finding(&criteria, PROFILE, "V.1").verdict,
        Verdict::Fail
    );
}
