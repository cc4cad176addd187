//! A reader for the YAML of this repository's own files: block and flow collections, scalars plain
//! and quoted, literal blocks, anchors and merge keys. What it does not know is an error, not a
//! guess.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The one document of a text.
pub fn read(text: &str) -> Result<Value, String> {
    let mut reader = Reader {
        lines: text.lines().map(str::to_owned).collect(),
        at: 0,
        anchors: BTreeMap::new(),
    };
    let value = reader.block(0)?;
    match reader.peek() {
        None => Ok(value),
        Some((_, rest)) => Err(reader.wrong(&format!("{rest:?} belongs to nothing"))),
    }
}

/// Every document of a text that separates them by `---`.
pub fn read_all(text: &str) -> Result<Vec<Value>, String> {
    let mut parts: Vec<String> = vec![String::new()];
    for line in text.lines() {
        match line.trim_end() {
            "---" => parts.push(String::new()),
            line => parts.last_mut().unwrap().push_str(&format!("{line}\n")),
        }
    }
    let has_content = |part: &&String| {
        let mut lines = part.lines().map(str::trim);
        lines.any(|line| !line.is_empty() && !line.starts_with('#'))
    };
    parts
        .iter()
        .filter(has_content)
        .map(|part| read(part))
        .collect()
}

struct Reader {
    lines: Vec<String>,
    at: usize,
    anchors: BTreeMap<String, Value>,
}

impl Reader {
    fn wrong(&self, what: &str) -> String {
        format!("line {}: {what}", self.at + 1)
    }

    /// Indent and text of the next line that says something.
    fn peek(&mut self) -> Option<(usize, String)> {
        while let Some(line) = self.lines.get(self.at) {
            let text = line.trim_start();
            if !text.is_empty() && !text.starts_with('#') {
                return Some((line.len() - text.len(), text.trim_end().to_owned()));
            }
            self.at += 1;
        }
        None
    }

    fn block(&mut self, least: usize) -> Result<Value, String> {
        match self.peek() {
            Some((indent, _)) if indent < least => Ok(Value::Null),
            Some((indent, text)) if is_item(&text) => self.sequence(indent),
            Some((indent, text)) if split_key(&text).is_some() => self.mapping(indent),
            Some((_, text)) => {
                self.at += 1;
                self.scalar_or_flow(text)
            }
            None => Ok(Value::Null),
        }
    }

    fn sequence(&mut self, indent: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        while let Some((_, text)) = self
            .peek()
            .filter(|(at, text)| *at == indent && is_item(text))
        {
            let rest = text[1..].trim_start();
            let inner = indent + text.len() - rest.len();
            if rest.is_empty() || rest.starts_with('#') {
                self.at += 1;
                items.push(self.block(indent + 1)?);
            } else if is_item(rest) || (split_key(rest).is_some() && !rest.starts_with(['{', '[']))
            {
                self.lines[self.at] = format!("{}{rest}", " ".repeat(inner));
                items.push(self.block(inner)?);
            } else {
                self.at += 1;
                items.push(self.value(rest, indent)?);
            }
        }
        Ok(Value::Array(items))
    }

    fn mapping(&mut self, indent: usize) -> Result<Value, String> {
        let (mut map, mut inherited) = (Map::new(), Map::new());
        while let Some((_, text)) = self
            .peek()
            .filter(|(at, text)| *at == indent && !is_item(text))
        {
            let (key, rest) = split_key(&text).ok_or_else(|| self.wrong("no key"))?;
            self.at += 1;
            let value = self.value(&rest, indent)?;
            if key == "<<" {
                let table = value.as_object().ok_or_else(|| self.wrong("no table"))?;
                inherited.extend(table.clone());
            } else if map.insert(key.clone(), value).is_some() {
                return Err(self.wrong(&format!("{key} stands twice")));
            }
        }
        for (name, value) in inherited {
            map.entry(name).or_insert(value);
        }
        Ok(Value::Object(map))
    }

