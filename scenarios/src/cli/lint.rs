//! `verify claims lint`: reads prose, finds what claims readiness, and says what carries it.
//!
//! It asks the ledger alone, so that a commit hook can wait for it; whether the records behind the
//! ledger's lines are whole is `verify gate`'s question.

mod sarif;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use exai_harness::gate::{Register, Shelf, Shown};
use exai_judge::claim::IdentityLevel;
use exai_judge::gate::{Course, DAY_S, Exhibit, Question, Waiver, answer};
use exai_judge::prose::standing::{Stand, Standing, Weighed, Worth};
use exai_judge::prose::{self, Kind};
use exai_judge::verdict::{Exit, Verdict};
use ignore::{DirEntry, WalkBuilder};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::arguments::evidence::{ClaimsCommand, LintArguments, LintFormat, TrustArguments};
use super::{Ending, print, trust};
use crate::binaries;
use crate::catalogue;
use crate::rules::Catalogue;

/// Endings of the files read in a folder.
const ENDINGS: [&str; 4] = ["md", "markdown", "txt", "mdx"];
/// Folders that hold no prose of ours.
const PASSED_OVER: [&str; 3] = ["target", "node_modules", ".git"];
/// The most bytes of a file that is read.
const FILE_BYTES: u64 = 4 << 20;
/// The claims that prose can name, and what each is asked as: without live providers.
const CLAIMS: [(&str, &str); 3] = [
    ("merge-ready", "merge-ready"),
    ("release-candidate", "release-candidate"),
    ("production-ready", "production-ready (simulated providers)"),
];

/// A statement in a file.
pub(super) struct Found {
    file: String,
    weighed: Weighed,
}

impl Found {
    /// Whether it stands unmarked: quoted and proven ones do.
    const fn is_marked(&self) -> bool {
        !self.weighed.statement.quoted && !matches!(self.weighed.worth, Worth::Proven)
    }
}

/// Runs the one there is.
///
/// # Errors
/// The user's mistakes, and a ledger that is refused.
pub fn claims(command: &ClaimsCommand, quiet: bool) -> Result<Exit, Ending> {
    match command {
        ClaimsCommand::Lint(arguments) => lint(arguments, quiet),
    }
}

fn lint(arguments: &LintArguments, quiet: bool) -> Result<Exit, Ending> {
    let mut files = Vec::new();
    for path in &arguments.paths {
        collect(path, &mut files)?;
    }
    files.sort();
    files.dedup();
    let given = arguments.reports.clone();
    let reports = given.unwrap_or_else(binaries::reports);
    let standing = standing(&reports, Timestamp::now())?;
    let mut found = Vec::new();
    for file in &files {
        let text = text_of(file)?;
        let name = file.display().to_string();
        found.extend(prose::read(&text).into_iter().map(|statement| Found {
            file: name.clone(),
            weighed: standing.weigh(statement),
        }));
    }
    let format = if arguments.json {
        LintFormat::Json
    } else {
        arguments.format
    };
    match format {
        LintFormat::Text => {
            text(&found);
            if !quiet {
                eprintln!("{}", summary(&found, files.len()));
            }
        }
        LintFormat::Json => print(&as_json(&found, files.len()).to_string()),
        LintFormat::Sarif => print(&sarif::render(&found).to_string()),
    }
    let is_clean = !found.iter().any(Found::is_marked);
    Ok(if is_clean { Exit::Pass } else { Exit::Fail })
}

/// A file that is named is read whatever it is called; in a folder, prose that git does not ignore
/// is: reports of runs are nobody's claim until somebody publishes them.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Ending> {
    let missing =
        |error: &dyn std::fmt::Display| Ending::Usage(format!("{}: {error}", path.display()));
    if path.metadata().map_err(|error| missing(&error))?.is_file() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    let is_ours = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !PASSED_OVER.contains(&name.as_ref())
    };
    let folder = WalkBuilder::new(path)
        .hidden(false)
        .ignore(false)
        .git_global(false)
        .require_git(false)
        .filter_entry(is_ours)
        .build();
    for entry in folder {
        let entry = entry.map_err(|error| missing(&error))?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        let ending = entry.path().extension();
        let is_prose = ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
        if is_file && is_prose {
            files.push(entry.into_path());
        }
    }
    Ok(())
}

