//! Every format by name, and the files a run leaves: rendered first, looked through for secrets,
//! and only then written, so that a hit leaves nothing behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::report::model::Report;
use crate::report::secrets::{SecretFound, Secrets};
use crate::report::{html, json, junit, markdown, openmetrics, sarif, terminal};

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The final screen.
    Terminal,
    /// Canonical JSON with a published schema.
    Json,
    /// One page that opens offline.
    Html,
    /// The claim's criteria as JUnit XML.
    Junit,
    /// The criteria outside the claim as JUnit XML.
    JunitOutside,
    /// For a step summary.
    Markdown,
    /// Alerts for code hosts.
    Sarif,
    /// Verdicts and figures as series.
    OpenMetrics,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Terminal,
        Self::Json,
        Self::Html,
        Self::Junit,
        Self::JunitOutside,
        Self::Markdown,
        Self::Sarif,
        Self::OpenMetrics,
    ];

    /// The word for `--format`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Json => "json",
            Self::Html => "html",
            Self::Junit => "junit",
            Self::JunitOutside => "junit-outside-claim",
            Self::Markdown => "md",
            Self::Sarif => "sarif",
            Self::OpenMetrics => "openmetrics",
        }
    }

    /// The format of a word for `--format`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The file in a report folder.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Terminal => "report.txt",
            Self::Json => "report.json",
            Self::Html => "report.html",
            Self::Junit => "junit.xml",
            Self::JunitOutside => "junit-outside-claim.xml",
            Self::Markdown => "report.md",
            Self::Sarif => "report.sarif",
            Self::OpenMetrics => "report.openmetrics.txt",
        }
    }

    /// The report in this form. The terminal's is without colour.
    ///
    /// # Errors
    /// When a value cannot be put into the format.
    pub fn render(self, report: &Report) -> Result<String, WriteError> {
        let unfit = |why: String| WriteError::Render {
            format: self.name(),
            why,
        };
        match self {
            Self::Terminal => Ok(terminal::render(report, terminal::Style::PLAIN)),
            Self::Json => json::render(report).map_err(|error| unfit(error.to_string())),
            Self::Html => Ok(html::render(report)),
            Self::Junit => junit::render(report).map_err(|error| unfit(error.to_string())),
            Self::JunitOutside => {
                junit::render_outside(report).map_err(|error| unfit(error.to_string()))
            }
            Self::Markdown => Ok(markdown::render(report)),
            Self::Sarif => Ok(sarif::render(report)),
            Self::OpenMetrics => Ok(openmetrics::render(report)),
        }
    }
}

/// Why no report was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A value does not fit the format.
    #[error("putting the report into {format} could not be done: {why}")]
    Render {
        /// The format.
        format: &'static str,
        /// Why.
        why: String,
    },
    /// A secret of the run stands in an output.
    #[error(transparent)]
    Secret(#[from] SecretFound),
    /// The disk.
    #[error("writing {path} could not be done: {cause}")]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// Renders every format and looks through each for secrets.
///
/// # Errors
/// When a format cannot be rendered, or a secret stands in one.
pub fn render_all(report: &Report, secrets: &Secrets) -> Result<Vec<(Format, String)>, WriteError> {
    let mut rendered = Vec::new();
    for format in Format::ALL {
        let text = format.render(report)?;
        secrets.scan(format.file(), &text)?;
        rendered.push((format, text));
    }
    Ok(rendered)
}

/// Writes every format into a folder, which is made if it is missing. Each file appears whole or
/// not at all; none appears when a secret stands in any.
///
/// # Errors
/// When rendering, the look for secrets, or the disk fails.
pub fn write(
    report: &Report,
    folder: &Path,
    secrets: &Secrets,
) -> Result<Vec<PathBuf>, WriteError> {
    let rendered = render_all(report, secrets)?;
    let disk = |path: &Path| {
        let path = path.to_owned();
        move |cause| WriteError::Disk { path, cause }
    };
    fs::create_dir_all(folder).map_err(disk(folder))?;
    let mut written = Vec::new();
    for (format, text) in rendered {
        let path = folder.join(format.file());
        let whole = folder.join(format!("{}.part", format.file()));
        fs::write(&whole, text).map_err(disk(&whole))?;
        fs::rename(&whole, &path).map_err(disk(&path))?;
        written.push(path);
    }
    Ok(written)
}