    fn value(&mut self, rest: &str, indent: usize) -> Result<Value, String> {
        let rest = uncommented(rest);
        if let Some(name) = rest.strip_prefix('*') {
            let known = self.anchors.get(name).cloned();
            return known.ok_or_else(|| self.wrong(&format!("no anchor {name}")));
        }
        if let Some(named) = rest.strip_prefix('&') {
            let (name, rest) = named.split_once(' ').unwrap_or((named, ""));
            let value = self.value(rest, indent)?;
            self.anchors.insert(name.to_owned(), value.clone());
            return Ok(value);
        }
        match rest {
            "" => match self.peek() {
                Some((at, text)) if at == indent && is_item(&text) => self.sequence(indent),
                Some((at, _)) if at > indent => self.block(at),
                _ => Ok(Value::Null),
            },
            "|" | "|-" => Ok(self.literal(indent, rest == "|")),
            text => self.scalar_or_flow(text.to_owned()),
        }
    }

    fn literal(&mut self, indent: usize, is_closed: bool) -> Value {
        let mut taken: Vec<String> = Vec::new();
        while let Some(line) = self.lines.get(self.at) {
            let text = line.trim_start();
            if !text.is_empty() && line.len() - text.len() <= indent {
                break;
            }
            taken.push(line.clone());
            self.at += 1;
        }
        let first = taken.iter().find(|line| !line.trim().is_empty());
        let inner = first.map_or(0, |line| line.len() - line.trim_start().len());
        let cut = |line: &String| line.get(inner..).unwrap_or_default().to_owned();
        let text = taken.iter().map(cut).collect::<Vec<_>>().join("\n");
        let end = if is_closed { "\n" } else { "" };
        Value::String(format!("{}{end}", text.trim_end()))
    }

    /// A scalar, or a flow collection over as many lines as it takes.
    fn scalar_or_flow(&mut self, mut text: String) -> Result<Value, String> {
        if !text.starts_with(['[', '{']) {
            return scalar(uncommented(&text)).map_err(|what| self.wrong(&what));
        }
        loop {
            let mut flow = Flow { rest: &text };
            match flow.value() {
                Ok(value) if uncommented(flow.rest).is_empty() => return Ok(value),
                Ok(_) => return Err(self.wrong("something stands after the bracket")),
                Err(_) if self.at < self.lines.len() => {
                    text.push(' ');
                    text.push_str(uncommented(self.lines[self.at].trim()));
                    self.at += 1;
                }
                Err(what) => return Err(self.wrong(&what)),
            }
        }
    }
}

struct Flow<'a> {
    rest: &'a str,
}

impl Flow<'_> {
    fn value(&mut self) -> Result<Value, String> {
        self.rest = self.rest.trim_start();
        match self.rest.chars().next() {
            Some('[') => self.list(),
            Some('{') => self.table(),
            _ => scalar(self.word()?.trim()),
        }
    }

    fn skip(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        let found = self.rest.strip_prefix(wanted);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn list(&mut self) -> Result<Value, String> {
        self.skip('[');
        let mut items = Vec::new();
        while !self.skip(']') {
            items.push(self.value()?);
            if !self.skip(',') && !self.rest.trim_start().starts_with(']') {
                return Err("a bracket is not closed".to_owned());
            }
        }
        Ok(Value::Array(items))
    }

    fn table(&mut self) -> Result<Value, String> {
        self.skip('{');
        let mut map = Map::new();
        while !self.skip('}') {
            self.rest = self.rest.trim_start();
            let (key, rest) = split_key(self.rest).ok_or("a brace is not closed")?;
            self.rest = &self.rest[self.rest.len() - rest.len()..];
            map.insert(key, self.value()?);
            if !self.skip(',') && !self.rest.trim_start().starts_with('}') {
                return Err("a brace is not closed".to_owned());
            }
        }
        Ok(Value::Object(map))
    }

    fn word(&mut self) -> Result<String, String> {
        let end = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => quoted_end(self.rest, quote).ok_or("no closing quote")?,
            _ => self
                .rest
                .find([',', ']', '}'])
                .ok_or("a bracket is not closed")?,
        };
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word.to_owned())
    }
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

