//! `exai usage`: who spent what, from the store that the configuration names.

use clap::Args;
use jiff::Timestamp;

use super::document::say_document;
use super::{Failed, Layers, say};
use crate::app;
use crate::config::Config;
use crate::spending::calendar;
use crate::spending::report::{By, Sum, sums};
use crate::store::spending::UsageLine;

/// What to add up.
#[derive(Debug, Args)]
pub(super) struct Wish {
    #[command(flatten)]
    layers: Layers,
    /// What to add up by
    #[arg(long, value_enum, default_value = "user")]
    by: By,
    /// Days to look back, today included; 400 at most
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    days: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(wish: Wish) -> Result<(), Failed> {
    let config = Config::load(&wish.layers.sources())?;
    let lines = read(&config, wish.days)?;
    let sums = sums(&lines, wish.by);
    if wish.json {
        let days = wish.days.min(calendar::MOST_DAYS);
        let told = serde_json::json!({ "days": days, "usage": sums });
        say_document("exai-usage/1", &told);
    } else {
        say(&table(&sums));
    }
    Ok(())
}

fn read(config: &Config, days: u32) -> Result<Vec<UsageLine>, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failed::Usage(error.to_string()))?;
    let read = runtime.block_on(async {
        let store = app::open_store(config, app::unwatched()).await?;
        store.usage(&calendar::days(Timestamp::now(), days)).await
    });
    read.map_err(|error| {
        let kind = config.store.kind.name();
        let text =
            format!("the {kind} store could not be read: {error}; see store.path, store.url");
        Failed::Usage(text)
    })
}

fn table(sums: &[Sum]) -> String {
    let head = ["name", "calls", "tokens in", "out", "cached", "US dollars"].map(str::to_owned);
    let rows = sums.iter().map(|sum| {
        let name = if sum.name.is_empty() {
            "(none)"
        } else {
            &sum.name
        };
        [
            name.to_owned(),
            sum.calls.to_string(),
            sum.input_tokens.to_string(),
            sum.output_tokens.to_string(),
            sum.cached_tokens.to_string(),
            sum.cost_usd.clone(),
        ]
    });
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let widest = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..6).map(|column| widest(column).unwrap_or(0)).collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
