//! The real binary on free ports: health, identity, the checks before the protocol, the ending.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

#[path = "serving/abuse.rs"]
mod abuse;
#[path = "serving/alerts.rs"]
mod alerts;
#[path = "serving/archiving.rs"]
mod archiving;
#[path = "serving/awaiting.rs"]
mod awaiting;
#[path = "serving/belongings.rs"]
mod belongings;
#[path = "serving/bridge.rs"]
mod bridge;
#[path = "serving/broken.rs"]
mod broken;
#[path = "serving/browser.rs"]
mod browser;
#[path = "serving/caching.rs"]
mod caching;
#[path = "serving/carried.rs"]
mod carried;
#[path = "serving/categories.rs"]
mod categories;
#[path = "serving/clients.rs"]
mod clients;
#[path = "serving/command_line.rs"]
mod command_line;
#[path = "serving/confirming.rs"]
mod confirming;
#[path = "serving/connect.rs"]
mod connect;
#[path = "serving/conversing.rs"]
mod conversing;
#[path = "serving/credentials.rs"]
mod credentials;
#[path = "serving/daemon.rs"]
mod daemon;
#[path = "serving/dashboard.rs"]
mod dashboard;
#[path = "serving/deciding.rs"]
mod deciding;
#[path = "serving/dependencies.rs"]
mod dependencies;
#[path = "serving/dialect.rs"]
mod dialect;
#[path = "serving/documents.rs"]
mod documents;
#[path = "serving/draining.rs"]
mod draining;
#[path = "serving/elicitation.rs"]
mod elicitation;
#[path = "serving/encrypted.rs"]
mod encrypted;
#[path = "serving/ending.rs"]
mod ending;
#[path = "serving/faults.rs"]
mod faults;
#[path = "serving/figures.rs"]
mod figures;
#[path = "serving/files.rs"]
mod files;
#[path = "serving/finding.rs"]
mod finding;
#[path = "serving/fixtures.rs"]
mod fixtures;
#[path = "serving/frames.rs"]
mod frames;
#[path = "serving/front.rs"]
mod front;
#[path = "serving/generating.rs"]
mod generating;
#[path = "../../harness/tests/json/golden.rs"]
mod golden;
#[path = "serving/guard.rs"]
mod guard;
#[path = "serving/guide.rs"]
mod guide;
#[path = "serving/health.rs"]
mod health;
#[path = "serving/hello.rs"]
mod hello;
#[path = "serving/independent_clients.rs"]
mod independent_clients;
#[path = "serving/issuer.rs"]
mod issuer;
#[path = "serving/leaks.rs"]
mod leaks;
#[path = "serving/limits.rs"]
mod limits;
#[path = "serving/listing.rs"]
mod listing;
#[path = "serving/locally.rs"]
mod locally;
#[path = "serving/long.rs"]
mod long;
#[path = "serving/looking.rs"]
mod looking;
#[path = "serving/losing.rs"]
mod losing;
#[path = "serving/lost.rs"]
mod lost;
#[path = "serving/monitoring.rs"]
mod monitoring;
#[path = "serving/named_providers.rs"]
mod named_providers;
#[path = "serving/occupied.rs"]
mod occupied;
#[path = "serving/outage.rs"]
mod outage;
#[path = "serving/pacing.rs"]
mod pacing;
#[path = "serving/paging.rs"]
mod paging;
#[path = "serving/pipe.rs"]
mod pipe;
#[path = "serving/piped.rs"]
mod piped;
#[path = "serving/plain_clothes.rs"]
mod plain_clothes;
#[path = "serving/postgres.rs"]
mod postgres;
#[path = "serving/preamble.rs"]
mod preamble;
#[path = "serving/process.rs"]
mod process;
#[path = "serving/proof.rs"]
mod proof;
#[path = "serving/protocol.rs"]
mod protocol;
#[path = "serving/provider.rs"]
mod provider;
#[path = "serving/providers.rs"]
mod providers;
#[path = "serving/recording.rs"]
mod recording;
#[path = "serving/redis.rs"]
mod redis;
#[path = "serving/rekeying.rs"]
mod rekeying;
#[path = "serving/relay.rs"]
mod relay;
#[path = "serving/reload_under_load.rs"]
mod reload_under_load;
#[path = "serving/reloading.rs"]
mod reloading;
#[path = "serving/replicas.rs"]
mod replicas;
#[path = "serving/reviews.rs"]
mod reviews;
#[path = "serving/routing.rs"]
mod routing;
#[path = "serving/sharing.rs"]
mod sharing;
#[path = "serving/shelf.rs"]
mod shelf;
#[path = "serving/socket.rs"]
mod socket;
#[path = "serving/spending.rs"]
mod spending;
#[path = "serving/starting.rs"]
mod starting;
#[path = "serving/stateless.rs"]
mod stateless;
#[path = "serving/strangers.rs"]
mod strangers;
#[path = "serving/tale.rs"]
mod tale;
#[path = "serving/talk.rs"]
mod talk;
#[path = "serving/thoughts.rs"]
mod thoughts;
#[path = "serving/together.rs"]
mod together;
#[path = "serving/token_files.rs"]
mod token_files;
#[path = "serving/tools.rs"]
mod tools;
#[path = "serving/tracing.rs"]
mod tracing;
#[path = "serving/turns.rs"]
mod turns;
#[path = "serving/twelve.rs"]
mod twelve;
#[path = "serving/upkeep.rs"]
mod upkeep;
#[path = "serving/upstream.rs"]
mod upstream;
#[path = "serving/websocket.rs"]
mod websocket;
#[path = "serving/wires.rs"]
mod wires;
