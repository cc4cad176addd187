//! One table in a TOML file, put there without touching the rest: comments, order, spelling stay.

use serde_json::{Map, Value};
use toml::Table;

use super::ConnectError;

/// The text with the table at `at` set to `entry`.
///
/// # Errors
/// When the text is no TOML, or the table is written in a way that cannot be replaced alone.
pub fn with_table(
    text: &str,
    at: &[String],
    entry: &Map<String, Value>,
) -> Result<String, ConnectError> {
    let unreadable = |error: toml::de::Error| ConnectError::Unreadable(error.message().to_owned());
    let before: Table = toml::from_str(text).map_err(unreadable)?;
    let body = toml::to_string(entry).map_err(|_| ConnectError::Entangled)?;
    let block = format!("[{}]\n{body}", at.join("."));
    let wanted = with_entry(before, at, &body)?;
    let after = replaced(text, at, &block);
    let is_right = toml::from_str::<Table>(&after).is_ok_and(|after| after == wanted);
    is_right.then_some(after).ok_or(ConnectError::Entangled)
}

fn with_entry(mut root: Table, at: &[String], body: &str) -> Result<Table, ConnectError> {
    let entry: Table = toml::from_str(body).map_err(|_| ConnectError::Entangled)?;
    let (last, path) = at.split_last().ok_or(ConnectError::Entangled)?;
    let mut table = &mut root;
    for part in path {
        let next = table
            .entry(part.clone())
            .or_insert_with(|| Table::new().into());
        let is_table = || ConnectError::NoTable(part.clone());
        table = next.as_table_mut().ok_or_else(is_table)?;
    }
    table.insert(last.clone(), entry.into());
    Ok(root)
}

/// The block in the place of the old one, or at the end.
fn replaced(text: &str, at: &[String], block: &str) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut out: Vec<&str> = Vec::new();
    let (mut place, mut is_ours) = (None, false);
    // Blank lines and comments behind our table belong to what follows.
    let mut held: Vec<&str> = Vec::new();
    for line in lines {
        if let Some(header) = header(line) {
            let was_ours = std::mem::replace(&mut is_ours, header.starts_with(at));
            if was_ours && is_ours {
                held.clear();
            }
            out.append(&mut held);
            if is_ours {
                place.get_or_insert(out.len());
            }
        }
        let is_filler = line.trim().is_empty() || line.trim_start().starts_with('#');
        match (is_ours, is_filler) {
            (false, _) => out.push(line),
            (true, true) => held.push(line),
            (true, false) => held.clear(),
        }
    }
    out.append(&mut held);
    match place {
        Some(place) => out.insert(place, block),
        None => {
            let (end, blank) = (
                text.ends_with('\n') || text.is_empty(),
                text.trim().is_empty(),
            );
            out.extend((!end).then_some("\n"));
            out.extend((!blank).then_some("\n"));
            out.push(block);
        }
    }
    out.concat()
}

/// The path of a line `[a.b]`.
fn header(line: &str) -> Option<Vec<String>> {
    let line = line.trim();
    if !line.starts_with('[') || line.starts_with("[[") {
        // A list of tables ends ours as well.
        return line.starts_with("[[").then(Vec::new);
    }
    let mut table: Table = toml::from_str(line).ok()?;
    let mut path = Vec::new();
    while let Some((name, inner)) = table.into_iter().next() {
        path.push(name);
        table = inner.try_into().unwrap_or_default();
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at() -> Vec<String> {
        vec!["mcp_servers".to_owned(), "exai".to_owned()]
    }

    fn entry() -> Map<String, Value> {
        let value = json!({"command": "/x", "args": ["stdio"]});
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_table_is_added_or_replaced_and_everything_else_stays_as_it_was() {
        let block = "[mcp_servers.exai]\ncommand = \"/x\"\nargs = [\"stdio\"]\n";
        let cases = [
            ("", block.to_owned()),
            (
                "# mine\nmodel = 'x'",
                format!("# mine\nmodel = 'x'\n\n{block}"),
            ),
            (
                "[a]\nb = 1 # c\n\n[mcp_servers.exai]\ncommand = 'old'\n\n\
                 [mcp_servers.exai.env]\nK = 'v'\n\n# next\n[z]\n",
                format!("[a]\nb = 1 # c\n\n{block}\n# next\n[z]\n"),
            ),
            (
                "[mcp_servers.other]\ncommand = 'o'\n",
                format!("[mcp_servers.other]\ncommand = 'o'\n\n{block}"),
            ),
        ];
        for (before, wanted) in cases {
            let after = with_table(before, &at(), &entry()).unwrap();
            assert_eq!(after, wanted, "{before:?}");
            assert_eq!(with_table(&after, &at(), &entry()).unwrap(), after);
        }
    }

    #[test]
    fn what_cannot_be_replaced_alone_is_refused() {
        let broken = with_table("a = = 1", &at(), &entry());
        assert!(
            matches!(broken, Err(ConnectError::Unreadable(_))),
            "{broken:?}"
        );
        let inline = with_table(
            "mcp_servers = { exai = { command = 'x' } }",
            &at(),
            &entry(),
        );
        assert_eq!(inline, Err(ConnectError::Entangled));
        let scalar = with_table("mcp_servers = 3", &at(), &entry());
        assert_eq!(scalar, Err(ConnectError::NoTable("mcp_servers".to_owned())));
    }
}
