//! Tells the binary which commit it was built from and whether the sources differed from it, and
//! embeds every file of `prompts/`, the guide and the runbooks.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
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

/// Every file of Markdown in a folder, by its name without extension.
fn pages(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "md") {
            let name = path.file_stem().unwrap_or_default();
            found.push((name.to_string_lossy().into_owned(), path));
        }
    }
    found.sort();
    Ok(found)
}

/// A table of files, name and text, as source.
fn embed(says: &str, files: &[(String, PathBuf)], into: &str) -> io::Result<()> {
    let mut table = format!("/// {says}\nconst FILES: &[(&str, &str)] = &[\n");
    for (name, path) in files {
        // Writing to a String cannot fail.
        let _ = writeln!(table, "    ({name:?}, include_str!({path:?})),");
    }
    table.push_str("];\n");
    std::fs::write(Path::new(&variable("OUT_DIR")?).join(into), table)
}

fn variable(name: &str) -> io::Result<String> {
    std::env::var(name).map_err(io::Error::other)
}

/// The prompts, and the pages for people: the guide, the runbooks, their index as `runbooks`.
fn embed_texts() -> io::Result<()> {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let prompts = pages(&here.join("prompts"))?;
    let says = "Every file of `prompts/`, by its name without extension.";
    embed(says, &prompts, "prompts.rs")?;
    let mut documents = pages(&here.join("../docs/guide"))?;
    documents.extend(pages(&here.join("../docs/runbooks"))?);
    for (name, _) in &mut documents {
        if name == "README" {
            "runbooks".clone_into(name);
        }
    }
    embed(
        "Every page for people, by its name.",
        &documents,
        "documents.rs",
    )
}

fn main() -> io::Result<()> {
    embed_texts()?;
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
        "../docs/guide",
        "../docs/runbooks",
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
