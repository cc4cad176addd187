//! A decision as the deciding model writes it, and why one is not followed.

use serde::Deserialize;

/// A decision as the model writes it. Whatever else it writes is passed over.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Said {
    pub provider: String,
    pub model: String,
    pub execution_path: Path,
    pub confidence: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Path {
    Standard,
    Streaming,
    Thinking,
    Vision,
    FileUpload,
}

/// Why a decision is not followed; the words of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unused {
    /// The breaker is open.
    Resting,
    /// Its provider cannot be asked now, or its caller cannot pay for it.
    Unavailable,
    /// No answer, or a failure.
    Failed,
    /// No answer in time.
    Slow,
    /// Not the JSON that was asked for.
    Malformed,
    /// A provider or model that is not there.
    UnknownModel,
    /// A model that the question does not fit.
    Unfit,
}

impl Unused {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resting => "resting",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
            Self::Slow => "slow",
            Self::Malformed => "malformed",
            Self::UnknownModel => "unknown_model",
            Self::Unfit => "unfit",
        }
    }
}

impl Said {
    /// The object in a text, also between other words or in a code fence.
    ///
    /// # Errors
    /// [`Unused::Malformed`] for anything else.
    pub fn read(text: &str) -> Result<Self, Unused> {
        let object = text.find('{').zip(text.rfind('}'));
        let object = object.and_then(|(start, end)| text.get(start..=end));
        let said: Option<Self> = object.and_then(|object| serde_json::from_str(object).ok());
        let said = said.filter(|said| (0.0..=1.0).contains(&said.confidence));
        said.ok_or(Unused::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_found_between_words_and_anything_else_is_malformed() {
        let object = "{\"provider\": \"glm\", \"model\": \"glm-5.2\", \"confidence\": 1, \
                      \"execution_path\": \"FILE_UPLOAD\", \"mood\": \"good\"}";
        let said = Said::read(&format!("Sure:\n```json\n{object}\n```\n")).unwrap();
        assert_eq!(
            (said.model.as_str(), said.execution_path),
            ("glm-5.2", Path::FileUpload)
        );
        let wrong = [
            String::new(),
            "glm".to_owned(),
            "}{".to_owned(),
            "{}".to_owned(),
            object.replace("FILE_UPLOAD", "file_upload"),
            object.replace(": 1,", ": 1.5,"),
            object.replace(": 1,", ": \"high\","),
            format!("{object} {object}"),
        ];
        for text in wrong {
            assert_eq!(Said::read(&text), Err(Unused::Malformed), "{text}");
        }
    }
}
