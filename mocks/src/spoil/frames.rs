//! Faults of a stream: rows S01 to S27. Those that change bytes on the socket are in `socket`; here
//! are the ones that change content or frames.

use serde_json::{Value, json};

use super::content::{thought, tool_name};
use super::{Scene, Spoiled, socket, unwritten};
use crate::content::{Call, Finish};
use crate::desk;
use crate::fault::FaultName;
use crate::provider::Route;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::spoil::{glm, kimi, minimax};
use crate::wire::{self, Frame, FrameKind};

pub fn spoil(name: FaultName<'_>, mut scene: Scene<'_>) -> Spoiled {
    match name.id {
        "S04" => in_stream_error(name.variant, scene),
        "S05" => cut_short(scene, "network_error"),
        "S06" => cut_short(scene, "sensitive"),
        "S07" => cut_short(scene, "model_context_window_exceeded"),
        "S16" | "S17" => {
            let id = format!("{}:0", tool_name(&scene));
            let arguments = "{\"path\":\"a\"}".to_owned();
            scene.content.calls = vec![Call {
                id,
                name: tool_name(&scene),
                arguments,
            }];
            scene.content.finish = Finish::ToolCalls;
            edited(scene, |frame, place| misnumber(name, frame, place))
        }
        "S18" => {
            scene.content.reasoning.get_or_insert_with(thought);
            scene.content.text = Some(String::new());
            let length = name.variant == "length";
            scene.content.finish = if length { Finish::Length } else { Finish::Stop };
            scene.changed()
        }
        "S26" if name.variant == "error" => {
            let mut refusal = overload(&scene);
            refusal.status = 200;
            Spoiled::without_answer(desk::refused(&refusal))
        }
        "S26" => {
            let body = wire::whole(scene.route, &scene.content).to_string();
            let reply = Reply::whole(desk::json_head(scene.route, 200), body.as_bytes());
            Spoiled {
                reply,
                answer: scene.content.text,
            }
        }
        "S08" | "S09" | "S10" | "S11" | "S12" | "S13" | "S14" | "S15" | "S19" | "S21" | "S22"
        | "S23" => oddity(name, scene),
        _ => socket::spoil(name, scene),
    }
}

/// Each vendor's overload refusal.
fn overload(scene: &Scene<'_>) -> Refusal {
    let name = |id| FaultName { id, variant: "" };
    let refusal = match scene.route {
        Route::KimiChat => kimi::refusal(name("K01"), scene),
        Route::GlmChat => glm::refusal(name("Z03"), scene),
        _ => minimax::refusal(name("M03"), scene),
    };
    refusal.unwrap_or_else(|| Refusal::parameter(scene.route, "overloaded"))
}

fn encoded(scene: &Scene<'_>, frames: &[Frame]) -> Reply {
    Reply::stream(
        desk::sse_head(scene.route, &scene.content),
        frames,
        scene.pace,
    )
}

/// The stream with every frame passed through `edit`, the answer still whole.
fn edited(scene: Scene<'_>, edit: impl Fn(Frame, usize) -> Vec<Frame>) -> Spoiled {
    let frames = wire::stream(scene.route, &scene.content);
    let frames: Vec<Frame> = frames
        .into_iter()
        .enumerate()
        .flat_map(|(place, frame)| edit(frame, place))
        .collect();
    Spoiled {
        reply: encoded(&scene, &frames),
        answer: scene.content.text,
    }
}

/// An error frame after the first text, or in place of any.
fn in_stream_error(variant: &str, scene: Scene<'_>) -> Spoiled {
    let mut frames = wire::stream(scene.route, &scene.content);
    let first = frames
        .iter()
        .position(|frame| frame.kind == FrameKind::Text)
        .unwrap_or(0);
    frames.truncate(if variant == "early" { first } else { first + 1 });
    let body = overload(&scene).body;
    frames.push(match scene.route {
        Route::MiniMaxMessages => Frame::event(FrameKind::Noise, "error", &body),
        Route::KimiChat => {
            let mut body = body;
            body["error"]["code"] = Value::Null;
            Frame::data(FrameKind::Noise, &body)
        }
        _ => Frame::data(FrameKind::Noise, &body),
    });
    let mut reply = encoded(&scene, &frames);
    reply.keep_alive = false;
    Spoiled::without_answer(reply)
}

