//! Git changes for a review: a unified diff in the call, or the repository of a folder that the
//! call may read.
//!
//! Git runs with fixed arguments and never through a shell. A name from the call is resolved to a
//! commit first, after `--end-of-options`, so that it can be no option; programs that a
//! repository's configuration names (external diff, text conversion, file watchers) are not run,
//! and nothing is fetched. Changes outside the folder are not shown.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::argument::Arguments;
use super::file::FileText;
use super::run::Run;
use crate::failure::{Category, Failure};

/// The name under which a model sees the changes.
const NAME: &str = "changes.diff";

/// One git command may take this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of an error message that are read.
const COMPLAINT_BYTES: u64 = 4096;

/// Untracked files that are named.
const UNTRACKED: usize = 200;

/// Set before every command, whatever the repository's configuration says.
const HARMLESS: [&str; 7] = [
    "--no-pager",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.quotePath=false",
];

const DIFF: [&str; 5] = [
    "diff",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--ignore-submodules=dirty",
];

/// Which changes are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    compare_to: Option<&'a str>,
    staged: bool,
    unstaged: bool,
}

/// The changes this call brings: its `diff`, or what git shows at step 1 and wherever `path` is
/// given; none at other steps.
///
/// # Errors
/// `changes_needed` and `file_not_readable` name what to send instead; `not_a_repository`,
/// `no_changes`, `git_missing` and `git_failed` are tool errors; a bad `compare_to` names itself.
pub(super) async fn read(run: &Run<'_>, number: u32) -> Result<Option<FileText>, Failure> {
    let arguments = run.arguments();
    let most = run.around.settings.files.file_bytes;
    let name = NAME.to_owned();
    if let Some(diff) = arguments.text("diff") {
        if diff.len() > most {
            return Err(too_large("/diff", most));
        }
        let text = diff.to_owned();
        return Ok(Some(FileText { name, text }));
    }
    let path = arguments.text("path");
    if number != 1 && path.is_none() {
        return Ok(None);
    }
    let wanted = Wanted::of(arguments)?;
    let Some(folder) = run.reader().folder(path).await else {
        return Err(not_readable(path.is_some()));
    };
    let text = of_folder(folder, wanted, most).await?;
    Ok(Some(FileText { name, text }))
}

/// The changes that git shows in a folder, `most` bytes at most.
///
/// # Errors
/// As [`read`].
pub(crate) async fn of_folder(
    folder: PathBuf,
    wanted: Wanted<'_>,
    most: usize,
) -> Result<String, Failure> {
    Repository { folder, most }.changes(wanted).await
}

impl<'a> Wanted<'a> {
    /// As the arguments of a call have it.
    ///
    /// # Errors
    /// When they want nothing.
    pub(crate) fn of(arguments: Arguments<'a>) -> Result<Self, Failure> {
        let wanted = Self {
            compare_to: arguments.text("compare_to"),
            staged: arguments.flag("include_staged", true),
            unstaged: arguments.flag("include_unstaged", true),
        };
        if wanted.compare_to.is_none() && !wanted.staged && !wanted.unstaged {
            let message = "include_staged and include_unstaged are both false, so there is \
                           nothing to review. Set one of them, or give compare_to.";
            return Err(Failure::validation("/include_staged", message));
        }
        Ok(wanted)
    }
}

/// A folder with git's view of it.
struct Repository {
    folder: PathBuf,
    most: usize,
}

/// What one command said.
struct Said {
    is_success: bool,
    out: String,
    complaint: String,
}

impl Repository {
    async fn changes(&self, wanted: Wanted<'_>) -> Result<String, Failure> {
        let inside = self.git(&["rev-parse", "--is-inside-work-tree"]).await?;
        if !inside.is_success || inside.out.trim() != "true" {
            return Err(no_repository(&inside.complaint));
        }
        let base = self.base(wanted.compare_to).await?;
        let mut text = String::new();
        for ends in sides(&base, wanted) {
            let mut words: Vec<&str> = DIFF.to_vec();
            words.extend(ends);
            words.extend(["--", "."]);
            text.push_str(&self.must(&words).await?);
        }
        if wanted.unstaged {
            text.push_str(&self.untracked().await?);
        }
        if text.is_empty() {
            let message = "There is nothing to review: git shows no such changes in that folder. \
                           Check include_staged, include_unstaged, compare_to and path.";
            let failure = Failure::new(Category::ToolError, "no_changes", message);
            return Err(failure.with_retryable(false));
        }
        if text.len() > self.most {
            return Err(too_large("/path", self.most));
        }
        Ok(text)
    }

    /// The commit to compare with; the empty tree where nothing was committed yet.
    async fn base(&self, compare_to: Option<&str>) -> Result<String, Failure> {
        let name = compare_to.unwrap_or("HEAD");
        if name.starts_with('-') || name.chars().any(char::is_control) {
            return Err(no_commit());
        }
        let commit = format!("{name}^{{commit}}");
        let words = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
        let found = self.git(&[&words[..], &[commit.as_str()]].concat()).await?;
        if found.is_success {
            return Ok(found.out.trim().to_owned());
        }
        if compare_to.is_some() {
            return Err(no_commit());
        }
        let empty = self.must(&["hash-object", "-t", "tree", "/dev/null"]).await;
        empty.map(|id| id.trim().to_owned())
    }

