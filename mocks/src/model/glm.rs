//! GLM: `specs/providers.md` section 2.7. `glm-5.3-flash` has no confirmed figures there.

use super::Model;
use super::Thinking::{Always, Toggle};

const LONG: u64 = 131_072;

/// No row is known to be retired.
pub const TABLE: &[Model] = &[
    Model::new("glm-5.3", 1_000_000, LONG).thinks(Always),
    Model::unmeasured("glm-5.3-flash").thinks(Toggle).sees(),
    Model::new("glm-5.2", 1_000_000, LONG).thinks(Toggle),
    Model::new("glm-5.1", 200_000, LONG).thinks(Toggle),
    Model::new("glm-5v-turbo", 200_000, LONG)
        .thinks(Toggle)
        .sees(),
    Model::new("glm-5-turbo", 200_000, LONG).thinks(Toggle),
    Model::new("glm-5", 204_800, LONG).thinks(Toggle),
    Model::new("glm-4.7-flash", 200_000, LONG).thinks(Toggle),
    Model::new("glm-4.7-flashx", 200_000, LONG).thinks(Toggle),
    Model::new("glm-4.7", 204_800, LONG).thinks(Always),
    Model::new("glm-4.6v", 128_000, 32_768)
        .thinks(Toggle)
        .sees(),
    Model::new("glm-4.6v-flash", 128_000, 32_768)
        .thinks(Toggle)
        .sees(),
    Model::new("glm-4.6", 204_800, LONG).thinks(Toggle),
    Model::new("glm-4.5v", 64_000, 16_384).thinks(Always).sees(),
    Model::new("glm-4.5", LONG, 98_304).thinks(Toggle),
    Model::new("glm-4.5-air", LONG, 98_304).thinks(Toggle),
    Model::new("glm-4.5-flash", LONG, 98_304).thinks(Toggle),
    Model::new("glm-4.5-x", LONG, 98_304).thinks(Toggle),
    Model::new("glm-4.5-airx", LONG, 98_304).thinks(Toggle),
    Model::new("glm-4-32b-0414-128k", 128_000, 16_384),
    Model::new("glm-4-flash-250414", 128_000, 16_384),
    Model::new("glm-4-flashx-250414", 128_000, 16_384),
];
