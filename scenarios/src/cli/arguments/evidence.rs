//! The words of the commands that weigh evidence: gate, attest, ledger, decide.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::compare::ThresholdWord;

/// Whose word counts, and where the evidence is.
#[derive(Debug, Clone, Default, Args)]
pub struct TrustArguments {
    /// A trust bundle: keys by role, harness digests, the digest of the criteria.
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// The SHA-256 that the trust bundle must have.
    #[arg(long, value_name = "HEX", requires = "trust")]
    pub trust_sha256: Option<String>,
    /// A public key in PEM that may sign anything; repeatable.
    #[arg(long, value_name = "PEM")]
    pub key: Vec<PathBuf>,
    /// The reports folder, instead of the workspace's.
    #[arg(long, value_name = "DIR")]
    pub reports: Option<PathBuf>,
    /// Answer as of a later moment than now, such as 2026-12-31.
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<String>,
    /// Print JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Which claim, about what.
#[derive(Debug, Clone, Args)]
pub struct GateArguments {
    /// The claim, such as merge-ready.
    #[arg(long, value_name = "NAME")]
    pub claim: String,
    /// Take this run's record and no other's pass; a later failure still counts.
    #[arg(long, value_name = "DIR", conflicts_with = "ledger")]
    pub run: Option<PathBuf>,
    /// Take the newest evidence of the ledger (the default).
    #[arg(long)]
    pub ledger: bool,
    /// The server binary it is about, hashed now.
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// The admin address of a running server, http://HOST:PORT; repeatable.
    #[arg(long, value_name = "URL")]
    pub url: Vec<String>,
    /// How many instances must answer behind the URLs.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "url")]
    pub replicas: usize,
    /// The variable that holds the bearer token for the admin address.
    #[arg(long, value_name = "NAME")]
    pub token_env: Option<String>,
    /// What proves the running executable: pid:N of a process on this machine.
    #[arg(long, value_name = "PROOF", requires = "url")]
    pub runtime_proof: Option<String>,
    /// A checkpoint of the ledger, kept outside the repository; the gate keeps it up to date.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Let waived criteria stand, and say so.
    #[arg(long)]
    pub accept_waivers: bool,
    /// Whom to trust, and where.
    #[command(flatten)]
    pub trust: TrustArguments,
}

/// Who signs.
#[derive(Debug, Clone, Args)]
pub struct SignerArguments {
    /// The private key in PEM.
    #[arg(long, value_name = "PEM", required_unless_present = "sign_command")]
    pub signing_key: Option<PathBuf>,
    /// A command that signs: reads the bytes on standard input or from $VERIFY_PAYLOAD, writes 64
    /// bytes or their base64.
    #[arg(
        long,
        value_name = "CMD",
        requires = "public_key",
        conflicts_with = "signing_key"
    )]
    pub sign_command: Option<String>,
    /// The public half of the command's key, in PEM.
    #[arg(long, value_name = "PEM")]
    pub public_key: Option<PathBuf>,
}

