//! One value in a JSON file, put there without touching the rest: order, numbers, indentation and
//! the comments and trailing commas that some editors accept stay as they were.

use std::ops::Range;

use serde::Serialize as _;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value};

use super::ConnectError;
use crate::auth::strict_json::StrictObject;

/// The text with the value at `at` set.
///
/// # Errors
/// When the text is no JSON object, holds a name twice, or something that is no object stands on
/// the way.
pub fn with_value(text: &str, at: &[String], value: &Value) -> Result<String, ConnectError> {
    let text = if text.trim().is_empty() { "{}\n" } else { text };
    let before = read(text)?;
    let wanted = with_entry(before, at, value)?;
    let after = spliced(text, at, value)?;
    let is_right = read(&after).is_ok_and(|after| after == wanted);
    is_right.then_some(after).ok_or(ConnectError::Entangled)
}

/// Reads an object, comments and trailing commas permitted.
///
/// # Errors
/// When it is none, or holds a name twice.
pub fn read(text: &str) -> Result<Map<String, Value>, ConnectError> {
    let plain = plain(text);
    let read = StrictObject::parse(plain.as_bytes());
    read.map(|object| object.0)
        .map_err(ConnectError::Unreadable)
}

fn with_entry(
    mut root: Map<String, Value>,
    at: &[String],
    value: &Value,
) -> Result<Map<String, Value>, ConnectError> {
    let (last, path) = at.split_last().ok_or(ConnectError::Entangled)?;
    let mut object = &mut root;
    for part in path {
        let next = object
            .entry(part.clone())
            .or_insert_with(|| Map::new().into());
        let is_object = || ConnectError::NoTable(part.clone());
        object = next.as_object_mut().ok_or_else(is_object)?;
    }
    object.insert(last.clone(), value.clone());
    Ok(root)
}

/// The change in the text itself; the caller compares what came of it.
fn spliced(text: &str, at: &[String], value: &Value) -> Result<String, ConnectError> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.blank();
    let unit = unit_of(text);
    let mut members = scanner.members();
    for (depth, part) in (1_usize..).zip(at) {
        let rest = &at[depth..];
        let Some(member) = members.all.iter().find(|member| member.name == *part) else {
            let nested = rest.iter().rev().fold(value.clone(), |inner, name| {
                Value::Object(Map::from_iter([(name.clone(), inner)]))
            });
            let name = Value::from(part.as_str());
            let new = format!("{name}: {}", pretty(&nested, unit, depth));
            return Ok(inserted(text, &members, &new, (unit, depth)));
        };
        if rest.is_empty() {
            let (head, tail) = (&text[..member.value.start], &text[member.value.end..]);
            return Ok(format!("{head}{}{tail}", pretty(value, unit, depth)));
        }
        let inner = Scanner {
            text,
            at: member.value.start,
        };
        members = inner.members();
    }
    Err(ConnectError::Entangled)
}

/// A new member behind the last, or in the empty object.
fn inserted(text: &str, members: &Members, new: &str, (unit, depth): (&str, usize)) -> String {
    let line = format!("\n{}{new}", unit.repeat(depth));
    let (place, piece) = match members.all.last() {
        Some(last) => (last.value.end, format!(",{line}")),
        None => {
            let is_bare = text[members.start + 1..].trim_start().starts_with('}');
            let end = if is_bare {
                format!("\n{}", unit.repeat(depth - 1))
            } else {
                String::new()
            };
            (members.start + 1, format!("{line}{end}"))
        }
    };
    let rest = match members.all.is_empty() {
        true => text[place..].trim_start_matches([' ', '\t', '\n', '\r']),
        false => &text[place..],
    };
    let needs_line = members.all.is_empty() && !rest.starts_with('}');
    format!(
        "{}{piece}{}{rest}",
        &text[..place],
        if needs_line { "\n" } else { "" }
    )
}

/// What one level is indented by: as the first member is, else two spaces.
fn unit_of(text: &str) -> &str {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.trim_start().starts_with('{'))
        .skip(1);
    let first = lines.find(|line| line.trim_start().starts_with('"'));
    let unit = first.map_or("", |line| &line[..line.len() - line.trim_start().len()]);
    if unit.is_empty() { "  " } else { unit }
}

fn pretty(value: &Value, unit: &str, depth: usize) -> String {
    let mut bytes = Vec::new();
    let formatter = PrettyFormatter::with_indent(unit.as_bytes());
    // A value in memory always has a text.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter));
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.replace('\n', &format!("\n{}", unit.repeat(depth)))
}

