//! Reads what `strace -f -yy -o FILE` writes. Pure: text in, system calls out.
//!
//! A call that another thread's came between takes two lines, `<unfinished ...>` and `resumed`.
//! Lines stand in the order in which the tracer let the threads go on, so what caused another call
//! always stands before it, whatever the clocks of two processors say.

use std::collections::BTreeMap;

/// What stands at the end of a call's first line when the call goes on.
const UNFINISHED: &str = "<unfinished ...>";

/// A system call that did something: it returned, and no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemCall {
    /// Such as `pwrite64`.
    pub name: String,
    /// What its descriptor is, as the kernel names it: a path, or `TCP:[local->peer]`.
    pub target: String,
    /// The bytes that went out, of all its parts together; lossy where they are no text.
    pub data: String,
    /// The line where it began, from 0.
    pub began: u64,
    /// The line where it had returned.
    pub returned: u64,
}

impl SystemCall {
    /// Whether it waited until the file was on disk.
    #[must_use]
    pub fn is_sync(&self) -> bool {
        matches!(self.name.as_str(), "fsync" | "fdatasync")
    }

    /// The port at this end, where it goes out on a connection.
    #[must_use]
    pub fn local_port(&self) -> Option<u16> {
        let ends = self.target.strip_prefix("TCP")?;
        let (local, _peer) = ends.split_once('[')?.1.split_once("->")?;
        local.rsplit_once(':')?.1.parse().ok()
    }
}

/// The calls of a trace in the order in which they began. What failed, was cut off by the end of
/// the trace, or is no call is left out.
#[must_use]
pub fn read(text: &str) -> Vec<SystemCall> {
    let mut open: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    let mut calls = Vec::new();
    for (place, line) in (0..).zip(text.lines()) {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(first) = rest.strip_suffix(UNFINISHED) {
            open.insert(thread, (place, first));
        } else if rest.starts_with("<... ") {
            let begun = open.remove(thread);
            let end = rest.split_once(" resumed>").map(|(_, end)| end);
            if let Some(((began, first), end)) = begun.zip(end) {
                calls.extend(call(&format!("{first}{end}"), (began, place)));
            }
        } else {
            calls.extend(call(rest, (place, place)));
        }
    }
    calls.sort_by_key(|call| call.began);
    calls
}

/// `name(7</path>, "data", 4) = 4`; None for anything else.
fn call(text: &str, (began, returned): (u64, u64)) -> Option<SystemCall> {
    let (words, result) = text.rsplit_once(" = ")?;
    let result: i64 = result.split_whitespace().next()?.parse().ok()?;
    let result = usize::try_from(result).ok()?;
    let (name, arguments) = words.split_once('(')?;
    let (target, rest) = descriptor(arguments)?;
    let mut data = quoted(rest);
    // What was not taken has not been written.
    data.truncate(result);
    Some(SystemCall {
        name: name.to_owned(),
        target: target.to_owned(),
        data: String::from_utf8_lossy(&data).into_owned(),
        began,
        returned,
    })
}

/// What a descriptor is, and what follows it. A connection's name has an arrow in it.
fn descriptor(arguments: &str) -> Option<(&str, &str)> {
    let (number, named) = arguments.split_once('<')?;
    number.parse::<u32>().ok()?;
    let ends = named.match_indices('>').map(|(at, _)| at);
    let mut ends = ends.filter(|at| {
        let next = named[at + 1..].trim_start();
        next.is_empty() || next.starts_with([',', ')', '('])
    });
    let end = ends.next()?;
    Some((&named[..end], &named[end + 1..]))
}

/// The bytes of all quoted parts, one after the other.
fn quoted(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes().peekable();
    while rest.by_ref().any(|byte| byte == b'"') {
        while let Some(byte) = rest.next() {
            match byte {
                b'"' => break,
                b'\\' => bytes.extend(escaped(&mut rest)),
                byte => bytes.push(byte),
            }
        }
    }
    bytes
}

/// What follows a backslash: a letter, or up to three octal digits.
fn escaped(rest: &mut std::iter::Peekable<std::str::Bytes<'_>>) -> Option<u8> {
    let first = rest.next()?;
    let mut octal = digit(first);
    if let Some(value) = &mut octal {
        for _ in 1..3 {
            let Some(next) = rest.peek().copied().and_then(digit) else {
                break;
            };
            *value = *value * 8 + next;
            rest.next();
        }
    }
    let plain = match first {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'v' => 0x0b,
        b'f' => 0x0c,
        other => other,
    };
    Some(octal.map_or(plain, |value| u8::try_from(value).unwrap_or(u8::MAX)))
}

fn digit(byte: u8) -> Option<u16> {
    matches!(byte, b'0'..=b'7').then(|| u16::from(byte - b'0'))
}
