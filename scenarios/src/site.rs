//! The random strings of a run's configuration: what only this server, configured like this, can
//! know. A reply that shows them was not canned.

use exai_harness::runkey::Tracers;

/// The vendors and one model of class prompt each, transcribed from specs/providers.md.
const MODELS: [(&str, &str); 3] = [
    ("kimi", "kimi-k2.6"),
    ("glm", "glm-5-turbo"),
    ("minimax", "MiniMax-M3"),
];

/// Random names put into the configuration, and models the workloads may ask for.
#[derive(Debug, Clone)]
pub struct Site {
    /// `server.instance`.
    pub instance: String,
    /// `provider.X.label`, by provider.
    pub labels: Vec<(String, String)>,
    /// An alias that exists in this run's configuration alone.
    pub alias: String,
    /// SHA-256 (hex) of the executable, as hashed by the harness.
    pub executable_sha256: String,
    /// One model of class prompt for each provider, in the order of `labels`.
    pub models: Vec<String>,
}

impl Site {
    /// Draws fresh names for a run.
    #[must_use]
    pub fn draw(tracers: &Tracers, executable_sha256: &str) -> Self {
        let name = |prefix: &str| format!("{prefix}-{}", &tracers.token()[..12]);
        Self {
            instance: name("host"),
            labels: MODELS
                .iter()
                .map(|(vendor, _)| ((*vendor).to_owned(), name("label")))
                .collect(),
            alias: name("alias"),
            executable_sha256: executable_sha256.to_owned(),
            models: MODELS
                .iter()
                .map(|(_, model)| (*model).to_owned())
                .collect(),
        }
    }

    /// The prompt model of a provider.
    #[must_use]
    pub fn model_of(&self, provider: &str) -> Option<String> {
        let index = self.labels.iter().position(|(name, _)| name == provider)?;
        self.models.get(index).cloned()
    }

    /// The strings that must appear in a tool's reply.
    #[must_use]
    pub fn needles(&self, tool: &str) -> Vec<String> {
        match tool {
            "version" => vec![self.instance.clone(), self.executable_sha256.clone()],
            "status" => {
                let labels = self.labels.iter().map(|(_, label)| label.clone());
                std::iter::once(self.instance.clone())
                    .chain(labels)
                    .collect()
            }
            _ => {
                let labels = self.labels.iter().map(|(_, label)| label.clone());
                std::iter::once(self.alias.clone()).chain(labels).collect()
            }
        }
    }
}
