//! What a simulator is told to do: pace, and an ordered list of fault rules. Data only; the
//! counters that decide whether a rule fires live in `rulebook`.

use serde::{Deserialize, Serialize};

use crate::fault::{self, FaultName};
use crate::provider::Provider;

/// The most rules one plan may hold.
pub const MAX_RULES: usize = 1_024;

/// One simulator's whole behaviour, apart from its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// Shapes prose and ids; never tracers.
    pub seed: u64,
    /// Wait before the status line, in milliseconds.
    pub first_byte_ms: u64,
    /// Wait before each frame of a stream, in milliseconds. 0 sends a stream in one write.
    pub chunk_ms: u64,
    /// Words of ordinary prose between the keyed lines of an answer.
    pub prose_words: u32,
    /// Models their vendor has withdrawn are still served.
    pub historic: bool,
    /// Characters of answer text in one streamed frame.
    pub chunk_chars: u32,
    /// Fault rules; the first that fires wins.
    pub rules: Vec<Rule>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 0,
            first_byte_ms: 0,
            chunk_ms: 0,
            prose_words: 40,
            historic: false,
            chunk_chars: 64,
            rules: Vec::new(),
        }
    }
}

/// One fault and the requests it lands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Shown in the journal beside the fault.
    pub id: String,
    /// A fault id of `fault::FAULTS` (`K02`), or one of its variants (`Z02:1308`).
    pub fault: String,
    /// Which requests; everything by default.
    #[serde(default)]
    pub when: When,
    /// The fault's own wait in milliseconds: silence, late token, gap of a drip, or what a refusal
    /// of Kimi's is held back; `None` takes the fault's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
}

/// The requests a rule may fire on. All given conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Text to find in the concatenated message texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Exact model name of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Matching requests let through before the first firing.
    pub skip: u64,
    /// After `skip`, fire on every n-th matching request; 1 is each of them.
    pub every: u64,
    /// Firings allowed; `None` is without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Not before this many milliseconds after the plan was installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<u64>,
    /// Not from this many milliseconds after the plan was installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
}

impl Default for When {
    fn default() -> Self {
        Self {
            contains: None,
            model: None,
            skip: 0,
            every: 1,
            times: None,
            from_ms: None,
            until_ms: None,
        }
    }
}

/// A plan that cannot be carried out by the simulator it was given to.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// More rules than [`MAX_RULES`].
    #[error("could not take {0} rules: at most {MAX_RULES}")]
    TooManyRules(usize),
    /// Two rules share an id, so that the journal could not tell them apart.
    #[error("could not tell two rules apart: id {0:?} is used twice")]
    DuplicateRule(String),
    /// `every` is zero.
    #[error("could not fire rule {0:?} every 0th time: use 1 or more")]
    ZeroEvery(String),
    /// The fault is unknown, or unknown in that variant.
    #[error("could not find fault {fault:?} of rule {rule:?}")]
    UnknownFault {
        /// The rule's id.
        rule: String,
        /// The fault as written.
        fault: String,
    },
    /// The fault belongs to another vendor.
    #[error("could not produce fault {fault:?} of rule {rule:?} at {provider}")]
    ForeignFault {
        /// The rule's id.
        rule: String,
        /// The fault as written.
        fault: String,
        /// The simulator's vendor.
        provider: Provider,
    },
    /// A stream would be cut into frames without text.
    #[error("could not stream 0 characters a frame: chunk_chars must be 1 or more")]
    EmptyChunks,
}

impl Plan {
    /// Checks the plan for one vendor's simulator.
    ///
    /// # Errors
    /// The first fault found, in rule order.
    pub fn check(&self, provider: Provider) -> Result<(), PlanError> {
        if self.rules.len() > MAX_RULES {
            return Err(PlanError::TooManyRules(self.rules.len()));
        }
        if self.chunk_chars == 0 {
            return Err(PlanError::EmptyChunks);
        }
        for (index, rule) in self.rules.iter().enumerate() {
            if self
                .rules
                .iter()
                .take(index)
                .any(|earlier| earlier.id == rule.id)
            {
                return Err(PlanError::DuplicateRule(rule.id.clone()));
            }
            rule.check(provider)?;
        }
        Ok(())
    }
}

impl Rule {
    fn check(&self, provider: Provider) -> Result<(), PlanError> {
        if self.when.every == 0 {
            return Err(PlanError::ZeroEvery(self.id.clone()));
        }
        let Some(name) = FaultName::parse(&self.fault) else {
            return Err(PlanError::UnknownFault {
                rule: self.id.clone(),
                fault: self.fault.clone(),
            });
        };
        let known = fault::find(name.id).is_some_and(|row| row.providers.contains(&provider));
        if known {
            return Ok(());
        }
        Err(PlanError::ForeignFault {
            rule: self.id.clone(),
            fault: self.fault.clone(),
            provider,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, fault: &str) -> Rule {
        Rule {
            id: id.into(),
            fault: fault.into(),
            when: When::default(),
            delay_ms: None,
        }
    }

    fn plan(rules: Vec<Rule>) -> Plan {
        Plan {
            rules,
            ..Plan::default()
        }
    }

    #[test]
    fn the_contract_example_parses_and_round_trips() {
        let text = r#"{"seed":7,"first_byte_ms":0,"chunk_ms":0,"rules":[{"id":"r1","fault":"K02",
            "when":{"contains":"words in a user message","model":"kimi-k3","skip":0,"every":1,
            "times":2}}]}"#;
        let plan: Plan = serde_json::from_str(text).unwrap();
        assert_eq!(plan.seed, 7);
        assert_eq!(plan.rules[0].when.times, Some(2));
        let again: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        assert_eq!(plan, again);
        assert_eq!(plan.check(Provider::Kimi), Ok(()));
    }

    #[test]
    fn an_unknown_field_is_refused() {
        assert!(serde_json::from_str::<Plan>(r#"{"sed":7}"#).is_err());
        let rule = r#"{"rules":[{"id":"a","fault":"G01","when":{"contain":"x"}}]}"#;
        assert!(serde_json::from_str::<Plan>(rule).is_err());
    }

    #[test]
    fn a_plan_that_could_not_be_carried_out_is_refused() {
        let mut every_zero = rule("a", "G01");
        every_zero.when.every = 0;
        let cases = [
            plan(vec![rule("a", "G01"), rule("a", "G02")]),
            plan(vec![every_zero]),
            plan(vec![rule("a", "K99")]),
            plan(vec![rule("a", "Z02:9999")]),
            plan(vec![rule("a", "M03")]),
            Plan {
                chunk_chars: 0,
                ..Plan::default()
            },
            plan(vec![rule("a", "G01"); MAX_RULES + 1]),
        ];
        for case in cases {
            assert!(case.check(Provider::Glm).is_err(), "{case:?}");
        }
        assert_eq!(
            plan(vec![rule("a", "Z02:1308")]).check(Provider::Glm),
            Ok(())
        );
    }
}
