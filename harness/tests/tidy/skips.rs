//! A test that does not run says so, and fails where the project's own check demands it.

/// What such a test prints, and the variable that demands; split so that this file has neither.
const SAID: [&str; 2] = ["println!(\"not ", "run"];
const DEMANDS: [&str; 2] = ["EXAI_", "REQUIRE"];
/// Lines between the two at most.
const NEAR: usize = 8;
/// Lines from the variable to the name that is looked for in it at most.
const NAMED: usize = 4;

/// What is wrong with the skips; `check` is the text of the project's own check.
pub fn complaints(sources: &[(String, String)], check: &str) -> Vec<String> {
    let (said, variable) = (SAID.concat(), DEMANDS.concat());
    let demanded: Vec<&str> = check
        .lines()
        .filter(|line| line.contains(&variable))
        .flat_map(|line| line.split(|one: char| !one.is_alphanumeric()))
        .collect();
    let mut complaints = Vec::new();
    for (name, text) in sources {
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let end = lines.len().min(index + NEAR);
            let near = &lines[index.saturating_sub(NEAR)..end];
            if line.contains(&said) && !near.iter().any(|line| line.contains(&variable)) {
                let line = index + 1;
                complaints.push(format!(
                    "{name}:{line}: a skip, fail where {variable} names it"
                ));
            }
            let rest = &lines[index..lines.len().min(index + NAMED)];
            let wanted = line.contains(&variable).then(|| required(rest)).flatten();
            if let Some(wanted) = wanted.filter(|wanted| !demanded.contains(wanted)) {
                let line = index + 1;
                complaints.push(format!("{name}:{line}: {wanted}, demand it in .ci/run"));
            }
        }
    }
    complaints
}

/// The name that is looked for in the variable.
fn required<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let rest = lines.iter().find_map(|line| line.split_once(" == \""))?.1;
    rest.split('"').next()
}

#[test]
fn a_skip_that_nothing_demands_is_seen() {
    let (said, variable) = (SAID.concat(), DEMANDS.concat());
    let file = |text: String| [("a.rs".to_owned(), text)];
    let silent = format!("fn a() {{\n    e{said}: no cat\");\n    return;\n}}\n");
    let asked = format!("    let all = var(\"{variable}\");\n    any(|one| one == \"cat\");\n");
    let whole = silent.replace("    return", &format!("{asked}    return"));
    let check = format!("export {variable}=dog,cat\n");
    assert_eq!(complaints(&file(silent), &check).len(), 1);
    assert_eq!(
        complaints(&file(whole.clone()), &check),
        Vec::<String>::new()
    );
    let found = complaints(&file(whole), &check.replace("cat", "cow"));
    assert_eq!(found, ["a.rs:3: cat, demand it in .ci/run"]);
}
