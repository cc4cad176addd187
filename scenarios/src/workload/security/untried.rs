//! What the rows of the battery stand for and nobody sends. The report lists it beside the verdict,
//! and docs/decisions/0041 tells why; a test holds the two against each other.

/// A row, and the case of it that is not tried.
pub const UNTRIED: [(&str, &str); 1] = [(
    "X8",
    "advisories against what is no crate: libraries of the base images, npm packages",
)];

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
    fn every_row_of_which_a_case_is_left_out_must_be_tried_all_the_same() {
        let criteria = crate::catalogue::criteria().unwrap();
        let battery = criteria.find("V.6", "full").unwrap().unwrap();
        let tried = battery.list("rows").unwrap();
        for (row, what) in UNTRIED {
            assert!(tried.iter().any(|one| one == row), "{row}: {what}");
        }
    }
}
