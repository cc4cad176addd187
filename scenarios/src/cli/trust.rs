//! What the commands that weigh evidence share: whom to trust, who signs, and what time it is.

use std::path::{Path, PathBuf};

use exai_harness::attest::trust::moment;
use exai_harness::attest::{AttestError, PublicKey, Signer, Trust};
use exai_harness::evidence::Record;
use exai_harness::gate::Rules;
use exai_harness::report::Report;
use exai_judge::{Finding, Refusal};
use jiff::Timestamp;

use super::Ending;
use super::arguments::evidence::{SignerArguments, TrustArguments};
use crate::binaries;
use crate::rules::Catalogue;

/// The trust bundle looked for in the reports folder when none is named.
const BUNDLE: &str = "trust.toml";

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.to_string())
    }
}

impl From<AttestError> for Ending {
    fn from(error: AttestError) -> Self {
        match error {
            AttestError::Command(_) => Self::Harness(error.to_string()),
            _ => Self::Usage(error.to_string()),
        }
    }
}

/// The reports folder asked for, else the workspace's.
#[must_use]
pub fn reports(arguments: &TrustArguments) -> PathBuf {
    let given = arguments.reports.clone();
    given.unwrap_or_else(binaries::reports)
}

/// The bundle named, else the keys given, else the reports folder's own bundle, else nobody.
///
/// # Errors
/// [`Ending::Usage`] when a key or the bundle cannot be read or is not the one pinned.
pub fn trust(arguments: &TrustArguments) -> Result<Trust, Ending> {
    if let Some(path) = &arguments.trust {
        return Ok(Trust::read(path, arguments.trust_sha256.as_deref())?);
    }
    if !arguments.key.is_empty() {
        let keys = arguments.key.iter().map(|path| PublicKey::read(path));
        return Ok(Trust::of_keys(keys.collect::<Result<_, _>>()?));
    }
    let own = reports(arguments).join(BUNDLE);
    if own.is_file() {
        return Ok(Trust::read(&own, None)?);
    }
    Ok(Trust::default())
}

/// Now, or the later moment asked for; evidence never grows younger.
///
/// # Errors
/// [`Ending::Usage`] for what is no time, or an earlier one.
pub fn now(arguments: &TrustArguments) -> Result<Timestamp, Ending> {
    let now = Timestamp::now();
    let Some(text) = &arguments.as_of else {
        return Ok(now);
    };
    match moment(text) {
        Some(at) if at >= now => Ok(at),
        Some(at) => Err(Ending::Usage(format!(
            "--as-of {at} is in the past; evidence is weighed as of now or later."
        ))),
        None => Err(no_time("--as-of", text)),
    }
}

/// The user's mistake of a time that is none.
#[must_use]
pub fn no_time(flag: &str, text: &str) -> Ending {
    Ending::Usage(format!(
        "{flag} {text:?} is no time; write 2026-12-31 or 2026-12-31T18:00:00Z."
    ))
}

/// The signer asked for.
///
/// # Errors
/// [`Ending::Usage`] when a key cannot be read.
pub fn signer(arguments: &SignerArguments) -> Result<Signer, Ending> {
    match (
        &arguments.signing_key,
        &arguments.sign_command,
        &arguments.public_key,
    ) {
        (Some(path), _, _) => Ok(Signer::of_file(path)?),
        (None, Some(line), Some(public)) => Ok(Signer::Command {
            line: line.clone(),
            public: Box::new(PublicKey::read(public)?),
        }),
        _ => Err(Ending::Usage(
            "name a key with --signing-key, or a command with --sign-command and its \
             --public-key."
                .to_owned(),
        )),
    }
}

/// Calls back with the rules of the committed catalogue.
///
/// # Errors
/// Those of the caller.
pub fn with_rules<T>(
    catalogue: &Catalogue,
    work: impl FnOnce(Rules<'_>) -> Result<T, Ending>,
) -> Result<T, Ending> {
    let texts = |profile: &str| catalogue.texts(profile);
    let judge = |record: &Record, profile: &str| catalogue.judge(record, profile);
    let draw = |record: &Record, told: &Report, findings: &[Finding]| {
        catalogue.draw(record, told, findings)
    };
    work(Rules {
        criteria_sha256: catalogue.sha256(),
        texts: &texts,
        least_seconds: catalogue.least_seconds(),
        judge: &judge,
        draw: &draw,
    })
}

/// The folder of a run: as named, or its name under `runs/`.
///
/// # Errors
/// [`Ending::Usage`] when there is none.
pub fn run_folder(run: &Path, arguments: &TrustArguments) -> Result<PathBuf, Ending> {
    let inside = reports(arguments).join("runs").join(run);
    let found = [run.to_path_buf(), inside]
        .into_iter()
        .find(|path| path.is_dir());
    found.ok_or_else(|| {
        Ending::Usage(format!(
            "there is no record at {}. Runs are listed by verify ledger show.",
            run.display()
        ))
    })
}
