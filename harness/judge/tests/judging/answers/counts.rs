//! What is counted where: transports and refusals one by one, repeats by their kind.

use exai_judge::Finding;
use exai_judge::observation::Event;
use exai_judge::operation::{ProofKind, Repeat, Transport};

use super::{PROFILE, good};
use crate::world::{Ask, S, all_built};

fn seen(finding: &Finding, id: &str) -> u64 {
    let floor = finding.floors.iter().find(|floor| floor.id == id);
    floor.unwrap_or_else(|| panic!("no floor {id}")).seen
}

#[test]
fn every_proven_answer_is_counted_once_and_refusals_are_none() {
    let criteria = all_built();
    let finding = good(&criteria).finding(&criteria, PROFILE, "V.1");
    // On each transport six chats and one version.
    let all = 7 * Transport::ALL.len();
    let begin = format!("{all} proven answers; ");
    assert!(finding.headline.starts_with(&begin), "{}", finding.headline);
    let each = 2 * u64::try_from(Transport::ALL.len()).unwrap();
    for provider in ["kimi", "glm", "minimax"] {
        assert_eq!(seen(&finding, &format!("provider.{provider}")), each);
    }
}

#[test]
fn a_refusal_counts_for_its_kind_on_its_transport_and_for_no_other() {
    let criteria = all_built();
    for (kind, tool) in [("unknown_tool", "no_such_tool"), ("bad_argument", "chat")] {
        let mut world = good(&criteria);
        world.out.retain(|seen| match &seen.event {
            Event::Call(call) => {
                call.transport != Transport::Stdio
                    || call.tool != tool
                    || !matches!(call.proof, ProofKind::Refusal { .. })
            }
            _ => true,
        });
        let finding = world.finding(&criteria, PROFILE, "V.1");
        for transport in Transport::ALL {
            for of in ["unknown_tool", "bad_argument"] {
                let is_gone = of == kind && transport == Transport::Stdio;
                let id = format!("{of}.{}", transport.name());
                assert_eq!(seen(&finding, &id), u64::from(!is_gone), "{id}, {kind}");
            }
        }
    }
}

#[test]
fn a_proven_repeat_counts_for_its_kind_alone() {
    let kinds = ["repeats_same", "repeats_other", "repeats_near"];
    for (exact, same_principal, wanted) in [
        (true, true, [1, 0, 0]),
        (true, false, [0, 1, 0]),
        (false, true, [0, 0, 1]),
        (false, false, [0, 0, 1]),
    ] {
        let criteria = all_built();
        let mut world = good(&criteria);
        let mut call = world.keyed(&Ask::new("V.1", 19 * S));
        call.repeat = Some(Repeat {
            of: world.ops("V.1")[0],
            same_principal,
            exact,
        });
        world.record(call);
        let finding = world.finding(&criteria, PROFILE, "V.1");
        assert_eq!(kinds.map(|kind| seen(&finding, kind)), wanted);
    }
}
