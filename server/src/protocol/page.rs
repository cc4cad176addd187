//! Pages of a list. A cursor names the last item of the page before, so that items which come or go
//! meanwhile neither repeat nor hide others; a cursor that names nothing in the list is refused.

use rmcp::ErrorData;
use rmcp::model::PaginatedRequestParams;
use serde_json::json;

/// Items of one page.
const SIZE: usize = 50;

/// The page a request asks for, and the cursor of the next one.
///
/// # Errors
/// -32602 for a cursor that names nothing in this list.
pub fn page<T>(
    items: Vec<T>,
    request: Option<PaginatedRequestParams>,
    name: impl Fn(&T) -> &str,
) -> Result<(Vec<T>, Option<String>), ErrorData> {
    let cursor = request.and_then(|request| request.cursor);
    let start = match &cursor {
        None => 0,
        Some(cursor) => {
            let after = cursor.strip_prefix("after:");
            match items.iter().position(|item| after == Some(name(item))) {
                Some(last) => last + 1,
                None => {
                    let data = json!({ "cursor": cursor.chars().take(100).collect::<String>() });
                    return Err(ErrorData::invalid_params("unknown cursor", Some(data)));
                }
            }
        }
    };
    let has_more = items.len() > start + SIZE;
    let page: Vec<T> = items.into_iter().skip(start).take(SIZE).collect();
    let next = page
        .last()
        .filter(|_| has_more)
        .map(|item| format!("after:{}", name(item)));
    Ok((page, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(cursor: Option<&str>) -> Option<PaginatedRequestParams> {
        Some(PaginatedRequestParams::default().with_cursor(cursor.map(str::to_owned)))
    }

    #[test]
    fn following_the_cursors_gives_every_item_once() {
        for count in [0, 1, 49, 50, 51, 100, 101] {
            let items: Vec<String> = (0..count).map(|n| format!("item {n}")).collect();
            let (mut all, mut cursor) = (Vec::new(), None);
            loop {
                let (part, next) = page(items.clone(), at(cursor.as_deref()), |item| item).unwrap();
                all.extend(part);
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(all, items);
        }
    }

    #[test]
    fn a_cursor_that_names_nothing_is_refused() {
        let items: Vec<String> = (0..60).map(|n| n.to_string()).collect();
        for cursor in [
            "",
            "after:",
            "after:60",
            "49",
            "after:x",
            "after:49 ",
            "AFTER:49",
        ] {
            let refused = page(items.clone(), at(Some(cursor)), |item| item).unwrap_err();
            assert_eq!(refused.code.0, -32602, "{cursor}");
        }
        assert!(page(items, at(Some("after:49")), |item| item).is_ok());
    }
}
