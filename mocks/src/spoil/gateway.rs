//! What stands between client and vendor: rows G01 to G09.

use std::time::Duration;

use super::{Scene, Spoiled, html, unwritten};
use crate::desk;
use crate::fault::FaultName;
use crate::key::Limit;
use crate::refusal::Refusal;
use crate::reply::{Head, Reply, Step};

/// Length of G09's body.
const OVERSIZE: usize = 100 * 1024 * 1024;
const BLOCK: usize = 64 * 1024;

pub fn spoil(name: FaultName<'_>, scene: Scene<'_>) -> Spoiled {
    let reply = match name.id {
        "G01" => Reply::whole(Head::new(429, "application/json"), b""),
        "G02" => match name.variant {
            "503" => html(503, "Service Temporarily Unavailable"),
            "520" => html(520, "Web server is returning an unknown error"),
            "500" => html(500, "Internal Server Error"),
            _ => html(502, "Bad Gateway"),
        },
        "G03" if name.variant == "empty" => Reply::whole(Head::new(200, "application/json"), b"{}"),
        "G03" => html(200, "Welcome"),
        "G04" => return late(name.variant, scene),
        "G05" => {
            let steps = if name.variant == "close" {
                vec![]
            } else {
                vec![Step::Reset]
            };
            Reply {
                status: 0,
                steps,
                keep_alive: false,
            }
        }
        "G06" => partial_error(name.variant),
        "G07" => desk::refused(&Refusal::limit(scene.route, Limit::Requests(3))),
        "G08" => {
            let status = if name.variant == "301" { 301 } else { 307 };
            let head = Head::new(status, "text/html");
            // A name that never resolves: a client that follows it shows itself by failing to.
            let target = "http://mirror.provider.invalid/v1/chat/completions";
            Reply::whole(head.with("location", target), b"")
        }
        "G09" => oversize(),
        _ => unwritten(),
    };
    Spoiled::without_answer(reply)
}

fn partial_error(variant: &str) -> Reply {
    let body: &[u8] = match variant {
        "no_type" => br#"{"error":{"message":"internal error"}}"#,
        "undocumented" => {
            br#"{"error":{"message":"internal error","type":"odd_error","code":"odd_error"}}"#
        }
        _ => br#"{"error":{"message":"internal error","code":null}}"#,
    };
    Reply::whole(Head::new(500, "application/json"), body)
}

/// The right answer, too late: the head at once and the body after the wait, or nothing until then.
fn late(variant: &str, scene: Scene<'_>) -> Spoiled {
    let silent = variant == "silent";
    let wait = scene.delay_or(if silent { 120_000 } else { 20_000 });
    let mut spoiled = scene.whole();
    if silent {
        spoiled.reply = spoiled.reply.after(wait);
        return spoiled;
    }
    if let Some(Step::Send(first)) = spoiled.reply.steps.first_mut() {
        let head = first
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .map_or(0, |at| at + 4);
        let body = first.split_off(head);
        let mut rest = vec![Step::Wait(wait)];
        if !body.is_empty() {
            rest.push(Step::Send(body));
        }
        spoiled.reply.steps.splice(1..1, rest);
    }
    spoiled
}

fn oversize() -> Reply {
    let (open, close) = (&br#"{"padding":""#[..], &br#""}"#[..]);
    let blocks = OVERSIZE / BLOCK;
    let length = open.len() + blocks * BLOCK + close.len();
    let mut first = Head::new(200, "application/json").sized(length);
    first.extend_from_slice(open);
    let bytes = vec![b'x'; BLOCK];
    let steps = vec![
        Step::Send(first),
        Step::Repeat {
            bytes,
            gap: Duration::ZERO,
            times: blocks as u64,
        },
        Step::Send(close.to_vec()),
    ];
    Reply {
        status: 200,
        steps,
        keep_alive: true,
    }
}
