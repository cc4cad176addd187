//! The random strings of a run's configuration: what only a server configured like this can know.

use exai_mocks::provider::Provider;

use super::TopologyError;

/// One model of class prompt for each vendor (specs/providers.md).
const PROMPT_MODELS: [(Provider, &str); 3] = [
    (Provider::Kimi, "kimi-k2.6"),
    (Provider::Glm, "glm-5-turbo"),
    (Provider::MiniMax, "MiniMax-M3"),
];

/// Names drawn from the operating system for one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// `server.instance`.
    pub instance: String,
    /// `provider.X.label`, by provider.
    pub labels: Vec<(String, String)>,
    /// An alias of [`Site::aliased`] that exists in this run alone.
    pub alias: String,
    /// The model behind the alias.
    pub aliased: String,
    /// One model of class prompt for each provider, in the order of `labels`.
    pub models: Vec<String>,
    /// SHA-256 of the executable that was to be judged.
    pub executable_sha256: String,
}

impl Site {
    pub(super) fn draw(executable_sha256: &str) -> Result<Self, TopologyError> {
        let mut labels = Vec::new();
        for (provider, _) in PROMPT_MODELS {
            labels.push((provider.name().to_owned(), word()?));
        }
        let models: Vec<String> = PROMPT_MODELS
            .iter()
            .map(|(_, model)| (*model).to_owned())
            .collect();
        Ok(Self {
            instance: word()?,
            labels,
            alias: word()?,
            aliased: models.first().cloned().unwrap_or_default(),
            models,
            executable_sha256: executable_sha256.to_owned(),
        })
    }

    /// The label of a provider's row.
    #[must_use]
    pub fn label_of(&self, provider: &str) -> &str {
        let found = self.labels.iter().find(|(name, _)| name == provider);
        found.map_or("", |(_, label)| label)
    }

    /// The model of class prompt of a provider; None for a name that is no provider's.
    #[must_use]
    pub fn model_of(&self, provider: &str) -> Option<String> {
        let index = self.labels.iter().position(|(name, _)| name == provider)?;
        self.models.get(index).cloned()
    }

    /// What a reply of `version`, `status` or `listmodels` must show: a reply without was not made
    /// by this server.
    #[must_use]
    pub fn needles(&self, tool: &str) -> Vec<String> {
        let own = match tool {
            "version" => return vec![self.instance.clone(), self.executable_sha256.clone()],
            "status" => &self.instance,
            _ => &self.alias,
        };
        let labels = self.labels.iter().map(|(_, label)| label);
        std::iter::once(own).chain(labels).cloned().collect()
    }
}

/// A name as an operator might give one: twelve letters.
fn word() -> Result<String, TopologyError> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).map_err(|cause| TopologyError::Files {
        what: "random names",
        cause: cause.into(),
    })?;
    let letter = |byte: &u8| char::from(b'a' + byte % 26);
    Ok(bytes.iter().map(letter).collect())
}
