//! `exai export`: what other systems need to watch this server, from the rows that it watches
//! itself by.

use clap::Subcommand;

use super::{Failed, Layers, say};
use crate::config::Config;
use crate::observe::alert::{self, export};

/// What is exported.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Alerting rules for Prometheus, YAML
    PrometheusRules(Layers),
    /// A dashboard for Grafana, JSON
    GrafanaDashboard(Layers),
}

/// Prints it.
pub fn run(what: What) -> Result<(), Failed> {
    match what {
        What::PrometheusRules(layers) => {
            let config = Config::load(&layers.sources())?;
            let rows = alert::rows(&config.alerts.file);
            let rows = rows.map_err(|error| Failed::Usage(error.to_string()))?;
            say(export::prometheus_rules(&rows, &config.alerts.runbooks).trim_end());
        }
        What::GrafanaDashboard(layers) => {
            Config::load(&layers.sources())?;
            say(&format!("{:#}", export::grafana_dashboard()));
        }
    }
    Ok(())
}
