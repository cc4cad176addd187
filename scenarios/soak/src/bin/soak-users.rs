//! `soak-users`: reads who the users are from standard input, lets goose run them, and says every
//! few seconds on standard output how far they are. The end of its input is the order to end.

use std::time::Duration;

use exai_soak::desk::{Config, Desk, Order};
use exai_soak::journey::{DESK, ask, converse, look};
use goose::GooseAttack;
use goose::config::GooseConfiguration;
use goose::prelude::{GooseError, Scenario, Transaction, scenario, transaction};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};

/// Between two lines of ours.
const TOLD_EVERY: Duration = Duration::from_secs(2);
/// A user's pause between two things they do.
const PAUSE: (Duration, Duration) = (Duration::from_millis(400), Duration::from_millis(1_600));
/// Goose's own end is later than ours, s.
const LATER: u64 = 600;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let first = lines
        .next_line()
        .await?
        .ok_or("no configuration on standard input")?;
    let config: Config = serde_json::from_str(&first)?;
    let attack = attack(&config)?;
    let desk = DESK.get_or_init(|| Desk::new(config));
    let orders = follow(&mut lines, desk);
    tokio::select! {
        attacked = attack.execute() => {
            attacked?;
            Err("goose ended before it was told to")?
        }
        () = orders => desk.tell(),
    }
    // A transaction may hang until its own patience ends; nobody waits for it.
    std::process::exit(0)
}

/// Takes orders until there are no more, and tells in between.
async fn follow(lines: &mut Lines<BufReader<Stdin>>, desk: &Desk) {
    let mut tick = tokio::time::interval(TOLD_EVERY);
    loop {
        tokio::select! {
            line = lines.next_line() => match line {
                Ok(Some(line)) => match serde_json::from_str::<Order>(&line) {
                    Ok(order) => desk.follow(order),
                    Err(error) => eprintln!("could not follow an order: {error}"),
                },
                _ => return,
            },
            _ = tick.tick() => desk.tell(),
        }
    }
}

fn attack(config: &Config) -> Result<GooseAttack, GooseError> {
    let mut settings = GooseConfiguration::default();
    settings.host = Some(format!("http://{}", config.address));
    settings.users = Some(config.users.len().max(1));
    settings.increase_rate = Some("20".to_owned());
    settings.run_time = Some(format!("{}s", config.seconds + LATER));
    settings.quiet = 2;
    settings.no_print_metrics = true;
    settings.no_telnet = true;
    settings.no_status_codes = true;
    let journeys = scenario!("Person")
        .set_wait_time(PAUSE.0, PAUSE.1)?
        .register_transaction(transaction!(converse))
        .register_transaction(transaction!(ask))
        .register_transaction(transaction!(look));
    Ok(GooseAttack::initialize_with_config(settings)?.register_scenario(journeys))
}
