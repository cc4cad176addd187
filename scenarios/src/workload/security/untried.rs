//! What the rows of the battery stand for and nobody sends. The report lists it beside the verdict,
//! and docs/decisions/0041 tells why; a test holds the two against each other.

/// A row, and the case of it that is not tried.
pub const UNTRIED: [(&str, &str); 15] = [
    (
        "B2",
        "a length that announces more than comes: the server waits for it, which D2 times",
    ),
    (
        "B4",
        "decoded size and ratio: no compressed body is taken at all",
    ),
    (
        "B6",
        "whole numbers beyond 2^53 in arguments, which have no rule of their own",
    ),
    (
        "B7",
        "NUL and bidirectional controls inside a prompt; names of arguments are tried",
    ),
    (
        "B8",
        "a request without an id: on 2026-07-28 it is a notification, answered 202",
    ),
    (
        "B11",
        "a downgrade: an older version that the server speaks",
    ),
    ("B13", "that a step beyond `total_steps` raises it"),
    (
        "B14",
        "a link out of a root, a pipe and an unreadable file: paths are read over stdio alone",
    ),
    (
        "B22",
        "whether the times of the four refusals tell them apart",
    ),
    (
        "S12",
        "a call of somebody else that is cancelled; sessions are tried",
    ),
    ("W5", "no hello for 15 s, and a hello after the close"),
    ("W6", "a connection whose other half is gone"),
    ("D11", "a full disk, and memory near its limit"),
    (
        "X6",
        "the limits of running containers; those of the composition are read",
    ),
    (
        "X8",
        "the whole row: advisories against the dependencies, and the digest of the base image",
    ),
];

#[cfg(test)]
mod tests {
    use super::UNTRIED;

    const DECISION: &str =
        include_str!("../../../../docs/decisions/0041-what-the-battery-leaves-out.md");

    #[test]
    fn the_decision_and_the_report_name_the_same_cases() {
        let cells = DECISION.lines().filter_map(|line| {
            let (row, what) = line.strip_prefix("| ")?.split_once(" | ")?;
            Some((row, what.strip_suffix(" |")?))
        });
        let told: Vec<_> = cells.filter(|(row, _)| *row != "Row").collect();
        assert_eq!(told, UNTRIED);
    }

    #[test]
    fn a_row_that_is_left_out_whole_is_not_among_those_that_must_be_tried_and_all_others_are() {
        let criteria = crate::catalogue::criteria().unwrap();
        let battery = criteria.find("V.6", "full").unwrap().unwrap();
        let tried = battery.list("rows").unwrap();
        for (row, what) in UNTRIED {
            let is_whole = what.starts_with("the whole row");
            let is_tried = tried.iter().any(|one| one == row);
            assert_ne!(is_whole, is_tried, "{row}: {what}");
            let mut families = battery.list("untried").unwrap().iter();
            let is_named = families.any(|family| family.starts_with(&format!("{row},")));
            assert_eq!(is_whole, is_named, "{row}: {what}");
        }
    }
}
