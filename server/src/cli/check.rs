//! `exai check`: every fault at once, or the two digests; the schema of a file.

use super::{Failed, say};
use crate::auth::access::Access;
use crate::auth::remote::Remote;
use crate::config::{Config, Schema, Sources, json_schema};

pub(super) fn run(sources: &Sources) -> Result<(), Failed> {
    let config = Config::load(sources)?;
    // The files of keys and tokens are read as a start would read them; nothing is fetched.
    Access::new(&config, &Remote::default()).map_err(|error| Failed::Usage(error.to_string()))?;
    say("the configuration is valid");
    say(&format!("policy_digest {}", config.digests.policy));
    say(&format!("site_digest   {}", config.digests.site));
    Ok(())
}

pub(super) fn print_schema() -> Result<(), Failed> {
    let text = json_schema::text(&Schema::embedded()?);
    say(text.trim_end());
    Ok(())
}