/// Where a quoted text ends, after its closing quote.
fn quoted_end(text: &str, quote: char) -> Option<usize> {
    let mut skipped = false;
    for (at, one) in text.char_indices().skip(1) {
        let is_doubled = one == '\'' && text[at + 1..].starts_with(quote) && quote == one;
        match one {
            _ if skipped => skipped = false,
            '\\' if quote == '"' => skipped = true,
            one if one == quote && is_doubled => skipped = true,
            one if one == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Key and rest of `key: rest`, as it stands at the start of a text.
fn split_key(text: &str) -> Option<(String, String)> {
    let end = match text.chars().next()? {
        quote @ ('"' | '\'') => quoted_end(text, quote)?,
        '[' | '{' => return None,
        _ => text
            .find(": ")
            .or_else(|| text.strip_suffix(':').map(str::len))?,
    };
    let rest = text[end..].strip_prefix(':')?;
    let key = text[..end].trim_matches(['"', '\'']).to_owned();
    (!key.contains(" #")).then(|| (key, rest.trim_start().to_owned()))
}

fn uncommented(text: &str) -> &str {
    let text = text.trim();
    let (mut at, mut before) = (0, ' ');
    while let Some(one) = text[at..].chars().next() {
        if one == '#' && before == ' ' {
            return text[..at].trim_end();
        }
        // A quote opens a text only where a value can begin.
        let is_quote = ['"', '\''].contains(&one) && " [{,:".contains(before);
        let end = if is_quote {
            quoted_end(&text[at..], one)
        } else {
            None
        };
        at += end.unwrap_or(one.len_utf8());
        before = one;
    }
    text
}

fn scalar(text: &str) -> Result<Value, String> {
    if text.starts_with('"') {
        return serde_json::from_str(text).map_err(|error| format!("{text}: {error}"));
    }
    if let Some(inner) = text.strip_prefix('\'') {
        let inner = inner.strip_suffix('\'').ok_or("no closing quote")?;
        return Ok(Value::String(inner.replace("''", "'")));
    }
    match text {
        "" | "null" | "~" => return Ok(Value::Null),
        "true" => return Ok(Value::Bool(true)),
        "false" => return Ok(Value::Bool(false)),
        "yes" | "no" | "on" | "off" => return Err(format!("quote {text}: readers differ")),
        _ => {}
    }
    let number = serde_json::from_str::<serde_json::Number>(text);
    Ok(number.map_or_else(|_| Value::String(text.to_owned()), Value::Number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_read_equals_what_the_standard_says() {
        let text = r#"# a comment
x-base: &base
  restart: always # why
  env: { A: "1, 2", B: two }
services:
  one:
    <<: *base
    restart: never
    list:
    - a: 1
      b: [x, "y # z",
        'it''s']
    - plain text
    script: |
      line one

        line two
    empty:
    last: 10.5
"#;
        let wanted = json!({
            "x-base": {"restart": "always", "env": {"A": "1, 2", "B": "two"}},
            "services": {"one": {
                "restart": "never", "env": {"A": "1, 2", "B": "two"},
                "list": [{"a": 1, "b": ["x", "y # z", "it's"]}, "plain text"],
                "script": "line one\n\n  line two\n", "empty": null, "last": 10.5,
            }},
        });
        assert_eq!(read(text).unwrap(), wanted);
        assert_eq!(
            read_all("a: 1\n---\n# nothing\n---\nb: 2\n").unwrap().len(),
            2
        );
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in [
            "a: *none\n",
            "a: [1, 2\n",
            "a: yes\n",
            "a: 1\na: 2\n",
            "a: 1\n   stray\n",
        ] {
            assert!(read(text).is_err(), "{text:?} was read");
        }
    }
}