/// The text with comments and trailing commas blanked out, as long as before.
fn plain(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut scanner = Scanner { text, at: 0 };
    let mut comma = None;
    while let Some(byte) = scanner.peek() {
        let from = scanner.at;
        match byte {
            b'"' => scanner.string(),
            b'/' if scanner.comment() => {
                let inside = bytes[from..scanner.at].iter_mut();
                inside
                    .filter(|byte| **byte != b'\n')
                    .for_each(|byte| *byte = b' ');
                continue;
            }
            b'}' | b']' => {
                if let Some(comma) = comma {
                    bytes[comma] = b' ';
                }
                scanner.at += 1;
            }
            _ => scanner.at += 1,
        }
        match byte {
            b',' => comma = Some(from),
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => comma = None,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A reader of text that [`read`] has accepted; on other text it ends somewhere inside.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

struct Member {
    name: String,
    value: Range<usize>,
}

struct Members {
    /// Where the object begins.
    start: usize,
    all: Vec<Member>,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b'/' if self.comment() => {}
                _ => return,
            }
        }
    }

    /// Steps over a comment; whether there was one.
    fn comment(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else {
            return false;
        };
        self.at += length;
        true
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
        self.at = self.at.min(self.text.len());
    }

    fn value(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string();
                    if depth == 0 {
                        return;
                    }
                    continue;
                }
                b'/' if self.comment() => {
                    if depth == 0 {
                        return;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth <= 1 => {
                    self.at += depth;
                    return;
                }
                b'}' | b']' => depth -= 1,
                b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// The members of the object that begins here.
    fn members(mut self) -> Members {
        let start = self.at;
        let mut all = Vec::new();
        self.at += 1;
        loop {
            self.blank();
            match self.peek() {
                Some(b'"') => {}
                Some(b',') => {
                    self.at += 1;
                    continue;
                }
                _ => return Members { start, all },
            }
            let from = self.at;
            self.string();
            let name = serde_json::from_str(&self.text[from..self.at]).unwrap_or_default();
            self.blank();
            self.at += 1;
            self.blank();
            let value = self.at;
            self.value();
            all.push(Member {
                name,
                value: value..self.at,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn at() -> Vec<String> {
        vec!["servers".to_owned(), "exai".to_owned()]
    }

    #[test]
    fn an_entry_is_added_or_replaced_and_everything_else_stays_as_it_was() {
        let cases = [
            ("", "{\n  \"servers\": {\n    \"exai\": 1\n  }\n}\n"),
            ("{}", "{\n  \"servers\": {\n    \"exai\": 1\n  }\n}"),
            (
                "// Mine\n{\n\t\"a\": 1.50, // odd\n}\n",
                "// Mine\n{\n\t\"a\": 1.50,\n\t\"servers\": {\n\t\t\"exai\": 1\n\t}, // odd\n}\n",
            ),
            (
                "{\"servers\": {\"exai\": {\"x\": [1, \"}\"]}, \"o\": 2}, \
                 \"n\": 9876543210987654321098}",
                "{\"servers\": {\"exai\": 1, \"o\": 2}, \"n\": 9876543210987654321098}",
            ),
            (
                "{\n    \"servers\": { /* none */ }\n}",
                "{\n    \"servers\": {\n        \"exai\": 1\n/* none */ }\n}",
            ),
        ];
        for (before, wanted) in cases {
            let after = with_value(before, &at(), &json!(1)).unwrap();
            assert_eq!(after, wanted, "{before:?}");
            assert_eq!(with_value(&after, &at(), &json!(1)).unwrap(), after);
        }
    }

    #[test]
    fn what_the_client_could_not_read_is_refused() {
        for broken in [
            "{",
            "[]",
            "{\"a\": 1 \"b\": 2}",
            "{\"a\": 1, \"a\": 2}",
            "{'a': 1}",
        ] {
            let refused = with_value(broken, &at(), &json!(1));
            assert!(
                matches!(refused, Err(ConnectError::Unreadable(_))),
                "{broken}"
            );
        }
        let taken = with_value("{\"servers\": 3}", &at(), &json!(1));
        assert_eq!(taken, Err(ConnectError::NoTable("servers".to_owned())));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            "[ -~é\\n\"/*,{}]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-e\"/]{1,3}|servers|exai", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_object_takes_an_entry_or_is_refused_for_a_reason(
            members in prop::collection::btree_map("[a-e]{1,2}|servers", any_value(), 0..5),
            is_pretty in any::<bool>(),
        ) {
            let object = Value::Object(members.into_iter().collect());
            let text = if is_pretty {
                serde_json::to_string_pretty(&object).unwrap()
            } else {
                object.to_string()
            };
            match with_value(&text, &at(), &json!({"command": "x"})) {
                Ok(after) => {
                    let entry = &read(&after).unwrap()["servers"]["exai"];
                    prop_assert_eq!(&entry["command"], "x");
                }
                Err(error) => {
                    prop_assert_eq!(error, ConnectError::NoTable("servers".to_owned()));
                    prop_assert!(!object["servers"].is_object());
                }
            }
        }
    }
}
