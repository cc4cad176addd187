//! Every number of the catalogue stands at its edge: in a history judged by hand, the number moves
//! its row between one value and the next, and nowhere else nearby. So each number is read, from
//! the right side and to the unit; what its value is, `numbers.txt` says.

mod rows;
mod values;

use std::collections::BTreeSet;

use exai_judge::Verdict;
use exai_judge::criterion::Criteria;
use exai_judge::finding::Finding;

use crate::catalogue::CRITERIA;
use crate::world::{World, built};
use rows::{Edge, REMAINDER, edges};

/// The catalogue with one number changed in one profile.
fn with(criterion: &str, profile: &str, number: &str, value: f64) -> Criteria {
    let mut table: toml::Table = CRITERIA.parse().unwrap();
    let row = if criterion == "ground" {
        table.get_mut("ground").unwrap()
    } else {
        let rows = table.get_mut("criterion").unwrap().as_array_mut().unwrap();
        let is_it = |row: &&mut toml::Value| row["id"].as_str() == Some(criterion);
        rows.iter_mut().find(is_it).unwrap()
    };
    let (kind, name) = number.split_once('.').unwrap();
    let empty = || toml::Value::from(toml::Table::new());
    let row = row.as_table_mut().unwrap();
    let numbers = row.entry(profile).or_insert_with(empty).as_table_mut();
    let part = numbers.unwrap().entry(kind).or_insert_with(empty);
    let text = format!("value = {value}");
    let value: toml::Table = text.parse().unwrap();
    let part = part.as_table_mut().unwrap();
    part.insert(name.to_owned(), value["value"].clone());
    built(Criteria::parse(&toml::to_string(&table).unwrap()).unwrap())
}

/// Whether no row of that id is bad; None where there is no such row.
fn is_good(finding: &Finding, id: &str) -> Option<bool> {
    let floors = finding.floors.iter().filter(|row| row.id == id);
    let floors = floors.map(exai_judge::finding::Floor::is_met);
    let checks = finding.checks.iter().filter(|row| row.id == id);
    let checks = checks.map(|row| row.verdict == Verdict::Pass);
    floors.chain(checks).reduce(|one, other| one && other)
}

/// The row of an edge with its number just under, at and just over the value.
fn stands(edge: &Edge, world: &World) -> Result<(), String> {
    // No number is negative: what shows nothing is enough for none, and one step under that.
    let under = f64::max(edge.at - edge.step, 0.0);
    let findings = [under, edge.at, edge.at + edge.step].map(|value| {
        let criteria = with(edge.criterion, edge.profile, edge.number, value);
        world.finding(&criteria, edge.profile, edge.owner())
    });
    let seen = findings.each_ref().map(|one| is_good(one, edge.row));
    // A row that nothing tried is left out; with a number that lets it be tried it is there.
    let read = seen.map(|one| one.unwrap_or(true));
    if seen.iter().any(Option::is_some) && read == edge.good {
        return Ok(());
    }
    let (number, row, at) = (edge.number, edge.row, edge.at);
    let bad = findings.each_ref().map(bad_rows);
    Err(format!(
        "{} {number}: {row} at {at} is {seen:?} instead of {:?}; bad are {bad:?}",
        edge.criterion, edge.good
    ))
}

fn bad_rows(finding: &Finding) -> Vec<&str> {
    let floors = finding.floors.iter().filter(|row| !row.is_met());
    let checks = finding.checks.iter();
    let checks = checks.filter(|row| row.verdict != Verdict::Pass);
    let floors = floors.map(|row| row.id.as_str());
    floors.chain(checks.map(|row| row.id.as_str())).collect()
}

fn all_stand(criterion: &str) {
    let wrong: Vec<String> = edges(criterion)
        .iter()
        .filter_map(|edge| stands(edge, &(edge.world)()).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn numbers_of_v1_stand_at_their_edges() {
    all_stand("V.1");
}

#[test]
fn numbers_of_v2_stand_at_their_edges() {
    all_stand("V.2");
}

#[test]
fn numbers_of_v3_and_of_the_ground_stand_at_their_edges() {
    all_stand("V.3");
    all_stand("ground");
}

#[test]
fn numbers_of_v4_stand_at_their_edges() {
    all_stand("V.4");
}

#[test]
fn numbers_of_v5_stand_at_their_edges() {
    all_stand("V.5");
    all_stand("V.5p");
}

#[test]
fn numbers_of_v6_stand_at_their_edges() {
    all_stand("V.6");
}

#[test]
fn numbers_of_v7_stand_at_their_edges() {
    all_stand("V.7m");
}

#[test]
fn numbers_of_v8_stand_at_their_edges() {
    all_stand("V.8g");
    all_stand("V.8t");
}

/// The criterion whose checker reads a number of this one as well.
fn checker(criterion: &str) -> &str {
    match criterion {
        "V.7" => "V.7m",
        "V.8t" => "V.8g",
        other => other,
    }
}

/// Every number of the catalogue once a checker.
fn known() -> BTreeSet<(String, String)> {
    let values = values::values();
    let numbers = values.into_iter().map(|value| {
        let criterion = checker(&value.criterion).to_owned();
        (criterion, value.number)
    });
    numbers.collect()
}

#[test]
fn every_number_has_an_edge_or_a_reason_why_not() {
    let owned = |(criterion, number): (&str, &str)| (criterion.to_owned(), number.to_owned());
    let known = known();
    let of = [
        "V.1", "V.2", "V.3", "ground", "V.4", "V.5", "V.5p", "V.6", "V.7m", "V.8g", "V.8t",
    ];
    let covered: BTreeSet<_> = of
        .iter()
        .flat_map(|criterion| edges(criterion))
        .map(|edge| owned((checker(edge.criterion), edge.number)))
        .collect();
    let excused: BTreeSet<_> = REMAINDER
        .iter()
        .map(|(criterion, number, _)| owned((criterion, number)))
        .collect();
    let both: Vec<_> = covered.intersection(&excused).collect();
    assert!(both.is_empty(), "an edge and an excuse: {both:#?}");
    let all: BTreeSet<_> = covered.union(&excused).cloned().collect();
    let bare: Vec<_> = known.difference(&all).collect();
    assert!(bare.is_empty(), "without an edge: {bare:#?}");
    let gone: Vec<_> = all.difference(&known).collect();
    assert!(gone.is_empty(), "numbers that are gone: {gone:#?}");
    assert_eq!(excused.len(), REMAINDER.len(), "an excuse twice");
    for (_, number, reason) in REMAINDER {
        assert!(reason.len() > 20, "{number} has no reason");
    }
}

#[test]
fn a_step_is_no_more_than_one_unit_of_its_number() {
    let values = values::values();
    for edge in [
        "V.1", "V.2", "V.3", "ground", "V.4", "V.5", "V.5p", "V.6", "V.7m", "V.8g", "V.8t",
    ]
    .into_iter()
    .flat_map(edges)
    {
        let mine = values.iter().filter(|value| {
            checker(&value.criterion) == checker(edge.criterion) && value.number == edge.number
        });
        let unit = mine.map(values::Value::unit).fold(1.0, f64::min);
        assert!(
            edge.step > 0.0 && edge.step <= unit,
            "{}: {unit}",
            edge.number
        );
    }
}
