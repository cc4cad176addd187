//! Faults below the frames: bytes, pauses and the socket itself.

use std::time::Duration;

use super::{Scene, Spoiled, unwritten};
use crate::desk;
use crate::fault::FaultName;
use crate::reply::{LAST_CHUNK, Reply, Step, chunk};
use crate::wire::{self, Frame, FrameKind};

/// Long enough for written bytes to leave before a reset overtakes them.
const SETTLE: Duration = Duration::from_millis(20);
/// The longest a silent or endless fault keeps a connection.
const LONGEST: Duration = Duration::from_secs(600);

pub fn spoil(name: FaultName<'_>, scene: Scene<'_>) -> Spoiled {
    match name.id {
        "S01" => without_end(name.variant, scene),
        "S02" if scene.terms.stream => Spoiled::without_answer(cut_stream(name.variant, &scene)),
        "S02" => Spoiled::without_answer(cut_body(name.variant, &scene)),
        "S03" => Spoiled::without_answer(stall(&scene)),
        "S20" => split_characters(scene),
        "S24" => Spoiled::without_answer(pings(&scene)),
        "S25" => drip(scene),
        "S27" => reset_after_finish(scene),
        _ => Spoiled::without_answer(unwritten()),
    }
}

fn frames(scene: &Scene<'_>) -> Vec<Frame> {
    wire::stream(scene.route, &scene.content)
}

fn head(scene: &Scene<'_>) -> Vec<u8> {
    desk::sse_head(scene.route, &scene.content).chunked()
}

/// Head and frames at the plan's pace, left open: no last chunk.
fn opened(scene: &Scene<'_>, frames: &[Frame]) -> Vec<Step> {
    let mut steps = vec![Step::Send(head(scene))];
    for frame in frames {
        if !scene.pace.is_zero() {
            steps.push(Step::Wait(scene.pace));
        }
        steps.push(Step::Send(chunk(frame.text.as_bytes())));
    }
    steps
}

fn ending(steps: Vec<Step>) -> Reply {
    Reply {
        status: 200,
        steps,
        keep_alive: false,
    }
}

/// The place after this share (in thirds) of the text frames.
fn thirds(frames: &[Frame], thirds: usize) -> usize {
    let texts: Vec<usize> = frames
        .iter()
        .enumerate()
        .filter(|(_, frame)| frame.kind == FrameKind::Text)
        .map(|(place, _)| place)
        .collect();
    let wanted = (texts.len() * thirds / 3).min(texts.len().saturating_sub(1));
    texts.get(wanted).copied().unwrap_or(0)
}

/// S01: everything but the end mark; `unfinished` lacks the finish too.
fn without_end(variant: &str, scene: Scene<'_>) -> Spoiled {
    let mut frames = frames(&scene);
    frames.retain(|frame| frame.kind != FrameKind::Done);
    if variant == "unfinished" {
        frames.retain(|frame| !matches!(frame.kind, FrameKind::Finish | FrameKind::Usage));
    }
    let mut steps = opened(&scene, &frames);
    steps.push(Step::Send(LAST_CHUNK.to_vec()));
    Spoiled {
        reply: ending(steps),
        answer: scene.content.text,
    }
}

/// S02 in a stream: two thirds of the text, half a frame, then a close, a reset, or a clean end.
fn cut_stream(variant: &str, scene: &Scene<'_>) -> Reply {
    let mut frames = frames(scene);
    let at = thirds(&frames, 2);
    let half = frames.get(at).map(|frame| {
        let bytes = frame.text.as_bytes();
        bytes.get(..bytes.len() / 2).unwrap_or_default().to_vec()
    });
    frames.truncate(at);
    let mut steps = opened(scene, &frames);
    let half = half.unwrap_or_default();
    if variant == "clean" {
        steps.push(Step::Send([chunk(&half), LAST_CHUNK.to_vec()].concat()));
    } else {
        // The chunk announces more than comes: the cut is visible below HTTP as well.
        let mut bytes = format!("{:x}\r\n", half.len() * 2 + 1).into_bytes();
        bytes.extend(half);
        steps.push(Step::Send(bytes));
    }
    finish(variant, steps)
}

