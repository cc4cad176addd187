//! A page for each alert and an alert for each page. Their commands are tried with those of every
//! other page, by the scenarios' `guide commands`.

use std::collections::BTreeSet;

use super::place::{at, text_of};

fn pages(folder: &str) -> Vec<String> {
    let mut pages: Vec<String> = std::fs::read_dir(at(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md"))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    pages.sort();
    pages
}

#[test]
fn every_alert_has_its_page_and_the_index_lists_them_all() {
    let names: BTreeSet<String> = pages("docs/runbooks")
        .iter()
        .map(|page| {
            page["docs/runbooks/".len()..]
                .trim_end_matches(".md")
                .to_owned()
        })
        .filter(|name| name != "README")
        .collect();
    let index = text_of("docs/runbooks/README.md");
    for name in &names {
        assert!(
            index.contains(&format!("[{name}]({name}.md)")),
            "the index lacks {name}"
        );
        let page = text_of(&format!("docs/runbooks/{name}.md"));
        assert!(
            page.contains(&format!("Alert `{name}`")),
            "{name} is about another alert"
        );
    }
    // Alerts are rows of this file as soon as there are any.
    let Ok(rows) = std::fs::read_to_string(at("server/alerts.toml")) else {
        return;
    };
    let ids = rows
        .lines()
        .filter_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"'));
    let ids: BTreeSet<String> = ids.map(str::to_owned).collect();
    assert_eq!(
        names, ids,
        "pages of docs/runbooks and rows of server/alerts.toml"
    );
}