/// Half the text, then a finish of the vendor's own.
fn cut_short(mut scene: Scene<'_>, finish: &'static str) -> Spoiled {
    if let Some(text) = &mut scene.content.text {
        let half = text
            .char_indices()
            .nth(text.chars().count() / 2)
            .map_or(0, |(at, _)| at);
        text.truncate(half);
    }
    scene.content.finish = Finish::Word(finish);
    scene.changed()
}

/// S16 and S17: what names a tool call's place is missing, of the wrong type, or changes.
fn misnumber(name: FaultName<'_>, frame: Frame, place: usize) -> Vec<Frame> {
    if frame.kind != FrameKind::Call {
        return vec![frame];
    }
    let Some(mut data) = data_of(&frame) else {
        return vec![frame];
    };
    let Some(call) = data.pointer_mut("/choices/0/delta/tool_calls/0") else {
        return vec![frame];
    };
    match (name.id, name.variant) {
        ("S16", "word") => call["index"] = "zero".into(),
        ("S16", _) => {
            call.as_object_mut()
                .and_then(|call| call.shift_remove("index"));
        }
        _ => {
            let mut head = call.clone();
            head["function"]["arguments"] = "".into();
            call["id"] = format!("call_{place}_again").into();
            let mut first = data.clone();
            first["choices"][0]["delta"]["tool_calls"][0] = head;
            return vec![
                Frame::data(frame.kind, &first),
                Frame::data(frame.kind, &data),
            ];
        }
    }
    vec![Frame::data(frame.kind, &data)]
}

/// The JSON of a frame's data line; `None` for end marks.
fn data_of(frame: &Frame) -> Option<Value> {
    let line = frame
        .text
        .lines()
        .find_map(|line| line.strip_prefix("data: "))?;
    serde_json::from_str(line).ok()
}

/// Legal or tolerable oddities that leave the answer whole.
fn oddity(name: FaultName<'_>, scene: Scene<'_>) -> Spoiled {
    let route = scene.route;
    let variant = name.variant;
    match name.id {
        "S08" => {
            let choices = if variant == "empty" {
                json!([])
            } else {
                Value::Null
            };
            let odd = json!({"id": scene.content.id, "model": scene.content.model,
                "choices": choices});
            edited(scene, move |frame, place| match place {
                2 => vec![Frame::data(FrameKind::Noise, &odd), frame],
                _ => vec![frame],
            })
        }
        "S09" => broken_line(variant, scene),
        "S10" => odd_usage(scene),
        "S11" => scene.whole(),
        "S12" => cumulative(scene),
        "S13" => eager_start(scene),
        "S14" => edited(scene, |frame, _| vec![hollow(frame)]),
        "S15" => edited(scene, |mut frame, _| {
            frame.text = frame.text.replacen("\ndata: ", "\n\ndata: ", 1);
            vec![frame]
        }),
        "S19" => edited(scene, |frame, _| {
            let noise = |text: &str| Frame {
                kind: FrameKind::Noise,
                text: text.to_owned(),
            };
            vec![noise(": keep-alive\n\n"), noise(":ping\n\n\n"), frame]
        }),
        "S21" => respelled(variant, scene),
        "S22" => edited(scene, move |frame, _| match frame.kind {
            FrameKind::Done => vec![frame.clone(), frame, after_the_end(route)],
            _ => vec![frame],
        }),
        "S23" => Spoiled::without_answer(encoded(&scene, &[Frame::done()])),
        _ => Spoiled::without_answer(unwritten()),
    }
}

/// A frame with text that must be ignored because the stream had ended.
fn after_the_end(route: Route) -> Frame {
    if route.is_anthropic() {
        let delta = json!({"type": "text_delta", "text": "after the end"});
        let data = json!({"index": 9, "delta": delta});
        return wire::minimax::event(FrameKind::Noise, "content_block_delta", data);
    }
    let delta = json!({"content": "after the end"});
    let choice = json!({"index": 0, "delta": delta, "finish_reason": null});
    Frame::data(FrameKind::Noise, &json!({"choices": [choice]}))
}

