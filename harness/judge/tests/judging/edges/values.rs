//! What each number is, pinned by hand: a threshold is changed in two places or not at all.

use exai_judge::criterion::{Criteria, Numbers, PROFILES};

use crate::catalogue;

/// One line a number: its value in smoke, quick, full and selftest.
const PINNED: &str = include_str!("numbers.txt");

/// A number of the catalogue in each profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    pub criterion: String,
    /// `floors.operations`, `limits.p95_ms`, `budget_s`.
    pub number: String,
    pub of: [f64; PROFILES.len()],
}

impl Value {
    fn line(&self) -> String {
        let of = self.of.map(|value| value.to_string());
        format!("{} {} = {}", self.criterion, self.number, of.join(" "))
    }

    /// One in the last place that any of its profiles gives.
    pub fn unit(&self) -> f64 {
        let places = self.of.iter().map(|value| {
            let text = value.to_string();
            text.split_once('.').map_or(0, |(_, places)| places.len())
        });
        let places = i32::try_from(places.max().unwrap_or(0)).unwrap();
        10_f64.powi(-places)
    }
}

fn numbers_of(numbers: &Numbers) -> Vec<(String, f64)> {
    let floors = numbers.floors.iter().map(|(name, value)| {
        let value = f64::from(u32::try_from(*value).unwrap());
        (format!("floors.{name}"), value)
    });
    let limits = numbers.limits.iter();
    let limits = limits.map(|(name, value)| (format!("limits.{name}"), *value));
    floors.chain(limits).collect()
}

/// Every floor and limit, in the order of the catalogue.
pub fn values() -> Vec<Value> {
    values_of(&catalogue::criteria())
}

fn values_of(criteria: &Criteria) -> Vec<Value> {
    let in_profile = |criterion: &str, profile: &str| {
        if criterion == "ground" {
            return criteria.ground(profile).unwrap();
        }
        criteria.find(criterion, profile).unwrap().unwrap()
    };
    let mut values = Vec::new();
    for criterion in std::iter::once("ground").chain(criteria.ids()) {
        let of = PROFILES.map(|profile| numbers_of(&in_profile(criterion, profile).numbers));
        let counts = of.each_ref().map(Vec::len);
        assert_eq!(
            counts,
            [counts[0]; PROFILES.len()],
            "{criterion}: a base lacks one"
        );
        for (number, _) in &of[0] {
            let of = of.each_ref().map(|numbers| {
                let found = numbers.iter().find(|(name, _)| name == number);
                found.unwrap().1
            });
            values.push(Value {
                criterion: criterion.to_owned(),
                number: number.clone(),
                of,
            });
        }
    }
    values
}

fn text(values: &[Value]) -> String {
    values.iter().map(|value| value.line() + "\n").collect()
}

/// No test writes `numbers.txt`: who moves a threshold says so there as well.
#[test]
fn every_number_is_the_pinned_one() {
    let now = text(&values());
    let moved: Vec<&str> = now
        .lines()
        .filter(|line| !PINNED.lines().any(|pinned| pinned == *line))
        .collect();
    assert!(
        now == PINNED,
        "numbers.txt says otherwise of\n{}",
        moved.join("\n")
    );
}

#[test]
fn one_unit_up_or_down_in_any_profile_is_another_number() {
    let values = values();
    for (index, value) in values.iter().enumerate() {
        for profile in 0..PROFILES.len() {
            for step in [-value.unit(), value.unit()] {
                let mut moved = values.clone();
                moved[index].of[profile] += step;
                assert_ne!(text(&moved), PINNED, "{} by {step}", value.line());
            }
        }
    }
}
