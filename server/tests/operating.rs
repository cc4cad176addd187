//! What operators are given, held against the real binary: topology, runbooks, guides, charts,
//! archives and pipelines.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

#[path = "operating/archive.rs"]
mod archive;
#[path = "operating/chart.rs"]
mod chart;
#[path = "operating/compose.rs"]
mod compose;
#[path = "operating/drift.rs"]
mod drift;
#[path = "operating/engine.rs"]
mod engine;
#[path = "operating/entry.rs"]
mod entry;
#[path = "operating/pipeline.rs"]
mod pipeline;
#[path = "operating/place.rs"]
mod place;
#[expect(
    dead_code,
    reason = "shared with the served tests, which use all of it"
)]
#[path = "serving/process.rs"]
mod process;
#[path = "operating/rollback.rs"]
mod rollback;
#[path = "operating/runbooks.rs"]
mod runbooks;
#[path = "operating/schemas.rs"]
mod schemas;
#[path = "operating/script.rs"]
mod script;
#[path = "operating/settings.rs"]
mod settings;
#[path = "operating/site.rs"]
mod site;
#[path = "operating/yaml.rs"]
mod yaml;
