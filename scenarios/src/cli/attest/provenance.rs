//! Where the files of a release come from: signed once each of them is as the statement says, and
//! checked beside them with the public key alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use exai_harness::attest::statement::STATEMENT;
use exai_harness::attest::{Envelope, Trust};
use exai_judge::refusal::{Refusal, Why};
use exai_judge::verdict::Exit;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::arguments::evidence::SignerArguments;
use super::super::{Ending, print, trust};
use crate::facts::sha256_of;

/// The predicate of a provenance (SLSA, version 1).
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// What stands beside a statement that `deploy/release.sh` wrote, signed.
const ENDINGS: [&str; 2] = [".provenance.json", ".intoto.json"];
/// Which files a release may not hold without the statement naming them.
const VOUCHED: [&str; 2] = [".tar.gz", ".cdx.json"];

/// Signs a statement into the file beside it.
///
/// # Errors
/// The user's mistakes, and a statement that its files do not bear out.
pub fn sign(path: &Path, arguments: &SignerArguments, as_json: bool) -> Result<Exit, Ending> {
    let unreadable = |error: String| Ending::Usage(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let statement = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(stem) = name.and_then(|name| name.strip_suffix(ENDINGS[0])) else {
        return Err(unreadable(format!(
            "its name does not end in {}",
            ENDINGS[0]
        )));
    };
    bears_out(&statement, folder_of(path))?;
    let signer = trust::signer(arguments)?;
    let mut envelope = Envelope::around(&statement);
    signer.sign(&mut envelope)?;
    let out = path.with_file_name(format!("{stem}{}", ENDINGS[1]));
    std::fs::write(&out, envelope.to_text())
        .map_err(|error| Ending::Harness(format!("could not write {}: {error}", out.display())))?;
    let (names, id) = (names(&statement)?, signer.public().id());
    let said = if as_json {
        let value = json!({"schema": "exai-verify-provenance-sign/1", "envelope": out,
            "files": names, "key_id": id});
        value.to_string()
    } else {
        let (count, out) = (names.len(), out.display());
        format!("provenance of {count} files, signed by {id}\n{out}")
    };
    print(&said);
    Ok(Exit::Pass)
}

/// Whether an envelope, whoever signed it, holds a provenance.
pub fn is_in(envelope: &Envelope) -> bool {
    envelope.unchecked()["predicateType"] == PROVENANCE
}

/// Checks an envelope and every file it names, which stand beside it.
///
/// # Errors
/// A [`Refusal`] when no trusted key signed it, a file is missing or changed, an archive stands
/// there that it does not name, or the server is none of its programs.
pub fn check(
    (path, envelope): (&Path, &Envelope),
    trusted: &Trust,
    server: Option<&Path>,
    as_json: bool,
) -> Result<Exit, Ending> {
    let (statement, ids) = envelope.open(&trusted.keys())?;
    bears_out(&statement, folder_of(path))?;
    let predicate = &statement["predicate"];
    let at = text(predicate, "/runDetails/metadata/finishedOn")?;
    let at: Timestamp = at
        .parse()
        .map_err(|_| unfit(format!("{at:?} is no time")))?;
    let signers: Result<Vec<String>, Refusal> = ids
        .iter()
        .map(|id| trusted.signer(id, at).map(|signer| signer.owner))
        .collect();
    let signers = signers?;
    let build = &predicate["buildDefinition"]["externalParameters"];
    if let Some(server) = server.map(sha256_of)
        && build["programs"]["exai"] != server
    {
        let says = format!("{server} is not the exai of this release");
        return Err(Refusal::new(Why::SubjectMismatch, says).into());
    }
    let builder = text(predicate, "/runDetails/builder/id")?;
    let commit = text(build, "/commit")?;
    let names = names(&statement)?;
    if as_json {
        let value = json!({
            "schema": "exai-verify-provenance/1", "commit": commit, "builder": builder,
            "finished_at": at, "files": names, "signers": signers,
        });
        print(&value.to_string());
        return Ok(Exit::Pass);
    }
    let changed = if build["changed_since"] == false {
        ""
    } else {
        ", changed since or not known to be"
    };
    print(&format!(
        "provenance  {} files, each as it was signed\ncommit      {commit}{changed}\n\
         built by    {builder} at {at}\nsigned by   {}",
        names.len(),
        signers.join(", ")
    ));
    Ok(Exit::Pass)
}

fn folder_of(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    parent.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Refuses a statement that is no provenance of the files in its folder.
fn bears_out(statement: &Value, folder: PathBuf) -> Result<(), Ending> {
    if statement["_type"] != STATEMENT || statement["predicateType"] != PROVENANCE {
        return Err(unfit("this is no provenance").into());
    }
    let subjects = subjects(statement)?;
    for (name, digest) in &subjects {
        let found = sha256_of(&folder.join(name));
        if found != *digest {
            let says = format!("{name} is {found}, the statement says {digest}");
            return Err(Refusal::new(Why::Changed, says).into());
        }
    }
    let named: BTreeSet<&str> = subjects.iter().map(|(name, _)| name.as_str()).collect();
    let listed = std::fs::read_dir(&folder)
        .map_err(|error| Ending::Usage(format!("{}: {error}", folder.display())))?;
    for entry in listed.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_vouched = VOUCHED.iter().any(|ending| name.ends_with(ending));
        if is_vouched && !named.contains(name.as_str()) {
            let says = format!("{name} stands here and the statement does not name it");
            return Err(Refusal::new(Why::SubjectMismatch, says).into());
        }
    }
    Ok(())
}

fn names(statement: &Value) -> Result<Vec<String>, Refusal> {
    let subjects = subjects(statement)?.into_iter();
    Ok(subjects.map(|(name, _)| name).collect())
}

/// Each file's name and SHA-256 (hex); a name leads nowhere but into the folder.
fn subjects(statement: &Value) -> Result<Vec<(String, String)>, Refusal> {
    let rows = statement["subject"].as_array();
    let rows = rows.filter(|rows| !rows.is_empty());
    let rows = rows.ok_or_else(|| unfit("it names no file"))?;
    let one = |row: &Value| {
        let (name, digest) = (text(row, "/name")?, text(row, "/digest/sha256")?);
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(unfit(format!("{name:?} is no file of a release")));
        }
        Ok((name, digest))
    };
    rows.iter().map(one).collect()
}

fn text(value: &Value, place: &str) -> Result<String, Refusal> {
    let found = value.pointer(place).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .ok_or_else(|| unfit(format!("it has no {place}")))
}

fn unfit(says: impl Into<String>) -> Refusal {
    Refusal::new(Why::StatementType, says)
}
