//! Kimi: `specs/providers.md` section 1.7.

use super::Model;
use super::Thinking::{Always, Toggle};

const MILLION: u64 = 1_048_576;
const QUARTER: u64 = 262_144;

/// Current rows, then retired ones.
pub const TABLE: &[Model] = &[
    Model::new("kimi-k3", MILLION, MILLION)
        .thinks(Always)
        .sees(),
    Model::new("kimi-k2.7-code", QUARTER, QUARTER)
        .thinks(Always)
        .sees(),
    Model::new("kimi-k2.7-code-highspeed", QUARTER, QUARTER)
        .thinks(Always)
        .sees(),
    Model::new("kimi-k2.6", QUARTER, QUARTER)
        .thinks(Toggle)
        .sees(),
    Model::new("kimi-k2.5", QUARTER, QUARTER)
        .thinks(Toggle)
        .sees()
        .retired(),
    Model::new("kimi-k2-0711-preview", 131_072, 16_384).retired(),
    Model::new("kimi-k2-0905-preview", QUARTER, QUARTER).retired(),
    Model::new("kimi-k2-turbo-preview", QUARTER, QUARTER).retired(),
    Model::new("kimi-k2-thinking", QUARTER, QUARTER)
        .thinks(Always)
        .retired(),
    Model::new("kimi-k2-thinking-turbo", QUARTER, QUARTER)
        .thinks(Always)
        .retired(),
    Model::new("moonshot-v1-8k", 8_192, 8_192).retired(),
    Model::new("moonshot-v1-32k", 32_768, 32_768).retired(),
    Model::new("moonshot-v1-128k", 131_072, 131_072).retired(),
    Model::new("moonshot-v1-8k-vision-preview", 8_192, 8_192)
        .sees()
        .retired(),
    Model::new("moonshot-v1-32k-vision-preview", 32_768, 32_768)
        .sees()
        .retired(),
    Model::new("moonshot-v1-128k-vision-preview", 131_072, 131_072)
        .sees()
        .retired(),
    Model::new("moonshot-v1-auto", 131_072, 131_072).retired(),
    Model::unmeasured("kimi-latest").sees().retired(),
    Model::unmeasured("kimi-thinking-preview")
        .thinks(Always)
        .retired(),
];
