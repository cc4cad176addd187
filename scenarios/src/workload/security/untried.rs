//! What the rows of the battery stand for and nobody sends. The report lists it beside the verdict,
//! and docs/decisions/0041 tells why; a test holds the two against each other.

/// A row, and the case of it that is not tried.
pub const UNTRIED: [(&str, &str); 3] = [
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