    async fn untracked(&self) -> Result<String, Failure> {
        let words = [
            "ls-files",
            "--others",
            "--exclude-standard",
            "-z",
            "--",
            ".",
        ];
        let listed = self.must(&words).await?;
        let names: Vec<&str> = listed.split('\0').filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return Ok(String::new());
        }
        let mut text = "\nUntracked files, content not shown:\n".to_owned();
        for name in names.iter().take(UNTRACKED) {
            text.extend(["- ", &name.replace(char::is_control, " "), "\n"]);
        }
        let more = names.len().saturating_sub(UNTRACKED);
        if more > 0 {
            text.push_str(&format!("and {more} more\n"));
        }
        Ok(text)
    }

    async fn must(&self, words: &[&str]) -> Result<String, Failure> {
        let said = self.git(words).await?;
        if said.is_success {
            return Ok(said.out);
        }
        let message = "Git could not show the changes. Send them as `diff` instead: the output of \
                       `git diff HEAD`.";
        let failure = Failure::new(Category::ToolError, "git_failed", message);
        Err(failure.with_cause(said.complaint))
    }

    async fn git(&self, words: &[&str]) -> Result<Said, Failure> {
        tokio::time::timeout(PATIENCE, self.run(words))
            .await
            .unwrap_or_else(|_| {
                let message = "Git did not answer in time. Send the changes as `diff` instead.";
                Err(Failure::new(Category::ToolError, "git_slow", message))
            })
    }

    async fn run(&self, words: &[&str]) -> Result<Said, Failure> {
        let mut command = Command::new("git");
        command.env_clear();
        for kept in ["PATH", "HOME", "XDG_CONFIG_HOME"] {
            command.envs(std::env::var_os(kept).map(|value| (kept, value)));
        }
        let mut child = command
            .env("LC_ALL", "C")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .args(HARMLESS)
            .args(words)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                let message = "This server cannot run git. Send the changes as `diff` instead: the \
                               output of `git diff HEAD`.";
                Failure::new(Category::ToolError, "git_missing", message)
                    .with_retryable(false)
                    .with_cause(error)
            })?;
        let (out, complaint) = tokio::join!(
            gather(child.stdout.take(), self.most as u64 + 1),
            gather(child.stderr.take(), COMPLAINT_BYTES),
        );
        if out.len() > self.most {
            // The child is killed when it is dropped.
            return Err(too_large("/path", self.most));
        }
        let ended = child.wait().await;
        Ok(Said {
            is_success: ended.is_ok_and(|status| status.success()),
            out,
            complaint,
        })
    }
}

/// The ends of each diff that together show what is wanted.
fn sides<'a>(base: &'a str, wanted: Wanted<'_>) -> Vec<Vec<&'a str>> {
    let committed = || vec![base, "HEAD"];
    match (wanted.staged, wanted.unstaged) {
        (true, true) => vec![vec![base]],
        (true, false) => vec![vec!["--cached", base]],
        (false, true) if wanted.compare_to.is_some() => vec![committed(), vec![]],
        (false, true) => vec![vec![]],
        (false, false) => vec![committed()],
    }
}

async fn gather(from: Option<impl AsyncRead + Unpin>, most: u64) -> String {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        // A pipe that breaks has ended; what came before it counts.
        let _ = from.take(most).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn not_readable(is_path_given: bool) -> Failure {
    if is_path_given {
        let message = "/path: this server may not read that folder, or there is none. Send the \
                       changes instead, as `diff`: the output of `git diff HEAD`.";
        return Failure::validation("/path", message).with_code("file_not_readable");
    }
    let message = "This server cannot see your working tree. Send the changes as `diff`: the \
                   output of `git diff HEAD`.";
    Failure::validation("/diff", message).with_code("changes_needed")
}

fn no_repository(complaint: &str) -> Failure {
    let message = if complaint.contains("dubious ownership") {
        "Git refuses that repository because somebody else owns it. Send the changes as `diff` \
         instead, or have the operator add it to git's safe.directory."
    } else {
        "That folder is not inside a git repository. Give its folder in `path`, or send the \
         changes as `diff`."
    };
    Failure::new(Category::ToolError, "not_a_repository", message)
        .with_retryable(false)
        .with_cause(complaint)
}

fn no_commit() -> Failure {
    let message = "/compare_to: git knows no commit of that name. Give a branch, tag or commit id \
                   that exists in the repository.";
    Failure::validation("/compare_to", message)
}

fn too_large(at: &str, most: usize) -> Failure {
    let message = format!(
        "{at}: the changes are larger than {most} bytes. Send the part that matters as `diff`, or \
         name a folder inside the repository in `path`."
    );
    Failure::validation(at, message).with_code("file_too_large")
}