/// Keys and statements.
#[derive(Debug, Clone, Subcommand)]
pub enum AttestCommand {
    /// Makes an Ed25519 pair: FILE, and FILE.pub.
    Keygen {
        /// Where the private half goes; its owner alone may read it.
        #[arg(value_name = "FILE")]
        out: PathBuf,
        /// Print JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Judges a record again and signs what it says of a claim.
    Sign {
        /// The run's folder.
        run: PathBuf,
        /// The claim; the one the run was asked for when none is named.
        #[arg(long, value_name = "NAME")]
        claim: Option<String>,
        /// Who signs.
        #[command(flatten)]
        signer: SignerArguments,
        /// Whom to trust, and where.
        #[command(flatten)]
        trust: TrustArguments,
    },
    /// Signs where the files of a release come from, as deploy/release.sh wrote it down, once each
    /// of them is as written; the envelope stands beside it as NAME.intoto.json.
    Provenance {
        /// NAME.provenance.json, beside the files it names.
        statement: PathBuf,
        /// Who signs.
        #[command(flatten)]
        signer: SignerArguments,
        /// Print JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Signs a self-test of the whole table that was passed, and enters it into the ledger: above
    /// merge-ready a record counts only beside one of its judge.
    Selftest {
        /// What `verify selftest --json` printed.
        table: PathBuf,
        /// Who signs.
        #[command(flatten)]
        signer: SignerArguments,
        /// Whom to trust, and where.
        #[command(flatten)]
        trust: TrustArguments,
    },
    /// Checks a statement offline, with the public key alone; of a release's provenance also every
    /// file beside it.
    Check {
        /// The envelope.
        envelope: PathBuf,
        /// The claim; the one it speaks for when none is named.
        #[arg(long, value_name = "NAME")]
        claim: Option<String>,
        /// The server binary, hashed now and held against the subject.
        #[arg(long, value_name = "PATH")]
        server: Option<PathBuf>,
        /// The record behind it, opened, judged again and held against it.
        #[arg(long, value_name = "DIR")]
        run: Option<PathBuf>,
        /// Whom to trust, and where.
        #[command(flatten)]
        trust: TrustArguments,
    },
}

/// The ledger of runs.
#[derive(Debug, Clone, Subcommand)]
pub enum LedgerCommand {
    /// Lists the runs, newest last, with what came of each and until when it counts.
    Show(TrustArguments),
    /// Shows what the last runs of one kind found, and what went beyond a threshold since.
    Trend(TrendArguments),
    /// Copies the signed statements of a run to published/, which is under version control.
    Publish {
        /// The run's folder.
        run: PathBuf,
        /// Whom to trust, and where.
        #[command(flatten)]
        trust: TrustArguments,
    },
    /// Writes down what the ledger can no longer lose; keep it outside the repository.
    Checkpoint {
        /// The file; an older checkpoint there must still hold.
        #[arg(value_name = "FILE")]
        out: PathBuf,
        /// Whom to trust, and where.
        #[command(flatten)]
        trust: TrustArguments,
    },
    /// Takes the entries of another ledger and joins the chains.
    Merge {
        /// The other ledger's folder.
        #[arg(value_name = "DIR")]
        from: PathBuf,
        /// Whom to trust, and where.
        #[command(flatten)]
        trust: TrustArguments,
    },
}

/// Which runs, and what is borne.
#[derive(Debug, Clone, Args)]
pub struct TrendArguments {
    /// Runs looked at, the newest ones.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub last: usize,
    /// Only runs of this profile.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Only runs on this store: embedded or redis.
    #[arg(long, value_name = "NAME")]
    pub store: Option<String>,
    /// FIGURE=CHANGE from the middle of the earlier runs, such as
    /// "resident memory of the server, at most=+20%"; beyond it the command ends with 1.
    #[arg(long, value_name = "FIGURE=CHANGE")]
    pub threshold: Vec<ThresholdWord>,
    /// Whom to trust, and where.
    #[command(flatten)]
    pub trust: TrustArguments,
}

/// What a person decides.
#[derive(Debug, Clone, Args)]
pub struct DecideArguments {
    /// The course.
    #[arg(value_enum)]
    pub course: CourseWord,
    /// The claim it is about.
    #[arg(long, value_name = "NAME")]
    pub claim: String,
    /// Who decides.
    #[arg(long, value_name = "NAME")]
    pub by: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Until when it holds, such as 2026-12-31; at most 90 days from now.
    #[arg(long, value_name = "TIME")]
    pub until: String,
    /// The run it was decided on.
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,
    /// Who signs.
    #[command(flatten)]
    pub signer: SignerArguments,
    /// Whom to trust, and where.
    #[command(flatten)]
    pub trust: TrustArguments,
}

/// The two courses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CourseWord {
    /// Ship although the evidence does not carry it.
    Go,
    /// Do not ship although it does.
    NoGo,
}

/// Public statements.
#[derive(Debug, Clone, Subcommand)]
pub enum ClaimsCommand {
    /// Reads Markdown and text, and lists every statement of readiness with what carries it.
    Lint(LintArguments),
}

/// What to read.
#[derive(Debug, Clone, Args)]
pub struct LintArguments {
    /// Files, or folders whose Markdown and text files are read.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = LintFormat::Text)]
    pub format: LintFormat,
    /// The reports folder whose ledger is asked, instead of the workspace's.
    #[arg(long, value_name = "DIR")]
    pub reports: Option<PathBuf>,
    /// The same as --format json.
    #[arg(long)]
    pub json: bool,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LintFormat {
    /// One line each: file:line:column: worth: words: why.
    Text,
    /// With the evidence of each.
    Json,
    /// For code scanning.
    Sarif,
}
