//! `precommit` on real repositories and on diffs.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::failure::Category;

fn git(folder: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A repository with one staged, one unstaged and one untracked change.
fn repository(folder: &Path) {
    git(folder, &["init", "-q", "-b", "main"]);
    for name in ["a.txt", "b.txt"] {
        std::fs::write(folder.join(name), "first\n").unwrap();
    }
    git(folder, &["add", "."]);
    git(folder, &["commit", "-q", "-m", "one"]);
    std::fs::write(folder.join("a.txt"), "staged line\n").unwrap();
    git(folder, &["add", "a.txt"]);
    std::fs::write(folder.join("b.txt"), "unstaged line\n").unwrap();
    std::fs::write(folder.join("new.txt"), "untracked line\n").unwrap();
}

async fn bench_on(folder: &Path) -> Bench {
    let config = format!("[files]\nroots = [{:?}]", folder.display().to_string());
    let table: Table = Arc::new(|ask| Ok(format!("re: {}", last_text(ask))));
    Bench::new(&config, table).await
}

fn without_diff() -> Value {
    let mut step = step_of("precommit", 1, 1, false);
    step.as_object_mut().unwrap().remove("diff");
    step
}

fn seen(bench: &Bench) -> String {
    last_text(&bench.questions().pop().unwrap()).to_owned()
}

#[tokio::test]
async fn the_switches_decide_which_changes_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    repository(folder.path());
    let bench = bench_on(folder.path()).await;
    let cases = [
        (true, true, [true, true, true]),
        (true, false, [true, false, false]),
        (false, true, [false, true, true]),
    ];
    for (staged, unstaged, wanted) in cases {
        let mut step = without_diff();
        step["include_staged"] = json!(staged);
        step["include_unstaged"] = json!(unstaged);
        bench.call("precommit", step).await.unwrap();
        let brief = seen(&bench);
        let parts = ["+staged line", "+unstaged line", "- new.txt"];
        assert_eq!(parts.map(|part| brief.contains(part)), wanted, "{brief}");
        assert!(!brief.contains("untracked line"));
    }
    let mut neither = without_diff();
    neither["include_staged"] = json!(false);
    neither["include_unstaged"] = json!(false);
    let failure = bench.call("precommit", neither.clone()).await.unwrap_err();
    assert_eq!(failure.field.as_deref(), Some("/include_staged"));
    git(folder.path(), &["commit", "-q", "-m", "two"]);
    neither["compare_to"] = json!("HEAD~1");
    bench.call("precommit", neither).await.unwrap();
    assert!(seen(&bench).contains("+staged line") && !seen(&bench).contains("+unstaged line"));
}

#[tokio::test]
async fn a_diff_is_seen_as_the_tree_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    repository(folder.path());
    std::fs::remove_file(folder.path().join("new.txt")).unwrap();
    let bench = bench_on(folder.path()).await;
    bench.call("precommit", without_diff()).await.unwrap();
    let from_tree = seen(&bench);
    let mut step = without_diff();
    step["diff"] = json!(git(folder.path(), &["diff", "HEAD"]));
    let elsewhere = Bench::echoing().await;
    elsewhere.call("precommit", step).await.unwrap();
    assert_eq!(seen(&elsewhere), from_tree);
}

#[tokio::test]
async fn a_repository_without_a_commit_shows_everything_as_new() {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "-q"]);
    std::fs::write(folder.path().join("a.txt"), "brand new\n").unwrap();
    git(folder.path(), &["add", "."]);
    let bench = bench_on(folder.path()).await;
    bench.call("precommit", without_diff()).await.unwrap();
    assert!(seen(&bench).contains("+brand new"));
}

#[tokio::test]
async fn names_from_the_call_are_data_and_run_nothing() {
    let folder = tempfile::tempdir().unwrap();
    repository(folder.path());
    let planted = folder.path().join("planted");
    let hostile = [
        format!("--output={}", planted.display()),
        format!("$(touch {})", planted.display()),
        format!("`touch {}`", planted.display()),
        "HEAD\n--output=planted".to_owned(),
        "no-such-branch".to_owned(),
        "-h".to_owned(),
    ];
    let bench = bench_on(folder.path()).await;
    for name in hostile {
        let mut step = without_diff();
        step["compare_to"] = json!(name);
        let failure = bench.call("precommit", step).await.unwrap_err();
        assert_eq!(failure.field.as_deref(), Some("/compare_to"), "{name}");
    }
    // Programs that a repository names in its own configuration are not run either.
    let touch = format!("touch {}; false", planted.display());
    for key in ["core.fsmonitor", "diff.external", "core.pager"] {
        git(folder.path(), &["config", key, &touch]);
    }
    bench.call("precommit", without_diff()).await.unwrap();
    for path in ["..", "/etc", "absent", "a.txt", "-C"] {
        let mut step = without_diff();
        step["path"] = json!(path);
        let failure = bench.call("precommit", step).await.unwrap_err();
        assert_eq!(
            (failure.code, failure.field.as_deref()),
            ("file_not_readable", Some("/path"))
        );
    }
    assert!(!planted.exists(), "something was run");
    assert_eq!(bench.questions().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_reviewed_says_what_to_send_instead() {
    let blind = Bench::echoing().await;
    let failure = blind.call("precommit", without_diff()).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.field.as_deref()),
        ("changes_needed", Some("/diff"))
    );
    assert!(failure.message.contains("git diff HEAD"));

    let folder = tempfile::tempdir().unwrap();
    let bench = bench_on(folder.path()).await;
    let failure = bench.call("precommit", without_diff()).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.category),
        ("not_a_repository", Category::ToolError)
    );
    assert!(!failure.retryable);
    git(folder.path(), &["init", "-q"]);
    let failure = bench.call("precommit", without_diff()).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.category),
        ("no_changes", Category::ToolError)
    );
    assert!(bench.questions().is_empty());
}

#[tokio::test]
async fn later_steps_keep_the_changes_of_the_first() {
    let bench = Bench::echoing().await;
    let first = bench
        .call("precommit", step_of("precommit", 1, 2, true))
        .await
        .unwrap();
    assert_eq!(
        status(&first)["file_context"]["files"],
        json!(["changes.diff"])
    );
    let next = status(&first)["next_call"]["arguments"].clone();
    bench.call("precommit", next).await.unwrap();
    assert!(seen(&bench).contains("+added line"));
}
