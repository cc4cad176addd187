//! The checks of the conformance suite, as data where they are a fault and what must come of it.

use super::row::Row;
use super::suite::{Bench, Outcome};

/// A check by its name.
pub struct Check {
    pub name: &'static str,
    pub run: Run,
}

/// How a check is made.
pub enum Run {
    /// By a function of its own.
    By(fn(&Bench<'_>) -> Outcome),
    /// A fault that must be met in one way.
    Fault(Fault),
}

/// A fault and what must come of it.
pub struct Fault {
    pub id: &'static str,
    pub streamed: bool,
    pub once: bool,
    /// The caller's code; None is a proven answer.
    code: Option<&'static str>,
    /// Whether the code stands on words or numbers of the vendor's own.
    by_words: bool,
    pub requests: usize,
}

impl Fault {
    /// Of an OpenAI-shaped service nobody knows the words: a refusal is a refusal.
    pub const fn code_at(&self, row: &Row) -> Option<&'static str> {
        if self.by_words && row.dialect.is_some() {
            Some("provider_rejected_request")
        } else {
            self.code
        }
    }
}

const fn by(name: &'static str, run: fn(&Bench<'_>) -> Outcome) -> Check {
    let run = Run::By(run);
    Check { name, run }
}

const fn fails(
    name: &'static str,
    (id, streamed): (&'static str, bool),
    (code, requests): (&'static str, usize),
) -> Check {
    let run = Run::Fault(Fault {
        id,
        streamed,
        once: false,
        code: Some(code),
        by_words: false,
        requests,
    });
    Check { name, run }
}

const fn refuses(name: &'static str, id: &'static str, code: &'static str) -> Check {
    let run = Run::Fault(Fault {
        id,
        streamed: false,
        once: false,
        code: Some(code),
        by_words: true,
        requests: 1,
    });
    Check { name, run }
}

const fn answers(name: &'static str, id: &'static str, requests: usize) -> Check {
    let run = Run::Fault(Fault {
        id,
        streamed: true,
        once: requests > 1,
        code: None,
        by_words: false,
        requests,
    });
    Check { name, run }
}

/// The suite. Codes and numbers of requests follow the reactions of the fault catalogue, at a
/// provider with nobody behind it.
pub const CHECKS: &[Check] = &[
    by("whole", |bench| bench.proven(false)),
    by("streamed", |bench| bench.proven(true)),
    by("trace", |bench| bench.trace()),
    by("instructions", |bench| bench.instructions()),
    by("thread", |bench| bench.thread()),
    by("bound", |bench| bench.bound()),
    by("usage", |bench| bench.usage()),
    by("thinking", |bench| bench.thinking()),
    by("credential", |bench| bench.credential()),
    refuses("rejected", "C13", "provider_rejected_request"),
    refuses("policy", "FB13", "content_filtered"),
    refuses("too_long", "FB12", "context_too_long"),
    fails("page", ("G02:502", false), ("provider_failed", 2)),
    fails(
        "no_answer",
        ("G03:empty", false),
        ("provider_malformed_reply", 1),
    ),
    fails(
        "web_page",
        ("G03:html", true),
        ("provider_malformed_reply", 1),
    ),
    fails(
        "redirect",
        ("G08:307", false),
        ("provider_malformed_reply", 1),
    ),
    fails(
        "unreachable",
        ("G05:close", false),
        ("provider_unreachable", 2),
    ),
    fails("cut", ("S02:close", true), ("stream_interrupted", 2)),
    fails("cut_whole", ("S02:close", false), ("stream_interrupted", 2)),
    fails("silent", ("G04:silent", true), ("provider_silent", 1)),
    fails("head_alone", ("G04:headers", true), ("provider_silent", 1)),
    fails("stalled", ("S03", true), ("provider_stalled", 1)),
    answers("rate", "G01", 2),
    answers("odd_line", "S09:tenth", 1),
    answers("comments", "S19", 1),
    answers("characters", "S20", 1),
    answers("line_ends", "S21:crlf", 1),
    answers("old_line_ends", "S21:cr", 1),
    answers("no_space", "S21:nospace", 1),
    answers("many_lines", "S21:multiline", 1),
    answers("byte_order", "S21:bom", 1),
    answers("second_end", "S22", 1),
    answers("not_a_stream", "S26:answer", 1),
    answers("reset_at_end", "S27", 1),
    answers("other_name", "C11", 1),
    answers("hostile_text", "C14", 1),
];
