//! The words of `verify compare`.

use std::path::PathBuf;

use clap::Args;
use exai_judge::shift::{Threshold, Unit};

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

/// What two builds are compared by.
const FIGURES: [&str; 5] = ["p50", "p95", "p99", "errors", "memory"];
/// What is borne when nobody says.
const USUAL: [&str; 4] = ["p50=+20%", "p95=+20%", "errors=+2pp", "memory=+20%"];

impl CompareArguments {
    /// The thresholds asked for, or the usual ones.
    ///
    /// # Errors
    /// A figure that is not compared, or a unit that its changes are not said in.
    pub fn thresholds(&self) -> Result<Vec<ThresholdWord>, String> {
        if self.threshold.is_empty() {
            return USUAL.iter().map(|word| word.parse()).collect();
        }
        for word in &self.threshold {
            let ThresholdWord { figure, threshold } = word;
            if !FIGURES.contains(&figure.as_str()) {
                let known = FIGURES.join(", ");
                return Err(format!("there is no figure {figure:?}. Known: {known}."));
            }
            if !word.is_fit() {
                let fit: Vec<&str> = word.units().iter().map(|unit| unit.word()).collect();
                return Err(format!(
                    "{figure}={threshold}: {} is no unit of {figure}, which takes {}.",
                    threshold.unit.word(),
                    fit.join(" or ")
                ));
            }
        }
        Ok(self.threshold.clone())
    }
}

impl ThresholdWord {
    /// In what a change of the figure may be said.
    fn units(&self) -> &'static [Unit] {
        match self.figure.as_str() {
            "errors" => &[Unit::Percent, Unit::Points],
            "memory" => &[Unit::Percent],
            _ => &[Unit::Percent, Unit::Millis],
        }
    }

    /// Whether the change is said in such a unit.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        self.units().contains(&self.threshold.unit)
    }
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: CompareArguments,
    }

    fn thresholds(words: &[&str]) -> Result<Vec<ThresholdWord>, String> {
        let flags = words.iter().flat_map(|word| ["--threshold", word]);
        let line = Line::try_parse_from(["compare", "a", "b"].into_iter().chain(flags));
        line.unwrap().arguments.thresholds()
    }

    #[test]
    fn a_unit_that_a_figure_has_not_is_refused_with_those_it_takes() {
        assert_eq!(thresholds(&[]).unwrap().len(), USUAL.len());
        assert!(thresholds(&["p95=+5ms", "errors=+2pp", "memory=+9%"]).is_ok());
        for (word, fit) in [
            ("memory=+2ms", "memory, which takes %."),
            ("errors=+2ms", "errors, which takes % or pp."),
            ("p95=+2pp", "p95, which takes % or ms."),
            ("heat=+2%", "Known: p50, p95, p99, errors, memory."),
        ] {
            let refused = thresholds(&[word]).unwrap_err();
            assert!(refused.contains(fit), "{refused}");
        }
    }
}
