//! `verify attest`: keys, signing what a record says, where a release comes from or that the judge
//! passed its own test, and checking the first two with the public key alone.

mod provenance;
mod selftest;

use std::path::{Path, PathBuf};

use exai_harness::attest::statement::{Checked, Demand, Subject, check};
use exai_harness::attest::{Envelope, PrivateKey, PublicKey};
use exai_harness::evidence::ledger::{Checkpoint, Ledger};
use exai_harness::gate::shelf::{TEST_RESULT_FILE, statement_file};
use exai_harness::gate::{Admitted, admit};
use exai_judge::claim::Claim;
use exai_judge::refusal::{Refusal, Why};
use exai_judge::verdict::{Exit, Verdict};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::arguments::evidence::{AttestCommand, SignerArguments, TrustArguments};
use super::{Ending, print, trust};
use crate::catalogue;
use crate::facts::sha256_of;
use crate::rules::Catalogue;

/// How a file with a summary ends.
const SUMMARY_FILE: &str = ".summary.json";

/// Runs one of the five.
///
/// # Errors
/// The user's mistakes, and evidence that is refused.
pub fn attest(command: &AttestCommand) -> Result<Exit, Ending> {
    match command {
        AttestCommand::Keygen { out, json } => keygen(out, *json),
        AttestCommand::Sign {
            run,
            claim,
            signer,
            trust,
        } => sign(run, claim.as_deref(), (signer, trust)),
        AttestCommand::Provenance {
            statement,
            signer,
            json,
        } => provenance::sign(statement, signer, *json),
        AttestCommand::Selftest {
            table,
            signer,
            trust,
        } => selftest::sign(table, (signer, trust)),
        AttestCommand::Check {
            envelope,
            claim,
            server,
            run,
            trust,
        } => {
            let asked = Asked {
                claim: claim.as_deref(),
                server: server.as_deref(),
                run: run.as_deref(),
            };
            check_file(envelope, &asked, trust)
        }
    }
}

fn keygen(out: &Path, is_json: bool) -> Result<Exit, Ending> {
    let public_path = with_ending(out, ".pub");
    if public_path.exists() {
        return Err(Ending::Usage(format!(
            "{} is there already; keys are not written over.",
            public_path.display()
        )));
    }
    let key = PrivateKey::generate()?;
    key.write(out)?;
    let public: PublicKey = key.public();
    public.write(&public_path)?;
    if is_json {
        let value = json!({"schema": "exai-verify-keygen/1", "private_key": out,
            "public_key": public_path, "key_id": public.id()});
        print(&value.to_string());
        return Ok(Exit::Pass);
    }
    print(&format!(
        "private key  {} (keep it off machines that run the code it vouches for)\n\
         public key   {}\nkey id       {}",
        out.display(),
        public_path.display(),
        public.id()
    ));
    Ok(Exit::Pass)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn sign(
    run: &Path,
    claim: Option<&str>,
    (signer, arguments): (&SignerArguments, &TrustArguments),
) -> Result<Exit, Ending> {
    let folder = trust::run_folder(run, arguments)?;
    let signer = trust::signer(signer)?;
    let trusted = trust::trust(arguments)?;
    let now = trust::now(arguments)?;
    let catalogue = Catalogue::read()?;
    let admitted = trust::with_rules(&catalogue, |rules| {
        Ok(admit(&folder, &rules, &trusted, now)?)
    })?;
    let claim = match claim {
        Some(name) => catalogue::named(name)?,
        None => catalogue::named(&admitted.report.claim.name)?,
    };
    let reports = trust::reports(arguments);
    let ledger = Ledger::at(&reports.join("ledger")).checkpoint();
    let ledger = ledger.map_err(|error| Ending::Refused(error.to_string()))?;
    let signed = reports.join("signed").join(&admitted.report.run.run_id);
    let files = Signing {
        folder: signed,
        claim: &claim,
        admitted: &admitted,
        ledger,
        now,
    };
    let written = files.write(&signer)?;
    let answer = claim.judge(&admitted.findings);
    if arguments.json {
        let value = json!({
            "schema": "exai-verify-sign/1", "claim": claim.id, "files": written,
            "verdict": answer.verdict, "key_id": signer.public().id(),
        });
        print(&value.to_string());
    } else {
        let word = answer.verdict.word();
        print(&format!(
            "{}: {word}, signed by {}",
            claim.id,
            signer.public().id()
        ));
        written.iter().for_each(|file| print(file));
    }
    Ok(Exit::Pass)
}

/// What is about to be signed.
struct Signing<'a> {
    folder: PathBuf,
    claim: &'a Claim,
    admitted: &'a Admitted,
    ledger: Checkpoint,
    now: Timestamp,
}

impl Signing<'_> {
    /// Writes both statements, or adds a signature to those that are there.
    fn write(&self, signer: &exai_harness::attest::Signer) -> Result<Vec<String>, Ending> {
        let answer = self.claim.judge(&self.admitted.findings);
        let subject = Subject {
            report: &self.admitted.report,
            claim: self.claim,
            answer: &answer,
            root: &self.admitted.root,
            ledger: self.ledger.clone(),
            signed_at: self.now,
        };
        let both = [
            (TEST_RESULT_FILE, subject.test_result()),
            (SUMMARY_FILE, subject.summary()),
        ];
        let disk = |path: &Path, error: std::io::Error| {
            Ending::Harness(format!("could not write {}: {error}", path.display()))
        };
        std::fs::create_dir_all(&self.folder).map_err(|error| disk(&self.folder, error))?;
        let mut written = Vec::new();
        for (ending, statement) in both {
            let path = self.folder.join(statement_file(&self.claim.id, ending));
            let mut envelope = match std::fs::read_to_string(&path) {
                Ok(text) => cosigned(&text, &statement, &signer.public())?,
                Err(_) => Envelope::around(&statement),
            };
            signer.sign(&mut envelope)?;
            std::fs::write(&path, envelope.to_text()).map_err(|error| disk(&path, error))?;
            written.push(path.display().to_string());
        }
        Ok(written)
    }
}

