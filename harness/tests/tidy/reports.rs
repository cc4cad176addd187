//! What runs write stays out of version control, folder by folder as `reports/README.md` says: a
//! tree that a run has changed is another build than the one that was judged.

use std::process::Command;

/// The folders of `reports/` that the table says are not under version control.
fn written(readme: &str) -> Vec<&str> {
    let rows = readme
        .lines()
        .filter(|row| row.trim_end().ends_with("| no |"));
    rows.flat_map(|row| row.split('|').nth(1).unwrap_or_default().split('`'))
        .filter(|name| name.ends_with('/'))
        .collect()
}

fn is_ignored(path: &str) -> bool {
    let asked = Command::new("git")
        .args(["check-ignore", "--quiet", path])
        .current_dir(super::root())
        .status();
    asked.is_ok_and(|status| status.success())
}

#[test]
fn what_a_run_writes_is_kept_out_of_version_control() {
    let readme = std::fs::read_to_string(super::root().join("reports/README.md"));
    let readme = readme.expect("the table of reports");
    let folders = written(&readme);
    assert!(folders.contains(&"spoiled/"), "{folders:?}");
    let tracked: Vec<_> = folders
        .into_iter()
        .filter(|folder| !is_ignored(&format!("reports/{folder}file")))
        .collect();
    assert!(tracked.is_empty(), ".gitignore lacks {tracked:?}");
    assert!(!is_ignored("reports/README.md"));
}
