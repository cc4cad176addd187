//! Tells the binary which commit it was built from and whether the sources differed from it.

use std::process::Command;

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .args(args)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn main() {
    let commit = git(&["rev-parse", "HEAD"]);
    // Reports are written by the judge between builds; they never make a build dirty.
    let status = git(&["status", "--porcelain", "--", ":/", ":(top,exclude)reports"]);
    let dirty = match (&commit, status) {
        (Some(_), Some(status)) => (!status.is_empty()).to_string(),
        _ => "unknown".to_owned(),
    };
    let commit = commit.unwrap_or_else(|| "unknown".to_owned());
    // Not named EXAI_*: `cargo run` puts these into the environment, where they would be taken
    // for configuration keys.
    println!("cargo::rustc-env=BUILT_FROM_COMMIT={commit}");
    println!("cargo::rustc-env=BUILT_FROM_DIRTY={dirty}");
    for path in [
        "src",
        "Cargo.toml",
        "build.rs",
        "default.toml",
        "../Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={path}");
    }
    // The reflog changes with every commit and checkout, the index with every `git status`.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
}
