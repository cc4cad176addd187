//! Defects of content: `specs/provider-faults.md` section 3.

use super::Reaction::{N, R, X};
use super::{ALL, Fault, GLM, KIMI, MINIMAX, Shape};
use crate::provider::Provider::{Glm, Kimi};

/// In catalogue order.
pub const CONTENT: &[Fault] = &[
    Fault::new(
        "C01",
        ALL,
        "tool arguments cut, with trailing text, or no object: never replayed",
    )
    .reacts(&[R])
    .variants(&["cut", "trailing", "array"]),
    Fault::new(
        "C02",
        KIMI,
        "control tokens in the text, no tool_calls: N when it parses, else R",
    )
    .reacts(&[N, R])
    .variants(&["parses", "broken"]),
    Fault::new("C03", GLM, "arg_key markup in a tool call").reacts(&[R]),
    Fault::new(
        "C04",
        MINIMAX,
        "markup in the text: think is stripped, the others are retried",
    )
    .reacts(&[N, R])
    .variants(&["think", "minimax", "tool_call"]),
    Fault::new("C05", MINIMAX, "the reasoning again inside the text").reacts(&[N]),
    Fault::new("C06", GLM, "a tool call with an empty name: rejected").reacts(&[R]),
    Fault::new("C07", &[Glm, Kimi], "an empty message that is billed").reacts(&[R, X]),
    Fault::new("C08", KIMI, "usage that does not add up").reacts(&[N]),
    Fault::new("C09", KIMI, "empty unless thinking is set explicitly").reacts(&[N]),
    Fault::new(
        "C10",
        MINIMAX,
        "thinking blocks to be kept: the journal counts those returned",
    )
    .on(Shape::Messages)
    .reacts(&[N]),
    Fault::new("C11", ALL, "another model is named in the reply").reacts(&[N]),
    Fault::new("C12", ALL, "finish says tool_calls and there are none").reacts(&[N]),
    Fault::new("C13", ALL, "a 4xx that must stay visible as what it is").reacts(&[X]),
    Fault::new("C14", ALL, "the answer carries instructions: it is data").reacts(&[N]),
    Fault::new("C15", MINIMAX, "content null with stop_reason max_tokens")
        .on(Shape::Messages)
        .reacts(&[N]),
    Fault::new("C16", MINIMAX, "the text is not the first block")
        .on(Shape::Messages)
        .reacts(&[N]),
];
