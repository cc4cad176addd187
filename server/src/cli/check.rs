//! `exai check`: every fault at once, or the two digests.

use super::{Failed, say};
use crate::auth::token::TokenCheck;
use crate::config::{AuthMode, Config, Sources};

pub(super) fn run(sources: &Sources) -> Result<(), Failed> {
    let config = Config::load(sources)?;
    if config.auth.mode == AuthMode::Jwt {
        let policy = std::sync::Arc::new(config.policy.clone());
        TokenCheck::new(&config, policy).map_err(|error| Failed::Usage(error.to_string()))?;
    }
    say("the configuration is valid");
    say(&format!("policy_digest {}", config.digests.policy));
    say(&format!("site_digest   {}", config.digests.site));
    Ok(())
}
