//! What was not tested, as a first screen tells it: a criterion that left out much has one line
//! with the count and the rows concerned, everybody else a line for each thing. The lines stand for
//! every gap; the gaps themselves are in the JSON form, the page and the summary, one by one.

use std::collections::BTreeMap;

use crate::report::model::NotTested;

/// Things a criterion may leave out before they share a line.
const FEW: usize = 2;

/// One line of the first screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapLine<'a> {
    /// The criterion; empty for the run as a whole.
    pub criterion: &'a str,
    /// How many gaps the line stands for, at least one.
    pub count: usize,
    /// What was left out.
    pub says: String,
}

/// The lines of gaps that are in the report's order, criterion by criterion.
#[must_use]
pub fn lines(gaps: &[NotTested]) -> Vec<GapLine<'_>> {
    let alike = gaps.chunk_by(|one, next| one.criterion == next.criterion);
    let mut lines = Vec::new();
    for group in alike {
        let line = |count: usize, says: String| GapLine {
            criterion: &group[0].criterion,
            count,
            says,
        };
        if group.len() > FEW {
            lines.push(line(group.len(), folded(group)));
        } else {
            lines.extend(group.iter().map(|gap| line(1, gap.what.clone())));
        }
    }
    lines
}

/// Where a gap stands among those of its criterion: rows first, by letters and number.
pub(super) fn place(what: &str) -> (bool, String, u32) {
    let parts = row(what).and_then(|id| id.split_at_checked(letters(id)));
    parts.map_or((true, String::new(), 0), |(letters, number)| {
        (
            false,
            letters.to_owned(),
            number.parse().unwrap_or(u32::MAX),
        )
    })
}

/// `16 left out, in rows B2, B4 and X8; whether Retry-After names the moment of acceptance`.
fn folded(gaps: &[NotTested]) -> String {
    let mut rows: BTreeMap<_, (&str, usize)> = BTreeMap::new();
    let mut others = Vec::new();
    for gap in gaps {
        match row(&gap.what) {
            Some(id) => rows.entry(place(&gap.what)).or_insert((id, 0)).1 += 1,
            None => others.push(gap.what.as_str()),
        }
    }
    let mut said = format!("{} left out", gaps.len());
    let ids: Vec<String> = rows
        .into_values()
        .map(|(id, count)| match count {
            1 => id.to_owned(),
            count => format!("{id} ({count})"),
        })
        .collect();
    match ids.as_slice() {
        [] => said.push(':'),
        [one] => said.push_str(&format!(", in row {one}")),
        [all @ .., last] => said.push_str(&format!(", in rows {} and {last}", all.join(", "))),
    }
    for (index, other) in others.iter().take(FEW).enumerate() {
        let is_first = ids.is_empty() && index == 0;
        said.push_str(if is_first { " " } else { "; " });
        said.push_str(other);
    }
    if others.len() > FEW {
        said.push_str(&format!("; and {} more", others.len() - FEW));
    }
    said
}

/// The row that a gap names first, such as the `B14` of `B14: a link out of a root`.
fn row(what: &str) -> Option<&str> {
    let (id, _) = what.split_once(": ")?;
    let (letters, number) = id.split_at_checked(letters(id))?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (!letters.is_empty() && is_number).then_some(id)
}

/// How many capital letters a name begins with.
fn letters(id: &str) -> usize {
    id.bytes().take_while(u8::is_ascii_uppercase).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(criterion: &str, what: &str) -> NotTested {
        NotTested {
            criterion: criterion.to_owned(),
            what: what.to_owned(),
        }
    }

    fn said(gaps: &[NotTested]) -> Vec<String> {
        let lines = lines(gaps);
        let count: usize = lines.iter().map(|line| line.count).sum();
        assert_eq!(count, gaps.len(), "{lines:?}");
        let one = |line: &GapLine<'_>| format!("{} {}", line.criterion, line.says);
        lines.iter().map(one).collect()
    }

    #[test]
    fn few_gaps_have_a_line_each_and_many_share_one() {
        assert_eq!(said(&[]), [""; 0]);
        let few = [
            gap("V.5", "power loss"),
            gap("V.6", "B2: a"),
            gap("V.6", "b: c"),
        ];
        assert_eq!(said(&few), ["V.5 power loss", "V.6 B2: a", "V.6 b: c"]);
        let many = [
            gap("V.6", "X8: a"),
            gap("V.6", "B14: b"),
            gap("V.6", "B2: c"),
            gap("V.6", "B2: d"),
            gap("V.6", "whether e"),
            gap("", "live providers"),
        ];
        let folded = "V.6 5 left out, in rows B2 (2), B14 and X8; whether e";
        assert_eq!(said(&many), [folded, " live providers"]);
        let rows = ["S1: a", "S1: b", "S1: c"].map(|what| gap("V.6", what));
        assert_eq!(said(&rows), ["V.6 3 left out, in row S1 (3)"]);
    }

    #[test]
    fn what_names_no_row_is_told_until_it_is_too_much() {
        let three = ["tool a: b", "c", "D: e"].map(|what| gap("wire", what));
        assert_eq!(said(&three), ["wire 3 left out: tool a: b; c; and 1 more"]);
    }

    #[test]
    fn rows_stand_in_the_order_of_their_numbers_before_the_rest() {
        let mut all = ["whether a", "B14: b", "X1: c", "B2: d"];
        all.sort_by_key(|what| place(what));
        assert_eq!(all, ["B2: d", "B14: b", "X1: c", "whether a"]);
    }
}
