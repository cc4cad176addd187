//! What a workflow has collected; kept as JSON in its thread.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::router::ask::Image;
use crate::tool::argument::Arguments;
use crate::tool::file::{self, FileText};

/// How sure the caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Confidence {
    Exploring,
    Low,
    Medium,
    High,
    VeryHigh,
    AlmostCertain,
    Certain,
}

impl Confidence {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Exploring => "exploring",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::VeryHigh => "very_high",
            Self::AlmostCertain => "almost_certain",
            Self::Certain => "certain",
        }
    }
}

/// One step, as reported.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) number: u32,
    pub(super) step: String,
    pub(super) findings: String,
    pub(super) files_checked: Vec<String>,
    pub(super) files: Vec<FileText>,
    pub(super) relevant_context: Vec<String>,
    pub(super) issues_found: Vec<String>,
    pub(super) confidence: Option<Confidence>,
    pub(super) hypothesis: Option<String>,
    pub(super) images: Vec<StoredImage>,
    pub(super) options: Map<String, Value>,
}

impl Step {
    /// One of the tool's own parameters that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        Arguments(&self.options).text(name)
    }

    /// One of the tool's own parameters that is a whole number.
    pub(super) fn whole(&self, name: &str) -> Option<u32> {
        Arguments(&self.options).whole(name)
    }

    /// Whether one of the tool's own parameters is true.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    /// As [`Step::flag`], with the value of a parameter that was not given.
    pub(super) fn flag_or(&self, name: &str, default: bool) -> bool {
        Arguments(&self.options).flag(name, default)
    }
}

/// An image, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredImage {
    media_type: String,
    base64: String,
}

impl StoredImage {
    pub(super) fn of(image: &Image) -> Self {
        let base64 = BASE64_STANDARD.encode(&image.bytes);
        Self {
            media_type: image.media_type.clone(),
            base64,
        }
    }
}

/// Every step that was not taken back, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) tool: String,
    pub(super) steps: Vec<Step>,
    pub(super) total: u32,
}

impl State {
    pub(super) fn begin(tool: &str) -> Self {
        Self {
            tool: tool.to_owned(),
            ..Self::default()
        }
    }

    /// Items of all steps, each once, in order of first appearance.
    pub(super) fn all<'a>(&'a self, of: impl Fn(&'a Step) -> &'a [String]) -> Vec<&'a str> {
        let mut seen = Vec::new();
        for item in self.steps.iter().flat_map(of) {
            if !seen.contains(&item.as_str()) {
                seen.push(item.as_str());
            }
        }
        seen
    }

    /// Files of all steps; of one name the newest content.
    pub(super) fn files(&self) -> Vec<FileText> {
        let mut files: Vec<FileText> = Vec::new();
        for file in self.steps.iter().flat_map(|step| &step.files) {
            match files.iter_mut().find(|known| known.name == file.name) {
                Some(known) => known.text.clone_from(&file.text),
                None => files.push(file.clone()),
            }
        }
        files
    }

    /// Images of all steps.
    pub(super) fn images(&self) -> Vec<Image> {
        let stored = self.steps.iter().flat_map(|step| &step.images);
        stored
            .filter_map(|image| {
                let bytes = BASE64_STANDARD.decode(&image.base64).ok()?;
                Some(Image {
                    media_type: image.media_type.clone(),
                    bytes: bytes.into(),
                })
            })
            .collect()
    }

    /// The newest explanation.
    pub(super) fn hypothesis(&self) -> Option<&str> {
        let steps = self.steps.iter().rev();
        steps.filter_map(|step| step.hypothesis.as_deref()).next()
    }

    pub(super) fn image_count(&self) -> usize {
        self.steps.iter().map(|step| step.images.len()).sum()
    }

    pub(super) fn confidence(&self) -> Option<Confidence> {
        self.steps.iter().rev().find_map(|step| step.confidence)
    }

    /// What the last step carried beside its own text, for the thread's history.
    pub(super) fn last_attached(&self) -> String {
        self.steps.last().map_or(String::new(), |step| {
            format!(
                "\n\nFindings:\n{}{}",
                step.findings,
                file::render(&step.files)
            )
        })
    }
}