/// An envelope that another key signed already: it must say the same, its moment and the ledger's
/// size apart, and this key must not have signed it.
fn cosigned(text: &str, statement: &Value, key: &PublicKey) -> Result<Envelope, Ending> {
    let envelope = Envelope::parse(text)?;
    if envelope.signatures.iter().any(|one| one.keyid == key.id()) {
        return Err(Ending::Usage(format!(
            "key {} has signed this already.",
            key.id()
        )));
    }
    if timeless(&envelope.unchecked()) != timeless(statement) {
        let says = "the statement that is there says something else about this record";
        return Err(Refusal::new(Why::Contradiction, says).into());
    }
    Ok(envelope)
}

fn timeless(statement: &Value) -> Value {
    let mut statement = statement.clone();
    let predicate = &mut statement["predicate"];
    predicate["timeCreated"] = Value::Null;
    predicate["dev.exai/binding"]["signed_at"] = Value::Null;
    predicate["dev.exai/binding"]["ledger"] = Value::Null;
    statement
}

/// What a statement is held against.
struct Asked<'a> {
    claim: Option<&'a str>,
    server: Option<&'a Path>,
    run: Option<&'a Path>,
}

fn check_file(file: &Path, asked: &Asked<'_>, arguments: &TrustArguments) -> Result<Exit, Ending> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Ending::Usage(format!("{}: {error}", file.display())))?;
    let envelope = Envelope::parse(&text)?;
    let trusted = trust::trust(arguments)?;
    if trusted.keys().is_empty() {
        return Err(Ending::Usage(
            "name whom to trust: --key PUBLIC.pem, or --trust BUNDLE.".to_owned(),
        ));
    }
    if provenance::is_in(&envelope) {
        if asked.claim.is_some() || asked.run.is_some() {
            let says = "a release's provenance carries no claim and tells of no run";
            return Err(Refusal::new(Why::StatementType, says).into());
        }
        let json = arguments.json;
        return provenance::check((file, &envelope), &trusted, asked.server, json);
    }
    let name = match asked.claim {
        Some(name) => name.to_owned(),
        None => {
            let (statement, _) = envelope.open(&trusted.keys())?;
            let own = statement["predicate"]["dev.exai/binding"]["claim"].as_str();
            own.unwrap_or_default().to_owned()
        }
    };
    let claim = catalogue::named(&name)?;
    let server = asked.server.map(sha256_of);
    let catalogue = Catalogue::read()?;
    let now = trust::now(arguments)?;
    let demand = Demand {
        claim: &claim,
        trust: &trusted,
        server: server.as_deref(),
        policy: None,
        criteria: &catalogue.sha256(),
        least_seconds: &catalogue.least_seconds(),
        now,
    };
    let checked = check(&envelope, &demand)?;
    if let Some(run) = asked.run {
        let folder = trust::run_folder(run, arguments)
            .map_err(|_| Refusal::new(Why::Unsupported, run.display().to_string()))?;
        let admitted = trust::with_rules(&catalogue, |rules| {
            Ok(admit(&folder, &rules, &trusted, now)?)
        })?;
        compare(&checked, &admitted, &claim)?;
    }
    tell(&checked, asked, arguments.json);
    Ok(if checked.passed {
        Exit::Pass
    } else {
        Exit::Fail
    })
}

/// The record must be the one that was signed, and say what the statement says.
fn compare(checked: &Checked, admitted: &Admitted, claim: &Claim) -> Result<(), Ending> {
    if checked.binding.root != admitted.root {
        let says = "the record at hand is not the one that was signed";
        return Err(Refusal::new(Why::Changed, says).into());
    }
    let carries = claim.judge(&admitted.findings).verdict == Verdict::Pass;
    let is_let_be = checked.binding.tolerated == claim.tolerated(&admitted.findings);
    if carries == checked.passed && is_let_be {
        return Ok(());
    }
    let says = "the record says otherwise than the statement";
    Err(Refusal::new(Why::Contradiction, says).into())
}

fn tell(checked: &Checked, asked: &Asked<'_>, as_json: bool) {
    let binding = &checked.binding;
    let who: Vec<String> = checked
        .signers
        .iter()
        .map(|signer| format!("{} ({:?}, {})", signer.owner, signer.role, signer.id))
        .collect();
    if as_json {
        let value = json!({
            "schema": "exai-verify-attest-check/1", "passed": checked.passed,
            "binding": binding, "failed": checked.failed, "signers": who,
        });
        print(&value.to_string());
        return;
    }
    let word = if checked.passed { "PASSED" } else { "FAILED" };
    print(&format!("{} {word}, run {}", binding.claim, binding.run));
    print(&format!(
        "signed by  {} at {}",
        who.join(", "),
        binding.signed_at
    ));
    let hashed = if asked.server.is_some() {
        "hashed now"
    } else {
        "not at hand"
    };
    print(&format!("server     {} ({hashed})", binding.server_sha256));
    let seen = if asked.run.is_some() {
        "judged again"
    } else {
        "not at hand"
    };
    print(&format!("record     {} ({seen})", binding.root));
    for failed in &checked.failed {
        print(&format!("failed     {failed}"));
    }
}
