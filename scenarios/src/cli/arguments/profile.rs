//! How much a run tries, as named on the command line.

use clap::ValueEnum;

/// The sizes a run comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// At most a minute: is everything wired?
    Smoke,
    /// At most five minutes: may this be merged?
    Quick,
    /// At most an hour: is this a release candidate?
    Full,
    /// About 20 s: the size of one row of the saboteur table.
    Selftest,
}

impl Profile {
    /// The name in records and criteria.toml.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Quick => "quick",
            Self::Full => "full",
            Self::Selftest => "selftest",
        }
    }

    /// The claim a run of this profile answers for when none is named.
    #[must_use]
    pub const fn claim(self) -> &'static str {
        match self {
            Self::Smoke => "wired",
            Self::Quick | Self::Selftest => "merge-ready",
            Self::Full => "release-candidate",
        }
    }
}
