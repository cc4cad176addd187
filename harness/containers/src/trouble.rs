//! Why an order was not carried out: what, to what, and what a person can do.

/// Told to whoever gave the order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Trouble {
    /// Names the deed and its object.
    pub(crate) what: String,
    /// The way out.
    pub(crate) fix: String,
}

impl Trouble {
    pub(crate) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            fix: fix.into(),
        }
    }

    /// The engine refused or broke.
    pub(crate) fn engine(deed: &str, object: &str, cause: &bollard::errors::Error) -> Self {
        Self::new(
            format!("could not {deed} {object}: {cause}"),
            "look at the engine's own log (journalctl -u docker, or dockerd's output)",
        )
    }
}
