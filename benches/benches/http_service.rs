//! One call over loopback, at the server's service and at a null one that gives the same bytes
//! back: `version`, which touches nothing, and `chat`, answered by the demo provider and written
//! to the embedded store. Calls alternate between the two services, so that whatever else the
//! machine does weighs on both, and their ratio is printed. Client and services share this process
//! and its runtime.

use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Bencher, Criterion};
use exai_benches::connection::{Connection, call_of};
use exai_benches::null_service::NullService;
use exai_benches::service::Service;
use exai_benches::setup::{self, Setup, Trouble};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// A tool, what it is asked, and a part of every good answer.
struct Call {
    tool: &'static str,
    arguments: Value,
    proof: &'static str,
}

/// Calls below which no ratio is told: a dry run makes one or two.
const FEWEST: usize = 100;

fn main() -> Result<(), Trouble> {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = setup::runtime()?;
    let setup = runtime.block_on(Setup::build())?;
    let service = runtime.block_on(Service::start(&setup.app))?;
    let calls = [
        Call {
            tool: "version",
            arguments: json!({}),
            proof: "executable_sha256",
        },
        Call {
            tool: "chat",
            arguments: json!({"prompt": "one short question", "model": "demo"}),
            proof: "[DEMO",
        },
    ];
    for call in calls {
        let name = format!("http_service/{}", call.tool);
        let mut pair = runtime.block_on(Pair::open(&service, call))?;
        criterion.bench_function(&name, |bencher| {
            pair.measure(bencher, &runtime, |(real, _)| real);
        });
        criterion.bench_function(&format!("{name}/null"), |bencher| {
            pair.measure(bencher, &runtime, |(_, null)| null);
        });
        pair.tell();
    }
    criterion.final_summary();
    Ok(())
}

/// One connection to each service.
struct Pair {
    real: Connection,
    null: Connection,
    tool: &'static str,
    body: Bytes,
    /// The time of each call at the server and of the call at the null service after it.
    laps: Vec<(Duration, Duration)>,
    _null: NullService,
}

impl Pair {
    async fn open(service: &Service, call: Call) -> Result<Self, Trouble> {
        let tool = call.tool;
        let body = call_of(tool, &call.arguments);
        let mut real = Connection::open(service.address()).await?;
        let reply = real.call(tool, body.clone()).await?;
        let text = String::from_utf8_lossy(reply.body()).into_owned();
        let is_answer = reply.status() == StatusCode::OK && text.contains(call.proof);
        assert!(is_answer, "the server answered {}: {text}", reply.status());
        let null_service = NullService::start(reply).await?;
        let mut null = Connection::open(null_service.address()).await?;
        let echo = null.call(tool, body.clone()).await?;
        assert_eq!(String::from_utf8_lossy(echo.body()), text);
        Ok(Self {
            real,
            null,
            tool,
            body,
            laps: Vec::new(),
            _null: null_service,
        })
    }

    fn measure(
        &mut self,
        bencher: &mut Bencher<'_>,
        runtime: &Runtime,
        wanted: fn((Duration, Duration)) -> Duration,
    ) {
        bencher.iter_custom(|rounds| {
            let spent = runtime.block_on(self.alternate(rounds));
            assert!(spent.is_ok(), "a call broke: {spent:?}");
            wanted(spent.unwrap_or_default())
        });
    }

    /// As many calls at each service, in turns.
    async fn alternate(&mut self, rounds: u64) -> Result<(Duration, Duration), Trouble> {
        let mut spent = (Duration::ZERO, Duration::ZERO);
        for _ in 0..rounds {
            let real = lap(&mut self.real, self.tool, &self.body).await?;
            let null = lap(&mut self.null, self.tool, &self.body).await?;
            spent = (spent.0 + real, spent.1 + null);
            self.laps.push((real, null));
        }
        Ok(spent)
    }

    #[expect(
        clippy::print_stdout,
        reason = "the ratio belongs with criterion's own lines"
    )]
    fn tell(&self) {
        if self.laps.len() < FEWEST {
            return;
        }
        let (mut real, mut null): (Vec<_>, Vec<_>) = self.laps.iter().copied().unzip();
        real.sort_unstable();
        null.sort_unstable();
        let (tool, calls) = (self.tool, self.laps.len());
        for percent in [50, 99] {
            let at = calls * percent / 100;
            if let (Some(real), Some(null)) = (real.get(at), null.get(at)) {
                let ratio = real.as_secs_f64() / null.as_secs_f64();
                println!(
                    "http_service/{tool}/ratio p{percent} {ratio:.2}: {real:?} to {null:?}, \
                     {calls} calls each"
                );
            }
        }
    }
}

async fn lap(connection: &mut Connection, tool: &str, body: &Bytes) -> Result<Duration, Trouble> {
    let from = Instant::now();
    let reply = connection.call(tool, body.clone()).await?;
    let took = from.elapsed();
    assert_eq!(reply.status(), StatusCode::OK);
    Ok(took)
}
