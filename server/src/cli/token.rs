//! `exai token`: a development token from the configured secret.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use super::{Failed, Layers, say};
use crate::auth::mint::mint;
use crate::config::Config;

/// What the token should say.
#[derive(Debug, Args)]
pub(super) struct Wish {
    #[command(flatten)]
    layers: Layers,
    /// Subject: who the token stands for
    #[arg(long, value_name = "NAME")]
    sub: String,
    /// Role, such as admin, user or metrics; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Team whose budget the subject shares
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// Seconds of life; default and limit is auth.jwt.max_lifetime
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u64>,
}

pub(super) fn run(wish: Wish) -> Result<(), Failed> {
    let config = Config::load(&wish.layers.sources())?;
    let jwt = &config.auth.jwt;
    for (key, value) in [("issuer", &jwt.issuer), ("audience", &jwt.audience)] {
        if value.is_empty() {
            let text = format!("auth.jwt.{key} is not set; set it to the value the server uses");
            return Err(Failed::Usage(text));
        }
    }
    let ttl = wish.ttl.map_or(jwt.max_lifetime, Duration::from_secs);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let token = mint(
        &config,
        (&wish.sub, wish.team.as_deref()),
        &wish.roles,
        ttl,
        now,
    )
    .map_err(|error| Failed::Usage(error.to_string()))?;
    say(&token);
    Ok(())
}
