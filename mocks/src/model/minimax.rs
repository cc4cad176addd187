//! MiniMax: `specs/providers.md` sections 3.2 and 3.8. M3's cap is the documentation's 524,288 (the
//! catalogue's 128K is lower); M2's context is the lower of the two published ones.

use super::Model;
use super::Thinking::{Always, OptIn};

const LONG: u64 = 204_800;

/// Current rows; the older ones are not known to be withdrawn.
pub const TABLE: &[Model] = &[
    Model::new("MiniMax-M3", 1_000_000, 524_288)
        .thinks(OptIn)
        .sees(),
    Model::unmeasured("MiniMax-M3.1-Flash").thinks(Always),
    Model::unmeasured("MiniMax-M3.1-Flash-Preview").thinks(Always),
    Model::new("MiniMax-M2.7", LONG, LONG).thinks(Always),
    Model::new("MiniMax-M2.7-highspeed", LONG, LONG).thinks(Always),
    Model::new("MiniMax-M2.5", LONG, LONG).thinks(Always),
    Model::new("MiniMax-M2.5-highspeed", LONG, LONG).thinks(Always),
    Model::new("MiniMax-M2.1", LONG, LONG).thinks(Always),
    Model::new("MiniMax-M2.1-highspeed", LONG, LONG).thinks(Always),
    Model::new("MiniMax-M2.1-lightning", LONG, LONG).thinks(Always),
    Model::new("MiniMax-M2", 196_608, 196_608).thinks(Always),
    Model::unmeasured("MiniMax-M2-Stable").thinks(Always),
    Model::unmeasured("MiniMax-M1").thinks(Always),
    Model::unmeasured("MiniMax-Text-01"),
];
