//! Faults during a stream: `specs/provider-faults.md` section 2.

use super::Reaction::{F, N, P, R, X};
use super::{ALL, Fault, GLM, KIMI, MINIMAX, Shape};
use crate::provider::Provider::{Glm, Kimi, MiniMax};

/// In catalogue order.
pub const STREAM: &[Fault] = &[
    Fault::new(
        "S01",
        &[Kimi, MiniMax],
        "closes without the end mark; with or without finish",
    )
    .reacts(&[N, P])
    .variants(&["finished", "unfinished"])
    .streamed()
    .bytes(),
    Fault::new("S02", ALL, "closes or resets in the middle of a frame")
        .reacts(&[P, R])
        .variants(&["close", "reset", "clean"])
        .bytes(),
    Fault::new("S03", &[Kimi, MiniMax, Glm], "some frames, then silence")
        .reacts(&[P, F])
        .streamed()
        .bytes()
        .silent(),
    Fault::new("S04", ALL, "an error frame after 200: by its code")
        .reacts(&[P, R, F])
        .streamed(),
    Fault::new("S05", GLM, "finish_reason network_error").reacts(&[R, F]),
    Fault::new("S06", GLM, "finish_reason sensitive: reported as filtered").reacts(&[X]),
    Fault::new(
        "S07",
        &[Glm, MiniMax],
        "finish_reason model_context_window_exceeded",
    )
    .reacts(&[X]),
    Fault::new("S08", GLM, "a chunk whose choices are null or empty")
        .reacts(&[N])
        .variants(&["null", "empty"])
        .streamed(),
    Fault::new(
        "S09",
        ALL,
        "broken JSON in one frame: skipped and counted, above a limit F",
    )
    .reacts(&[N, F])
    .variants(&["glued", "tenth"])
    .streamed(),
    Fault::new(
        "S10",
        &[Kimi, MiniMax],
        "odd usage: in the choice, zeros, null, twice",
    )
    .reacts(&[N])
    .streamed(),
    Fault::new("S11", MINIMAX, "the whole message again in the last frame")
        .reacts(&[N])
        .on(Shape::StreamedChat),
    Fault::new("S12", MINIMAX, "cumulative reasoning_details")
        .reacts(&[N])
        .on(Shape::StreamedChat),
    Fault::new(
        "S13",
        MINIMAX,
        "the start of a block already carries its first text",
    )
    .reacts(&[N])
    .on(Shape::StreamedMessages),
    Fault::new("S14", MINIMAX, "role empty, delta null")
        .reacts(&[N])
        .on(Shape::StreamedChat),
    Fault::new("S15", MINIMAX, "a blank line between event and data")
        .reacts(&[N])
        .on(Shape::StreamedMessages),
    Fault::new(
        "S16",
        KIMI,
        "tool call without index, or with a word for it",
    )
    .reacts(&[N, R, F])
    .variants(&["missing", "word"])
    .streamed(),
    Fault::new("S17", GLM, "one index, a new tool id in each chunk")
        .reacts(&[N])
        .streamed(),
    Fault::new(
        "S18",
        &[Kimi, Glm],
        "thinking only, then stop or length: R with a larger maximum",
    )
    .reacts(&[R, X])
    .variants(&["length", "stop"]),
    Fault::new(
        "S19",
        ALL,
        "keep-alive comments: they reset idle, not progress",
    )
    .reacts(&[N])
    .streamed(),
    Fault::new("S20", ALL, "characters cut at chunk boundaries")
        .reacts(&[N])
        .streamed()
        .bytes(),
    Fault::new(
        "S21",
        ALL,
        "legal SSE spellings: CRLF, CR, no space, several data lines, BOM",
    )
    .reacts(&[N])
    .variants(&["crlf", "cr", "nospace", "multiline", "bom"])
    .streamed(),
    Fault::new("S22", ALL, "a second end mark and data after it")
        .reacts(&[N])
        .streamed(),
    Fault::new("S23", MINIMAX, "200, then nothing but the end mark")
        .reacts(&[R, F])
        .streamed(),
    Fault::new(
        "S24",
        MINIMAX,
        "pings for ever, no content: the progress timer leaves",
    )
    .reacts(&[F])
    .on(Shape::StreamedMessages)
    .bytes()
    .silent(),
    Fault::new(
        "S25",
        ALL,
        "one byte at a time, slowly: partial at the overall deadline",
    )
    .reacts(&[P])
    .bytes()
    .silent(),
    Fault::new("S26", ALL, "a JSON body where a stream was asked for")
        .reacts(&[N])
        .variants(&["answer", "error"])
        .streamed(),
    Fault::new(
        "S27",
        ALL,
        "half-closed, then reset, after the finish chunk",
    )
    .reacts(&[N])
    .streamed()
    .bytes(),
];