/// One line that is no JSON. It repeats an empty frame: a reader who skips it loses nothing.
fn broken_line(variant: &str, scene: Scene<'_>) -> Spoiled {
    let open = if scene.route.is_anthropic() {
        json!({"type": "ping"})
    } else {
        json!({"id": scene.content.id, "choices": [{"index": 0, "delta": {}}]})
    };
    let open = open.to_string();
    let cut = open.split_at(open.len() * 2 / 3).0;
    let glued = variant != "tenth";
    let text = if glued {
        format!("data: {cut}data: {open}\n\n")
    } else {
        format!("data: {cut}\n\n")
    };
    let at = if glued { 3 } else { 9 };
    let broken = Frame {
        kind: FrameKind::Noise,
        text,
    };
    edited(scene, move |frame, place| {
        if place == at {
            vec![broken.clone(), frame]
        } else {
            vec![frame]
        }
    })
}

/// Zeros and nulls in every chunk, the true figures in the finish, and all of them once more.
fn odd_usage(scene: Scene<'_>) -> Spoiled {
    let anthropic = scene.route.is_anthropic();
    let usage = scene.content.usage.chat();
    edited(scene, move |frame, place| {
        let Some(mut data) = data_of(&frame) else {
            return vec![frame];
        };
        if anthropic {
            if frame.kind != FrameKind::Finish {
                return vec![frame];
            }
            let mut zeros = data.clone();
            zeros["usage"] = json!({"input_tokens": 0, "output_tokens": 0});
            zeros["delta"]["stop_reason"] = Value::Null;
            let zeros = Frame::event(FrameKind::Noise, "message_delta", &zeros);
            return vec![zeros, frame];
        }
        if frame.kind == FrameKind::Finish {
            let full = json!({"choices": [], "usage": usage});
            return vec![frame, Frame::data(FrameKind::Usage, &full)];
        }
        let zeros = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
        data["usage"] = if place % 2 == 0 { zeros } else { Value::Null };
        vec![Frame::data(frame.kind, &data)]
    })
}

/// Reasoning as details whose text grows from its start each time.
fn cumulative(mut scene: Scene<'_>) -> Spoiled {
    scene.content.reasoning.get_or_insert_with(thought);
    let so_far = std::cell::RefCell::new(String::new());
    edited(scene, move |frame, _| {
        let Some(mut data) = data_of(&frame) else {
            return vec![frame];
        };
        let part = data
            .pointer("/choices/0/delta/reasoning_content")
            .and_then(Value::as_str);
        let Some(part) = part else { return vec![frame] };
        so_far.borrow_mut().push_str(part);
        let detail = json!({"type": "reasoning.text", "id": "reasoning-text-1",
            "format": "MiniMax-response-v1", "index": 0, "text": *so_far.borrow()});
        data["choices"][0]["delta"] = json!({"role": "assistant", "reasoning_details": [detail]});
        vec![Frame::data(frame.kind, &data)]
    })
}

/// The text block's start already carries the text of its first delta.
fn eager_start(scene: Scene<'_>) -> Spoiled {
    let first = scene
        .content
        .chunks()
        .first()
        .map_or("", |part| part)
        .to_owned();
    edited(scene, move |mut frame, _| {
        let plain = "\"content_block\":{\"type\":\"text\",\"text\":\"\"}";
        let eager = format!(
            "\"content_block\":{}",
            json!({"type": "text", "text": first})
        );
        frame.text = frame.text.replace(plain, &eager);
        vec![frame]
    })
}

/// An empty role on content, no delta at all on the finish.
fn hollow(frame: Frame) -> Frame {
    let Some(mut data) = data_of(&frame) else {
        return frame;
    };
    match frame.kind {
        FrameKind::Finish => data["choices"][0]["delta"] = Value::Null,
        FrameKind::Text | FrameKind::Reasoning => {
            data["choices"][0]["delta"]["role"] = "".into();
        }
        _ => return frame,
    }
    Frame::data(frame.kind, &data)
}

/// Other legal spellings of the same events.
fn respelled(variant: &str, scene: Scene<'_>) -> Spoiled {
    let variant = variant.to_owned();
    edited(scene, move |mut frame, place| {
        frame.text = match variant.as_str() {
            "cr" => frame.text.replace('\n', "\r"),
            "nospace" => frame
                .text
                .replace("data: ", "data:")
                .replace("event: ", "event:"),
            // A line break between two members of the object: legal JSON once joined.
            "multiline" => frame.text.replacen(",\"", ",\ndata: \"", 1),
            "bom" if place == 0 => format!("\u{feff}{}", frame.text),
            "bom" => frame.text,
            _ => frame.text.replace('\n', "\r\n"),
        };
        vec![frame]
    })
}