/// S02 in a whole reply: two thirds of the announced body, or of a body announced that short.
fn cut_body(variant: &str, scene: &Scene<'_>) -> Reply {
    let body = wire::whole(scene.route, &scene.content)
        .to_string()
        .into_bytes();
    let part = body.get(..body.len() * 2 / 3).unwrap_or_default();
    let announced = if variant == "clean" {
        part.len()
    } else {
        body.len()
    };
    let mut bytes = desk::json_head(scene.route, 200).sized(announced);
    bytes.extend_from_slice(part);
    finish(variant, vec![Step::Send(bytes)])
}

fn finish(variant: &str, mut steps: Vec<Step>) -> Reply {
    if variant == "reset" {
        steps.extend([Step::Wait(SETTLE), Step::Reset]);
    }
    ending(steps)
}

/// S03: a third of the text, silence, then a close without an end.
fn stall(scene: &Scene<'_>) -> Reply {
    let mut frames = frames(scene);
    frames.truncate(thirds(&frames, 1).max(1));
    let mut steps = opened(scene, &frames);
    steps.push(Step::Wait(scene.delay_or(120_000).min(LONGEST)));
    ending(steps)
}

/// S20: every character of more than one byte is cut between two chunks and two writes.
fn split_characters(mut scene: Scene<'_>) -> Spoiled {
    let answer = (scene.compose)("naïve 数据 一致 ✓ 🦀 שלום café\nevery edge is cut");
    scene.content.text = Some(answer);
    let text: String = frames(&scene)
        .iter()
        .map(|frame| frame.text.as_str())
        .collect();
    let bytes = text.as_bytes();
    let mut steps = vec![Step::Send(head(&scene))];
    let mut from = 0;
    for (at, character) in text.char_indices().filter(|(_, one)| one.len_utf8() > 1) {
        for cut in at + 1..at + character.len_utf8() {
            steps.push(Step::Send(chunk(bytes.get(from..cut).unwrap_or_default())));
            steps.push(Step::Wait(Duration::from_millis(1)));
            from = cut;
        }
    }
    let rest = chunk(bytes.get(from..).unwrap_or_default());
    steps.push(Step::Send([rest, LAST_CHUNK.to_vec()].concat()));
    let reply = Reply {
        status: 200,
        steps,
        keep_alive: true,
    };
    Spoiled {
        reply,
        answer: scene.content.text,
    }
}

/// S24: the opening of a message, then pings until the client leaves.
fn pings(scene: &Scene<'_>) -> Reply {
    let gap = scene.delay_or(250).max(Duration::from_millis(1));
    let opening = wire::minimax::opening(&scene.content);
    let ping = opening
        .last()
        .map(|frame| chunk(frame.text.as_bytes()))
        .unwrap_or_default();
    let mut steps = opened(scene, &opening);
    let times = u64::try_from(LONGEST.as_millis() / gap.as_millis()).unwrap_or(1);
    steps.push(Step::Repeat {
        bytes: ping,
        gap,
        times,
    });
    ending(steps)
}

/// S25: the whole reply, one byte at a time.
fn drip(scene: Scene<'_>) -> Spoiled {
    let gap = scene.delay_or(1_000).max(Duration::from_millis(1));
    let mut spoiled = scene.whole();
    let bytes: Vec<u8> = spoiled
        .reply
        .steps
        .iter()
        .filter_map(|step| {
            if let Step::Send(bytes) = step {
                Some(bytes)
            } else {
                None
            }
        })
        .flatten()
        .copied()
        .collect();
    let head = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(0, |at| at + 4);
    let (head, body) = bytes.split_at(head);
    let mut steps = vec![Step::Send(head.to_vec())];
    for byte in body {
        steps.extend([Step::Wait(gap), Step::Send(vec![*byte])]);
    }
    spoiled.reply.steps = steps;
    spoiled.reply.keep_alive = false;
    spoiled
}

/// S27: everything up to the finish chunk, then the writing half closes and the rest is reset.
fn reset_after_finish(scene: Scene<'_>) -> Spoiled {
    let mut frames = frames(&scene);
    frames.retain(|frame| !matches!(frame.kind, FrameKind::Done | FrameKind::Usage));
    let mut steps = opened(&scene, &frames);
    steps.extend([Step::HalfClose, Step::Wait(SETTLE), Step::Reset]);
    Spoiled {
        reply: ending(steps),
        answer: scene.content.text,
    }
}
