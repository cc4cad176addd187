//! Tool x transport x provider: a cell that nothing proved is named and never passes.

use exai_judge::observation::Event;
use exai_judge::{Criteria, Finding, Reason};

use super::seats::panel;
use super::{PROFILE, good};
use crate::verdicts::assert_inconclusive;
use crate::world::{S, World, all_built};

fn seen(finding: &Finding, id: &str) -> Option<u64> {
    let floor = finding.floors.iter().find(|floor| floor.id == id);
    floor.map(|floor| floor.seen)
}

/// The good history without what one provider answered for one tool.
fn without(criteria: &Criteria, tool: &str, provider: &str) -> World {
    let mut world = good(criteria);
    world.out.retain(|seen| match &seen.event {
        Event::Call(call) => {
            let by = call.meta.as_ref().and_then(|meta| meta.provider.as_deref());
            call.tool != tool || by != Some(provider)
        }
        _ => true,
    });
    world
}

#[test]
fn a_tool_that_one_provider_never_answered_is_named_and_does_not_pass() {
    let criteria = all_built();
    let finding = without(&criteria, "analyze", "minimax").finding(&criteria, PROFILE, "V.1");
    assert_inconclusive(&finding, Reason::BelowFloor);
    assert_eq!(seen(&finding, "cell.analyze.stdio.minimax"), Some(0));
    assert_eq!(seen(&finding, "cell.analyze.stdio.glm"), Some(1));
    let headline = &finding.headline;
    assert!(headline.contains("24 of 28 cells full"), "{headline}");
    let named = "not analyze.http-2025-11-25.minimax and 3 more";
    assert!(headline.contains(named), "{headline}");
}

#[test]
fn a_tool_has_the_cells_of_the_providers_that_its_row_names() {
    let criteria = all_built();
    let mut world = World::new();
    world.phase("V.1", "main", S, 20 * S);
    let finding = world.finding(&criteria, "full", "V.1");
    let cells = |tool: &str| {
        let start = format!("cell.{tool}.stdio");
        let ids = finding.floors.iter().map(|floor| floor.id.as_str());
        ids.filter_map(|id| id.strip_prefix(&start))
            .collect::<Vec<_>>()
    };
    assert_eq!(cells("consensus"), ["", ".kimi", ".glm", ".minimax"]);
    assert_eq!(cells("kimi_chat_with_tools"), ["", ".kimi"]);
    assert_eq!(cells("glm_payload_preview"), ["", ".glm"]);
    assert_eq!(cells("planner"), [""]);
}

#[test]
fn whoever_draws_the_balance_fills_no_cell_of_the_panel() {
    let criteria = all_built();
    let mut world = World::new();
    world.phase("V.1", "main", S, 20 * S);
    panel(&mut world);
    let finding = world.finding(&criteria, PROFILE, "V.1");
    assert_eq!(
        seen(&finding, "cell.consensus.http-2026-07-28.minimax"),
        None,
        "not in smoke"
    );
    let finding = world.finding(&criteria, "quick", "V.1");
    let cell = |provider: &str| {
        seen(
            &finding,
            &format!("cell.consensus.http-2026-07-28.{provider}"),
        )
    };
    assert_eq!(
        ["kimi", "glm", "minimax"].map(cell),
        [Some(1), Some(1), Some(0)]
    );
}
