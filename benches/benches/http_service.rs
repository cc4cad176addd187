//! One `version` call over loopback, at the server's service and at a null one that gives the same
//! bytes back. Calls alternate between the two, so that whatever else the machine does weighs on
//! both, and their ratio is printed. Client and services share this process and its runtime.

use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Bencher, Criterion};
use exai_benches::connection::{Connection, call_of};
use exai_benches::null_service::NullService;
use exai_benches::service::Service;
use exai_benches::setup::{self, Setup, Trouble};
use http::StatusCode;
use tokio::runtime::Runtime;

const TOOL: &str = "version";
/// Calls below which no ratio is told: a dry run makes one or two.
const FEWEST: usize = 100;

fn main() -> Result<(), Trouble> {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = setup::runtime()?;
    let setup = runtime.block_on(Setup::build())?;
    let service = runtime.block_on(Service::start(&setup.app))?;
    let mut pair = runtime.block_on(Pair::open(&service))?;
    criterion.bench_function("http_service/version", |bencher| {
        pair.measure(bencher, &runtime, |(real, _)| real);
    });
    criterion.bench_function("http_service/null", |bencher| {
        pair.measure(bencher, &runtime, |(_, null)| null);
    });
    pair.tell();
    drop(pair);
    criterion.final_summary();
    Ok(())
}

/// One connection to each service.
struct Pair {
    real: Connection,
    null: Connection,
    body: Bytes,
    /// The time of each call at the server and of the call at the null service after it.
    laps: Vec<(Duration, Duration)>,
    _null: NullService,
}

impl Pair {
    async fn open(service: &Service) -> Result<Self, Trouble> {
        let body = call_of(TOOL);
        let mut real = Connection::open(service.address()).await?;
        let reply = real.call(TOOL, body.clone()).await?;
        let text = String::from_utf8_lossy(reply.body()).into_owned();
        let is_answer = reply.status() == StatusCode::OK && text.contains("executable_sha256");
        assert!(is_answer, "the server answered {}: {text}", reply.status());
        let null_service = NullService::start(reply).await?;
        let mut null = Connection::open(null_service.address()).await?;
        let echo = null.call(TOOL, body.clone()).await?;
        assert_eq!(String::from_utf8_lossy(echo.body()), text);
        Ok(Self {
            real,
            null,
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
            let real = lap(&mut self.real, &self.body).await?;
            let null = lap(&mut self.null, &self.body).await?;
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
        let (real, null) = self.laps.iter().copied().unzip();
        if let (Some(real), Some(null)) = (median(real), median(null)) {
            let ratio = real.as_secs_f64() / null.as_secs_f64();
            let calls = self.laps.len();
            println!(
                "http_service/ratio      {ratio:.2}: {real:?} to {null:?}, medians of {calls} calls"
            );
        }
    }
}

fn median(mut laps: Vec<Duration>) -> Option<Duration> {
    laps.sort_unstable();
    laps.get(laps.len() / 2).copied()
}

async fn lap(connection: &mut Connection, body: &Bytes) -> Result<Duration, Trouble> {
    let from = Instant::now();
    let reply = connection.call(TOOL, body.clone()).await?;
    let took = from.elapsed();
    assert_eq!(reply.status(), StatusCode::OK);
    Ok(took)
}
