//! Decides which fault, if any, lands on a request: the plan's rules with their counters.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::fault::{self, FaultName, Shape};
use crate::plan::{Plan, Rule};
use crate::provider::Route;

/// What a rule needs to know of a request.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// All message texts.
    pub text: &'a str,
    /// The model as named.
    pub model: &'a str,
    /// Where it was sent.
    pub route: Route,
    /// Whether a stream was asked for.
    pub streamed: bool,
    /// Time since the plan was installed.
    pub elapsed: Duration,
}

/// A rule that fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landing {
    /// The rule's id.
    pub rule: String,
    /// The fault as the rule names it.
    pub fault: String,
    /// The fault's own wait, if the rule sets one.
    pub delay: Option<Duration>,
}

impl Landing {
    /// Id and variant. Rules are checked when installed, so the empty name never comes up.
    #[must_use]
    pub fn name(&self) -> FaultName<'_> {
        FaultName::parse(&self.fault).unwrap_or(FaultName {
            id: "",
            variant: "",
        })
    }
}

/// The rules of one installed plan.
#[derive(Debug)]
pub struct Rulebook {
    rules: Vec<(Rule, Shape)>,
    counts: Mutex<Vec<Count>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    matched: u64,
    fired: u64,
}

impl Rulebook {
    /// All counters at zero.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let shape = |rule: &Rule| {
            let row = FaultName::parse(&rule.fault).and_then(|name| fault::find(name.id));
            row.map_or(Shape::Any, |row| row.shape)
        };
        let rules: Vec<_> = plan
            .rules
            .iter()
            .map(|rule| (rule.clone(), shape(rule)))
            .collect();
        let counts = Mutex::new(vec![Count::default(); rules.len()]);
        Self { rules, counts }
    }

    /// Asks the rules in order; the first that fires wins and the later ones are not asked, so
    /// their counters stand still.
    pub fn fire(&self, facts: &Facts<'_>) -> Option<Landing> {
        if self.rules.is_empty() {
            return None;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for ((rule, shape), count) in self.rules.iter().zip(counts.iter_mut()) {
            if shape.takes(facts.route, facts.streamed) && matches(rule, facts) && count.step(rule)
            {
                return Some(Landing {
                    rule: rule.id.clone(),
                    fault: rule.fault.clone(),
                    delay: rule.delay_ms.map(Duration::from_millis),
                });
            }
        }
        None
    }

    /// Each rule's id with its matches and firings so far.
    #[must_use]
    pub fn tally(&self) -> Vec<(String, u64, u64)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = self.rules.iter().zip(counts.iter());
        pairs
            .map(|((rule, _), count)| (rule.id.clone(), count.matched, count.fired))
            .collect()
    }
}

fn matches(rule: &Rule, facts: &Facts<'_>) -> bool {
    let when = &rule.when;
    let elapsed = u64::try_from(facts.elapsed.as_millis()).unwrap_or(u64::MAX);
    when.model
        .as_deref()
        .is_none_or(|model| model == facts.model)
        && when
            .contains
            .as_deref()
            .is_none_or(|text| facts.text.contains(text))
        && when.from_ms.is_none_or(|from| elapsed >= from)
        && when.until_ms.is_none_or(|until| elapsed < until)
}

impl Count {
    /// Counts a match and says whether it fires.
    fn step(&mut self, rule: &Rule) -> bool {
        let number = self.matched;
        self.matched += 1;
        let due = number
            .checked_sub(rule.when.skip)
            .is_some_and(|past| past.is_multiple_of(rule.when.every.max(1)));
        let fires = due && rule.when.times.is_none_or(|times| self.fired < times);
        self.fired += u64::from(fires);
        fires
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::When;

    fn facts(text: &str) -> Facts<'_> {
        Facts {
            text,
            model: "kimi-k3",
            route: Route::KimiChat,
            streamed: false,
            elapsed: Duration::from_millis(50),
        }
    }

    fn book(rules: Vec<(&str, &str, When)>) -> Rulebook {
        let rule = |(id, fault, when): (&str, &str, When)| Rule {
            id: id.into(),
            fault: fault.into(),
            when,
            delay_ms: None,
        };
        Rulebook::new(&Plan {
            rules: rules.into_iter().map(rule).collect(),
            ..Plan::default()
        })
    }

    fn fired(book: &Rulebook, facts: &Facts<'_>) -> String {
        book.fire(facts).map_or("-".into(), |landing| landing.rule)
    }

    #[test]
    fn the_first_rule_that_fires_wins_and_a_spent_one_lets_the_next_speak() {
        let once = When {
            times: Some(1),
            ..When::default()
        };
        let book = book(vec![("a", "G01", once), ("b", "G02", When::default())]);
        let words: Vec<_> = (0..3).map(|_| fired(&book, &facts(""))).collect();
        assert_eq!(words, ["a", "b", "b"]);
        assert_eq!(book.tally(), [("a".into(), 3, 1), ("b".into(), 2, 2)]);
    }

    #[test]
    fn a_condition_that_does_not_hold_is_not_counted() {
        let when = |change: fn(&mut When)| {
            let mut when = When::default();
            change(&mut when);
            when
        };
        for (name, condition) in [
            ("contains", when(|w| w.contains = Some("fox".into()))),
            ("model", when(|w| w.model = Some("glm-5".into()))),
            ("from", when(|w| w.from_ms = Some(60))),
            ("until", when(|w| w.until_ms = Some(50))),
        ] {
            let book = book(vec![(name, "G01", condition)]);
            assert_eq!(fired(&book, &facts("red owl")), "-", "{name}");
            assert_eq!(book.tally()[0].1, 0, "{name}");
        }
        let stream_only = book(vec![("s", "S09", When::default())]);
        assert_eq!(fired(&stream_only, &facts("")), "-");
        assert_eq!(
            fired(
                &stream_only,
                &Facts {
                    streamed: true,
                    ..facts("")
                }
            ),
            "s"
        );
    }

    proptest! {
        #[test]
        fn firings_follow_skip_every_and_times(
            skip in 0_u64..5, every in 1_u64..5, times in prop::option::of(0_u64..4),
        ) {
            let when = When { skip, every, times, ..When::default() };
            let book = book(vec![("a", "G01", when)]);
            let mut count = 0;
            for number in 0..30_u64 {
                let due = number >= skip && (number - skip) % every == 0;
                let wanted = due && times.is_none_or(|times| count < times);
                count += u64::from(wanted);
                prop_assert_eq!(book.fire(&facts("")).is_some(), wanted);
            }
        }
    }
}
