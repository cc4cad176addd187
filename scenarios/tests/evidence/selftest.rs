//! A self-test on record, from outside: only one of the whole table is signed, and the ledger and
//! the gate know of it.

use serde_json::{Value, json};

use super::{Desk, ends, says};

fn selftests(desk: &Desk) -> usize {
    let shown = desk.verify(&["ledger", "show", "--json"]);
    let value: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let entries = value["entries"].as_array().expect("entries").iter();
    entries.filter(|entry| entry["told"] == "selftest").count()
}

#[test]
fn a_self_test_is_signed_only_when_the_whole_table_was_passed() {
    let desk = Desk::new();
    let (key, public) = desk.keys();
    let sign = |table: &Value| {
        let file = desk.write("table.json", &table.to_string());
        desk.verify(&["attest", "selftest", &file, "--signing-key", &key])
    };
    let whole = Desk::table();
    let mut missed = whole.clone();
    missed["rows"][3]["misses"] = json!(["V.1 is Pass"]);
    ends(&sign(&missed), 5, "V.1 is Pass");
    let mut partial = whole.clone();
    partial["rows"].as_array_mut().expect("rows").remove(0);
    ends(&sign(&partial), 5, "was not tried with seed 7");
    ends(&sign(&json!({"schema": "x"})), 64, "verify selftest --json");
    assert_eq!(selftests(&desk), 0);
    ends(&sign(&whole), 0, "the gate counts it");
    assert_eq!(selftests(&desk), 1);
    let gate = |key: &str| desk.verify(&["gate", "--claim", "release-candidate", "--key", key]);
    let trusted = gate(&public);
    assert!(
        !says(&trusted).contains("does not count"),
        "{}",
        says(&trusted)
    );
    let other = Desk::new();
    let (_, stranger) = other.keys();
    let refused = gate(&stranger);
    assert!(
        says(&refused).contains("a self-test does not count"),
        "{}",
        says(&refused)
    );
}
