//! Why the archive did not do what was asked.

/// Messages finish "could not …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It could not be reached or did not answer in time; what was asked may have been done, and
    /// may be asked again.
    #[error("reach the archive: {0}")]
    Unavailable(String),
    /// What was sent can never be kept.
    #[error("keep it in the archive: {0}")]
    Poison(String),
    /// The tables are not those of this program.
    #[error("use the archive's schema: {0}")]
    Schema(String),
}
