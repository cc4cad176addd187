//! Tells the binary which commit it was built from and whether the sources differed from it, and
//! embeds every file of `prompts/`.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
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

/// A table of all prompt files, name and text, in the order of their names.
fn embed_prompts() -> io::Result<()> {
    let from = |name: &str| std::env::var(name).map_err(io::Error::other);
    let folder = Path::new(&from("CARGO_MANIFEST_DIR")?).join("prompts");
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    paths.sort();
    let mut table = "/// Every file of `prompts/`, by its name without extension.\n\
                     const FILES: &[(&str, &str)] = &[\n"
        .to_owned();
    for path in &paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        // Writing to a String cannot fail.
        let _ = writeln!(table, "    ({name:?}, include_str!({path:?})),");
    }
    table.push_str("];\n");
    std::fs::write(Path::new(&from("OUT_DIR")?).join("prompts.rs"), table)
}

fn main() -> io::Result<()> {
    embed_prompts()?;
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
        "prompts",
        "../clients.toml",
        "../Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={path}");
    }
    // The reflog changes with every commit and checkout, the index with every `git status`.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    Ok(())
}
