//! Faults to be landed: the operation each lands on, the rule that makes it, and its lane.

use std::collections::BTreeMap;

use exai_harness::operation::OperationPlan;
use exai_harness::operation::builder::{Builder, Shape};
use exai_judge::operation::ProofKind;
use exai_mocks::plan::{Rule, When};

use super::row::{self, Route, Slot};
use super::{CRITERION, PHASE};
use crate::ground::CHAT_ROUTE;
use crate::stage::{PATIENCE, Stage, Trouble};

/// Sessions at one provider that land faults which end at once. Each has a good call at that
/// provider between two faults, and a fault fails at most twice there: together they stay below
/// what opens a breaker.
const PROMPT_LANES: usize = 2;
/// How many sessions share the faults that a provider can only be waited out of.
const SILENT_LANES: usize = 2;
/// How long a refusal that lands on several sessions at once is held back, so that all of them have
/// asked before the first one learns of it.
const TOGETHER_MS: u64 = 500;

/// One fault inside a session.
pub(super) struct Landing {
    pub slot: Slot,
    pub provider: String,
    pub plan: OperationPlan,
    pub rule: Rule,
}

/// Faults that one session lands one after the other, so that it waits for one silence at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Prompt(usize),
    Silent(usize),
    /// The flag it sets is waited out before the next one.
    Quota,
    /// Under another configuration, after all others.
    Chat,
}

/// The landings of the wanted faults, each at least `times`, and each form once where all faults
/// are wanted.
pub(super) fn landings(
    stage: &Stage,
    (wanted, times): (&[String], u64),
    builder: &mut Builder,
) -> Result<Vec<Landing>, Trouble> {
    let rows = row::rows()?;
    let is_all = wanted.iter().any(|entry| entry == "*");
    let mut found = Vec::new();
    for id in stage.criteria.faults.keys() {
        if !is_all && !wanted.contains(id) {
            continue;
        }
        let slots = row::slots(&rows, id);
        let forms = if is_all { slots.len() } else { 1 };
        let count = forms.max(usize::try_from(times).unwrap_or(usize::MAX));
        for (index, slot) in slots.iter().cycle().take(count).enumerate() {
            // The second round of forms takes the next provider of each.
            let turn = index / slots.len().max(1) + usize::from(slot.streamed);
            let provider = slot.row.on[turn % slot.row.on.len()].clone();
            found.push(Landing::new(stage, slot.clone(), provider, builder));
        }
    }
    Ok(found)
}

/// Deals landings to lanes, keeping each lane to one provider.
pub(super) fn share_out(landings: Vec<Landing>) -> BTreeMap<(Lane, String), Vec<Landing>> {
    let mut lanes: BTreeMap<(Lane, String), Vec<Landing>> = BTreeMap::new();
    let mut dealt: BTreeMap<(bool, String), usize> = BTreeMap::new();
    for landing in landings {
        let count = dealt
            .entry((landing.slot.fault.silent, landing.provider.clone()))
            .or_default();
        let lane = match (&landing.slot.row.route, landing.slot.row.quota) {
            (Some(Route::Chat), _) => Lane::Chat,
            (None, true) => Lane::Quota,
            (None, false) if landing.slot.fault.silent => Lane::Silent(*count % SILENT_LANES),
            (None, false) => Lane::Prompt(*count % PROMPT_LANES),
        };
        *count += 1;
        let key = (lane, landing.provider.clone());
        lanes.entry(key).or_default().push(landing);
    }
    lanes
}

impl Landing {
    pub(super) fn new(stage: &Stage, slot: Slot, provider: String, builder: &mut Builder) -> Self {
        let model = model_of(stage, &slot, &provider);
        // The silence of a model that thinks has a limit of its own.
        let is_waited_for = slot.fault.silent && slot.row.model.is_some();
        let phase = if is_waited_for {
            "faults.thinking"
        } else {
            PHASE
        };
        let shape = Shape {
            model,
            ..Shape::plain(PATIENCE)
        };
        let mut plan = builder.chat(&shape).within(CRITERION, phase);
        plan.fault = Some(slot.row.fault.clone());
        plan.reaction = Some(slot.row.demands.clone());
        if slot.streamed {
            plan = plan.streamed();
        }
        let together = (slot.row.together > 1).then_some(TOGETHER_MS);
        let wait = slot.row.delay_ms.or(together);
        let rule = rule(&plan, &slot.row.fault, slot.row.once, wait);
        Self {
            slot,
            provider,
            plan,
            rule,
        }
    }

    /// The same fault on another operation.
    pub(super) fn again(self, stage: &Stage, builder: &mut Builder) -> Self {
        Self::new(stage, self.slot, self.provider, builder)
    }

    /// The model it asks for.
    pub(super) fn model(&self, stage: &Stage) -> Option<String> {
        model_of(stage, &self.slot, &self.provider)
    }
}

fn model_of(stage: &Stage, slot: &Slot, provider: &str) -> Option<String> {
    let own = slot.row.model.clone();
    let model = own.or_else(|| stage.site.model_of(provider))?;
    Some(match slot.row.route {
        Some(Route::Chat) => format!("{CHAT_ROUTE}/{model}"),
        None => model,
    })
}

/// Lands on the requests that carry the operation's tracer.
pub(super) fn rule(plan: &OperationPlan, fault: &str, once: bool, delay_ms: Option<u64>) -> Rule {
    let tracer = match &plan.proof {
        ProofKind::Keyed { tracers, .. } => tracers.first().map(|planted| planted.text.clone()),
        _ => None,
    };
    let when = When {
        contains: tracer,
        times: once.then_some(1),
        ..When::default()
    };
    Rule {
        id: format!("{fault}.{}", plan.op),
        fault: fault.to_owned(),
        when,
        delay_ms,
    }
}
