//! The binary as its users feel it: how long it takes to start, what it holds in memory, and what a
//! call through it costs beside one straight to the provider. Figures, and the target beside each;
//! no verdict and no exit code but for a measurement that could not be made.
//!
//! `cargo bench -p exai-server --bench process [-- start memory latency plateau frontier]`

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

#[path = "process/client.rs"]
mod client;
#[path = "process/frontier.rs"]
mod frontier;
#[path = "process/latency.rs"]
mod latency;
#[path = "process/memory.rs"]
mod memory;
#[path = "process/python.rs"]
mod python;
#[path = "process/redis.rs"]
mod redis;
#[path = "process/relay.rs"]
mod relay;
#[path = "process/served.rs"]
mod served;
#[path = "process/start.rs"]
mod start;
#[path = "process/upstream.rs"]
mod upstream;

use std::time::Duration;

/// Why a measurement could not be made.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// One measurement, by the name it is asked for.
type Measurement = (&'static str, fn() -> Result<(), Trouble>);

const ALL: [Measurement; 5] = [
    ("start", start::measure),
    ("memory", memory::measure),
    ("latency", latency::measure),
    ("plateau", latency::measure_plateau),
    ("frontier", frontier::measure),
];

fn main() -> Result<(), Trouble> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |name: &str| {
        let named = asked.iter().any(|word| word == name);
        named
            || !ALL
                .iter()
                .any(|(one, _)| asked.iter().any(|word| word == one))
    };
    let cores = std::thread::available_parallelism()?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split_whitespace().next().unwrap_or_default();
    println!("{cores} cores, load {load} before");
    for (name, measure) in ALL.into_iter().filter(|(name, _)| is_asked(name)) {
        println!("{name}");
        measure()?;
    }
    Ok(())
}

/// The value below which this share of all lies; `all` is sorted and not empty.
fn quantile(all: &[Duration], share: f64) -> Duration {
    let place = (all.len() as f64 * share).ceil() as usize;
    let place = place.clamp(1, all.len().max(1)) - 1;
    all.get(place).copied().unwrap_or_default()
}

/// Runs `one` in so many threads; what each gave, by its number.
fn at_once<T: Send>(
    callers: usize,
    one: impl Fn(usize) -> Result<T, Trouble> + Sync,
) -> Result<Vec<T>, Trouble> {
    let one = &one;
    let ended: Vec<_> = std::thread::scope(|scope| {
        let callers = (0..callers).map(|caller| scope.spawn(move || one(caller)));
        let callers: Vec<_> = callers.collect();
        callers.into_iter().map(|caller| caller.join()).collect()
    });
    let broke = |_| Trouble::from("a caller broke");
    ended.into_iter().map(|one| one.map_err(broke)?).collect()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
