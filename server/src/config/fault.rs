//! What is wrong with a configuration: the key, the layer that set it, and the fix.

use std::fmt;

/// One fault of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// The dotted key, or the variable's name for a secret.
    pub key: String,
    /// The layer that set it, in words.
    pub layer: String,
    /// What is wrong and what is accepted.
    pub message: String,
}

impl Fault {
    /// A fault of `key` as set by `layer`.
    #[must_use]
    pub fn new(
        key: impl Into<String>,
        layer: impl fmt::Display,
        message: impl Into<String>,
    ) -> Self {
        Self {
            key: key.into(),
            layer: layer.to_string(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.key, self.layer, self.message)
    }
}

/// All faults of one configuration, never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "fault" } else { "faults" };
        write!(f, "the configuration has {count} {noun}")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}
