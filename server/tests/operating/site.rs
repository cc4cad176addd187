//! The documentation as a site: it builds, every link in what was built leads somewhere, nothing is
//! loaded from elsewhere, and a planted dead link fails the build.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::place::{at, text_of};
use super::schemas::python;

fn build(python: &str, root: &Path, site: &Path) -> Output {
    Command::new(python)
        .args(["-m", "mkdocs", "build", "--strict", "-f"])
        .arg(root.join("mkdocs.yml"))
        .arg("--site-dir")
        .arg(site)
        .output()
        .unwrap()
}

fn all(folder: &Path, end: &str, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all(&path, end, into);
        } else if path.to_str().unwrap().ends_with(end) {
            into.push(path);
        }
    }
}

/// What of a built page leads nowhere, or elsewhere without being a link that a reader follows.
fn dead(page: &Path, html: &str) -> Vec<String> {
    let mut dead = Vec::new();
    for (attribute, is_loaded) in [(" href=\"", false), (" src=\"", true)] {
        for rest in html.split(attribute).skip(1) {
            let target = rest.split('"').next().unwrap().replace("&amp;", "&");
            if target.contains("://") {
                dead.extend(is_loaded.then(|| format!("{target} is loaded")));
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = match path {
                "" => page.to_owned(),
                path => page.parent().unwrap().join(path),
            };
            let Ok(there) = std::fs::read(&file) else {
                dead.push(format!("{target} is not there"));
                continue;
            };
            let there = String::from_utf8_lossy(&there);
            let has_anchor = anchor.is_empty() || there.contains(&format!("id=\"{anchor}\""));
            dead.extend((!has_anchor).then(|| format!("{target} has no such place")));
        }
    }
    dead
}

#[test]
fn every_page_of_the_guide_stands_in_the_navigation() {
    let site = text_of("mkdocs.yml");
    let navigation = site.split("\nnav:\n").nth(1).unwrap();
    let mut pages = Vec::new();
    all(&at("docs/guide"), ".md", &mut pages);
    assert!(!pages.is_empty());
    for page in pages {
        let name = page.file_name().unwrap().to_str().unwrap();
        let is_there = navigation.contains(&format!(": guide/{name}\n"));
        assert!(is_there, "mkdocs.yml does not lead to guide/{name}");
    }
}

#[test]
fn the_site_builds_its_links_lead_somewhere_and_it_loads_nothing_from_elsewhere() {
    let Some(python) = python("mkdocs", "mkdocs", "mkdocs 1.6.1") else {
        return;
    };
    let site = tempfile::tempdir().unwrap();
    let built = build(&python, &at("."), site.path());
    assert!(built.status.success(), "{built:?}");
    let (mut sources, mut pages) = (Vec::new(), Vec::new());
    all(&at("docs"), ".md", &mut sources);
    all(site.path(), ".html", &mut pages);
    assert!(
        pages.len() > sources.len(),
        "{} of {}",
        pages.len(),
        sources.len()
    );
    let mut found = Vec::new();
    for page in &pages {
        // It is shown under any address, so its own are from the root.
        if page.ends_with("404.html") {
            continue;
        }
        let html = std::fs::read_to_string(page).unwrap();
        let what = dead(page, &html).into_iter();
        found.extend(what.map(|what| format!("{}: {what}", page.display())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let page = site.path().join("index.html");
    let planted = "<a href=\"no.html\"><a href=\"#no\"><img src=\"https://x.example/a.png\">";
    assert_eq!(dead(&page, planted).len(), 3);
}

#[test]
fn a_planted_dead_link_fails_the_build_by_its_name() {
    let Some(python) = python("mkdocs", "mkdocs", "mkdocs 1.6.1") else {
        return;
    };
    for (planted, says) in [
        ("[a](no-such-page.md)", "no-such-page.md"),
        ("[a](gate.md#no-such-heading)", "no-such-heading"),
        ("[a](../../deploy/no-such-file)", "no-such-file"),
    ] {
        let root = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(at(".")).unwrap() {
            let (from, name) = {
                let entry = entry.unwrap();
                (entry.path().canonicalize().unwrap(), entry.file_name())
            };
            let is_copied = name == "docs" || name == "deploy";
            if !is_copied {
                std::os::unix::fs::symlink(from, root.path().join(name)).unwrap();
                continue;
            }
            let mut copying = Command::new("cp");
            copying.arg("-R").arg(from).arg(root.path());
            assert!(copying.status().unwrap().success());
        }
        let page = root.path().join("docs/guide/tools.md");
        let text = std::fs::read_to_string(&page).unwrap();
        std::fs::write(&page, format!("{text}\n{planted}\n")).unwrap();
        let built = build(&python, root.path(), &root.path().join("site"));
        let said = String::from_utf8_lossy(&built.stderr).into_owned();
        assert!(
            !built.status.success() && said.contains(says),
            "{planted}: {said}"
        );
    }
}