fn text_of(file: &Path) -> Result<String, Ending> {
    let unread = |says: String| Ending::Usage(format!("{}: {says}", file.display()));
    let size = file
        .metadata()
        .map_err(|error| unread(error.to_string()))?
        .len();
    if size > FILE_BYTES {
        return Err(unread(format!(
            "{size} bytes; prose of {FILE_BYTES} at most is read"
        )));
    }
    let bytes = std::fs::read(file).map_err(|error| unread(error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What the ledger says of the build judged last.
fn standing(reports: &Path, now: Timestamp) -> Result<Standing, Ending> {
    let trusted = trust::trust(&TrustArguments {
        reports: Some(reports.to_path_buf()),
        ..TrustArguments::default()
    })?;
    let register = Register::read(reports).map_err(Ending::Usage)?;
    let catalogue = Catalogue::read()?;
    trust::with_rules(&catalogue, |rules| {
        let shelf = Shelf::at(reports, rules, &trusted, now);
        let shown = shelf.by_ledger(&shelf.entries(None)?);
        let newest = shown.exhibits.iter().max_by_key(|one| one.ended_at);
        let Some(server) = newest.map(|one| one.server.clone()) else {
            return Ok(Standing::default());
        };
        let (carried, allowed) = carried(&server, &shown, &register.waivers, now)?;
        let decided = shown.decisions.iter().any(|one| {
            one.course == Course::Go
                && one.server == server
                && (one.at..=one.until).contains(&now.as_second())
        });
        let is_waived = |id: &str| {
            let covers = |one: &Waiver| one.criterion == id && one.until >= now.as_second();
            register.waivers.iter().any(covers)
        };
        let waived = |id: &str| decided || is_waived(id);
        Ok(Standing {
            criteria: newest_stands(
                &shown.exhibits,
                &server,
                (now.as_second() - allowed, &waived),
            ),
            carried,
        })
    })
}

/// The claims that the records of a build carry, each with its runs, and the least age in seconds
/// at which evidence is too old for one of them.
fn carried(
    server: &str,
    shown: &Shown,
    waivers: &[Waiver],
    now: Timestamp,
) -> Result<(BTreeMap<String, Vec<String>>, i64), Ending> {
    let mut carried = BTreeMap::new();
    let mut allowed = i64::MAX;
    for (name, asked) in CLAIMS {
        let mut claim = catalogue::named(asked)?;
        allowed = allowed.min(i64::from(claim.max_age_days) * DAY_S);
        // Which server answers, and where the ledger's copy is kept, is for the gate to ask.
        claim.identity = IdentityLevel::Evidence;
        let question = Question {
            claim: &claim,
            server,
            policy: None,
            now: now.as_second(),
            identity: IdentityLevel::Evidence,
            has_checkpoint: true,
            waivers,
            never_waived: &[],
            accepts_waivers: false,
            decisions: &shown.decisions,
            selftests: &shown.selftests,
        };
        let answer = answer(&question, &shown.exhibits);
        if answer.carried {
            let runs = answer.rows.into_iter().filter_map(|row| row.run);
            carried.insert(name.to_owned(), sorted(runs.collect()));
        }
    }
    Ok((carried, allowed))
}

fn sorted(mut runs: Vec<String>) -> Vec<String> {
    runs.sort();
    runs.dedup();
    runs
}

/// Criterion to its newest evidence about a build, of a run of full or quick size.
fn newest_stands(
    exhibits: &[Exhibit],
    server: &str,
    (oldest, waived): (i64, &dyn Fn(&str) -> bool),
) -> BTreeMap<String, Stand> {
    let mut sorted: Vec<&Exhibit> = exhibits
        .iter()
        .filter(|one| one.server == server)
        .filter(|one| ["quick", "full", "soak"].contains(&one.profile.as_str()))
        .collect();
    sorted.sort_by_key(|one| one.ended_at);
    let mut stands = BTreeMap::new();
    for one in sorted {
        for finding in &one.findings {
            let stand = Stand {
                verdict: finding.verdict,
                run: one.run.clone(),
                expired: one.ended_at < oldest,
                waived: finding.verdict != Verdict::Pass && waived(&finding.criterion),
            };
            stands.insert(finding.criterion.clone(), stand);
        }
    }
    stands
}

fn text(found: &[Found]) {
    for one in found.iter().filter(|one| one.is_marked()) {
        let Weighed {
            statement,
            worth,
            says,
            ..
        } = &one.weighed;
        print(&format!(
            "{}:{}:{}: {} {}: \"{}\": {says}",
            one.file,
            statement.line,
            statement.column,
            worth.word(),
            statement.kind.word(),
            statement.text
        ));
    }
}

fn summary(found: &[Found], files: usize) -> String {
    let marked = found.iter().filter(|one| one.is_marked()).count();
    let quoted = found
        .iter()
        .filter(|one| one.weighed.statement.quoted)
        .count();
    format!(
        "{files} files, {} statements: {marked} marked, {quoted} quoted, {} carried",
        found.len(),
        found.len() - marked - quoted
    )
}

fn as_json(found: &[Found], files: usize) -> Value {
    let rows = found.iter().map(|one| {
        let mut row = json!(one.weighed);
        row["file"] = json!(one.file);
        row["marked"] = json!(one.is_marked());
        row
    });
    let rows: Vec<Value> = rows.collect();
    let marked = found.iter().filter(|one| one.is_marked()).count();
    json!({
        "schema": "exai-verify-lint/1", "files": files, "marked": marked, "statements": rows,
        "kinds": Kind::ALL.map(Kind::word),
    })
}
