//! Faults before any byte of the answer, and FailoverBench's three shapes without an id.

use super::Reaction::{B, C, F, N, P, R, X};
use super::{ALL, Fault, GLM, KIMI, MINIMAX};

/// `specs/provider-faults.md` section 1.
pub const BEFORE: &[Fault] = &[
    Fault::new(
        "K01",
        KIMI,
        "429 engine_overloaded_error without Retry-After",
    )
    .reacts(&[R, F]),
    Fault::new(
        "K02",
        KIMI,
        "429 RPM or concurrency, the text names 1 second: retry after it",
    )
    .reacts(&[R])
    .variants(&["rpm", "concurrency"]),
    Fault::new("K03", KIMI, "429 tokens per day used up").reacts(&[B, F]),
    Fault::new("K04", KIMI, "no balance, as 429 or 403")
        .reacts(&[X, B, F])
        .variants(&["429", "403"]),
    Fault::new(
        "K05",
        KIMI,
        "429 with Retry-After 86400 (leave at once); 2 is honoured",
    )
    .reacts(&[F, R])
    .variants(&["86400", "2"]),
    Fault::new(
        "K06",
        KIMI,
        "400 fixed temperature: the adapter drops or fixes the field",
    )
    .reacts(&[X]),
    Fault::new(
        "K07",
        KIMI,
        "400 reasoning_content missing: repair the history once",
    )
    .reacts(&[X]),
    Fault::new(
        "K08",
        KIMI,
        "400 tool schema without type or anyOf: normalise it",
    )
    .reacts(&[X]),
    Fault::new(
        "K09",
        KIMI,
        "404 retired model: another model, or the next provider",
    )
    .reacts(&[X, F]),
    Fault::new("K10", KIMI, "504 with an HTML body: never parsed as JSON").reacts(&[R, F]),
    Fault::new("K11", KIMI, "401 for a key of the other region").reacts(&[C]),
    Fault::new("K12", KIMI, "400 thinking and effort together").reacts(&[X]),
    Fault::new(
        "K13",
        KIMI,
        "400 named tool_choice while thinking: downgrade to auto",
    )
    .reacts(&[X]),
    Fault::new("Z01", GLM, "429 with code 1302 or 1305, no Retry-After")
        .reacts(&[R, F])
        .variants(&["1302", "1305", "1303", "1312"]),
    Fault::new("Z02", GLM, "429 that is a quota: no retry before the reset")
        .reacts(&[X, B, F])
        .variants(&["1308", "1113", "1310", "1311"]),
    Fault::new(
        "Z03",
        GLM,
        "429/1305 for one prompt only: fails over, never trips the breaker",
    )
    .reacts(&[R, F]),
    Fault::new(
        "Z04",
        GLM,
        "529 in the Anthropic error shape, text with [1305]",
    )
    .reacts(&[R, F]),
    Fault::new("Z05", GLM, "500 that means a wrong path").reacts(&[C]),
    Fault::new(
        "Z06",
        GLM,
        "an HTML page: firewall 405, or a web app's page with 404 or 200",
    )
    .reacts(&[F])
    .variants(&["405", "404", "200"]),
    Fault::new(
        "Z07",
        GLM,
        "400 prompt too long, error not nested, code as number or text",
    )
    .reacts(&[N, X])
    .variants(&["flat", "nested_int", "flat_text"]),
    Fault::new("Z08", GLM, "400 because thinking was disabled").reacts(&[X]),
    Fault::new(
        "M01",
        MINIMAX,
        "200 with base_resp: 1002 R then F, 1004 C, 1008 X,B,F, 1027 X",
    )
    .reacts(&[R, F, C, X, B])
    .variants(&["1002", "1004", "1008", "1027"]),
    Fault::new(
        "M02",
        MINIMAX,
        "200 with type error: as the same HTTP error",
    )
    .reacts(&[R, F, X, C])
    .variants(&[
        "overloaded",
        "rate_limit",
        "invalid_request",
        "authentication",
    ]),
    Fault::new("M03", MINIMAX, "529 overloaded_error (2064)").reacts(&[R, F]),
    Fault::new(
        "M04",
        MINIMAX,
        "plan window used up (2056), resets at a named time",
    )
    .reacts(&[X, B])
    .variants(&["429", "500"]),
    Fault::new("M05", MINIMAX, "402/1008 for a good key of the wrong plan").reacts(&[C]),
    Fault::new("M06", MINIMAX, "400/2013 history defect: repair once")
        .reacts(&[X])
        .variants(&["tool_id", "arguments"]),
    Fault::new("M07", MINIMAX, "500 unknown error, 999 (1000)").reacts(&[R, F]),
    Fault::new("M08", MINIMAX, "422 sensitive (1027) with trace_id").reacts(&[X]),
    Fault::new(
        "M09",
        MINIMAX,
        "2045: traffic grows too fast, ramp up slowly",
    )
    .reacts(&[F]),
    Fault::new("G01", ALL, "429 with an empty body").reacts(&[R]),
    Fault::new("G02", ALL, "HTML from the gateway")
        .reacts(&[R, F])
        .variants(&["502", "503", "520", "500"]),
    Fault::new(
        "G03",
        ALL,
        "200 that is no answer: HTML, or an empty object",
    )
    .reacts(&[F])
    .variants(&["html", "empty"]),
    Fault::new(
        "G04",
        ALL,
        "slow first token: class prompt leaves, class thinking waits",
    )
    .reacts(&[F, N])
    .variants(&["headers", "silent"])
    .bytes()
    .silent(),
    Fault::new(
        "G05",
        ALL,
        "connection reset before the head, or closed without one",
    )
    .reacts(&[R, F])
    .variants(&["reset", "close"])
    .bytes(),
    Fault::new(
        "G06",
        ALL,
        "error object with a null code, without a type, or with a code that nobody documents",
    )
    .reacts(&[N])
    .variants(&["code_null", "no_type", "undocumented"]),
    Fault::new(
        "G07",
        ALL,
        "a refusal that amplifying clients multiply: one retry layer only",
    )
    .reacts(&[R]),
    Fault::new(
        "G08",
        ALL,
        "redirect to another host: never followed with credentials",
    )
    .reacts(&[F])
    .variants(&["307", "301"]),
    Fault::new("G09", ALL, "200 with 100 MB of JSON: the body is capped")
        .reacts(&[F])
        .bytes(),
];

/// Shapes of FailoverBench that the catalogue maps to no single id.
pub const BENCH: &[Fault] = &[
    Fault::new(
        "FB12",
        ALL,
        "context length exceeded: once, a larger model or a clean error",
    )
    .reacts(&[X]),
    Fault::new(
        "FB13",
        ALL,
        "content policy: one attempt, a clean error with the reason",
    )
    .reacts(&[X]),
    Fault::new(
        "FB14",
        ALL,
        "refuses a prefilled assistant turn, else answers",
    )
    .reacts(&[N, P]),
];
