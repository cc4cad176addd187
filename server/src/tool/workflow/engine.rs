//! The rules of a workflow as one pure function.

use super::state::{Confidence, State, Step};

/// Steps at `exploring` or `low` in a row after which more steps are no use.
const STUCK_LOW: usize = 3;
/// Steps at `medium` in a row after which more steps are no use.
const STUCK_MEDIUM: usize = 5;

/// What the caller asked of this step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) number: u32,
    pub(super) total: u32,
    pub(super) is_next_required: bool,
    pub(super) backtrack_from: Option<u32>,
    pub(super) may_review: bool,
    /// Whether the thread can take a step after this one.
    pub(super) has_room: bool,
}

/// What follows this step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The caller works on.
    Continue,
    /// A model reviews what was collected.
    Review {
        /// Why the server ended the work before the caller did.
        early: Option<&'static str>,
    },
    /// Complete without a review.
    Local {
        /// Why the server ended the work before the caller did.
        early: Option<&'static str>,
        /// Whether the caller's certainty made a review needless.
        is_certain: bool,
    },
}

impl Ending {
    /// Why the server ended the work before the caller did.
    pub(super) const fn early(self) -> Option<&'static str> {
        match self {
            Self::Continue => None,
            Self::Review { early } | Self::Local { early, .. } => early,
        }
    }
}

/// Adds a step and decides what follows. A step number sent again replaces that step and the ones
/// after it, so that a caller who missed a reply may repeat itself.
pub(super) fn advance(
    mut state: State,
    step: Step,
    request: &Request,
    has_expert: bool,
) -> (State, Ending) {
    let keep_below = request.backtrack_from.unwrap_or(u32::MAX).min(step.number);
    state.steps.retain(|kept| kept.number < keep_below);
    state.total = request.total.max(step.number);
    state.steps.push(step);
    let early = match request {
        Request {
            is_next_required: false,
            ..
        } => None,
        Request {
            has_room: false, ..
        } => Some("the thread has no room for another step"),
        _ => early_end(&state),
    };
    if request.is_next_required && early.is_none() {
        state.total = state.total.max(request.number.saturating_add(1));
        return (state, Ending::Continue);
    }
    let is_certain = state.steps.last().is_some_and(is_certain);
    let ending = if has_expert && request.may_review && !is_certain {
        Ending::Review { early }
    } else {
        Ending::Local { early, is_certain }
    };
    (state, ending)
}

fn early_end(state: &State) -> Option<&'static str> {
    let last = state.steps.last()?;
    if is_certain(last) {
        return Some("the confidence is certain, so more steps would add nothing");
    }
    let in_a_row = |is_one: fn(Confidence) -> bool| {
        let of = |step: &&Step| step.confidence.is_some_and(is_one);
        state.steps.iter().rev().take_while(of).count()
    };
    if in_a_row(|one| one <= Confidence::Low) >= STUCK_LOW {
        Some("the confidence stayed low for three steps, so another view is due")
    } else if in_a_row(|one| one == Confidence::Medium) >= STUCK_MEDIUM {
        Some("the confidence stayed medium for five steps, so another view is due")
    } else {
        None
    }
}

fn is_certain(step: &Step) -> bool {
    step.confidence == Some(Confidence::Certain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: u32, confidence: Option<Confidence>) -> Step {
        Step {
            number,
            step: format!("s{number}"),
            confidence,
            ..Step::default()
        }
    }

    fn request(number: u32, total: u32, is_next_required: bool) -> Request {
        Request {
            number,
            total,
            is_next_required,
            backtrack_from: None,
            may_review: true,
            has_room: true,
        }
    }

    fn walk(confidences: &[Option<Confidence>]) -> (State, Ending) {
        let mut state = State::begin("analyze");
        let mut ending = Ending::Continue;
        for (n, confidence) in (1..).zip(confidences) {
            (state, ending) = advance(state, step(n, *confidence), &request(n, 9, true), true);
        }
        (state, ending)
    }

    #[test]
    fn a_workflow_stops_exactly_when_its_confidence_stands_still() {
        use Confidence::{Certain, Exploring, High, Low, Medium};
        let cases: [(&[Option<Confidence>], bool); 9] = [
            (&[Some(Low), Some(Exploring)], false),
            (&[Some(Low), Some(Exploring), Some(Low)], true),
            (&[Some(Low), Some(High), Some(Low), Some(Low)], false),
            (&[Some(Medium); 4], false),
            (&[Some(Medium); 5], true),
            (&[None, None, None, None, None, None], false),
            (&[Some(Low), None, Some(Low), Some(Low)], false),
            (&[Some(High), Some(Certain)], true),
            (&[Some(High); 8], false),
        ];
        for (confidences, is_early) in cases {
            let (_, ending) = walk(confidences);
            assert_eq!(
                ending.early().is_some(),
                is_early,
                "{confidences:?}: {ending:?}"
            );
        }
    }

    #[test]
    fn the_last_step_a_thread_can_take_ends_the_work() {
        let full = Request {
            has_room: false,
            ..request(3, 9, true)
        };
        let (_, ending) = advance(State::default(), step(3, None), &full, true);
        assert!(
            matches!(ending, Ending::Review { early: Some(_) }),
            "{ending:?}"
        );
        let (_, ending) = advance(State::default(), step(3, None), &full, false);
        assert!(ending.early().is_some(), "{ending:?}");
    }

    #[test]
    fn certainty_or_the_callers_wish_ends_without_a_review() {
        let end = |confidence, may_review, has_expert| {
            let request = Request {
                may_review,
                ..request(1, 1, false)
            };
            advance(State::default(), step(1, confidence), &request, has_expert).1
        };
        let sure = Some(Confidence::Certain);
        assert_eq!(end(None, true, true), Ending::Review { early: None });
        assert_eq!(
            end(None, false, true),
            Ending::Local {
                early: None,
                is_certain: false
            }
        );
        assert_eq!(
            end(None, true, false),
            Ending::Local {
                early: None,
                is_certain: false
            }
        );
        assert_eq!(
            end(sure, true, true),
            Ending::Local {
                early: None,
                is_certain: true
            }
        );
    }

    #[test]
    fn backtracking_and_repeating_drop_the_steps_they_replace() {
        let (state, _) = walk(&[None, None, None, None]);
        let back = Request {
            backtrack_from: Some(2),
            ..request(5, 9, true)
        };
        let (state, _) = advance(state, step(5, None), &back, true);
        let numbers = |state: &State| state.steps.iter().map(|s| s.number).collect::<Vec<_>>();
        assert_eq!(numbers(&state), [1, 5]);
        let (state, _) = advance(state, step(5, None), &request(5, 9, true), true);
        assert_eq!(numbers(&state), [1, 5]);
    }

    #[test]
    fn the_total_rises_to_the_step_and_past_it_while_more_is_to_come() {
        let total = |request: Request| {
            advance(State::default(), step(request.number, None), &request, true)
                .0
                .total
        };
        assert_eq!(total(request(4, 2, false)), 4);
        assert_eq!(total(request(4, 4, true)), 5);
        assert_eq!(total(request(1, 3, true)), 3);
    }
}
