//! The words of `verify compare`.

use std::path::PathBuf;

use clap::Args;
use exai_judge::shift::Threshold;

use super::{Profile, StoreChoice};

/// Two builds, or the records of two, and the change that is borne.
#[derive(Debug, Clone, Args)]
pub struct CompareArguments {
    /// The build to compare with: a server's binary, or a reports folder with its runs.
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// The build that is compared: a server's binary, or a reports folder with its runs.
    #[arg(value_name = "B")]
    pub second: PathBuf,
    /// Runs of each side, in turn; at least 5.
    #[arg(long, default_value_t = 5)]
    pub runs: usize,
    /// The criterion whose calls are compared.
    #[arg(long, default_value = "V.8")]
    pub criterion: String,
    /// How much each run tries.
    #[arg(long, value_enum, default_value_t = Profile::Smoke)]
    pub profile: Profile,
    /// The store behind the servers.
    #[arg(long, value_enum, default_value_t = StoreChoice::Embedded)]
    pub store: StoreChoice,
    /// FIGURE=CHANGE, such as p95=+20%, p50=+10ms or errors=+2pp; several may be given.
    #[arg(long, value_name = "FIGURE=CHANGE")]
    pub threshold: Vec<ThresholdWord>,
    /// Where the records of both sides go, instead of reports/compare/.
    #[arg(long, value_name = "DIR")]
    pub reports: Option<PathBuf>,
    /// Print the comparison as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// A figure and the change that is borne.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdWord {
    /// Such as `p95`.
    pub figure: String,
    /// Such as `+20%`.
    pub threshold: Threshold,
}

impl std::str::FromStr for ThresholdWord {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let shape = || format!("{word:?} is not FIGURE=CHANGE, such as p95=+20%");
        let (figure, change) = word.rsplit_once('=').ok_or_else(shape)?;
        Ok(Self {
            figure: figure.to_owned(),
            threshold: change.parse()?,
        })
    }
}
