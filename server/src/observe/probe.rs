//! The loop that asks every part how it is doing, about once a second, each under a deadline.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::health::{Health, Report, Status};

/// The answer of a probe, on its way.
pub type Asking = Pin<Box<dyn Future<Output = Report> + Send>>;

/// One question to one part.
#[derive(Clone)]
pub struct Probe {
    /// The component or provider it is about.
    pub name: String,
    /// Whether the name is a provider's.
    pub is_provider: bool,
    /// Asks; every call is a fresh question.
    pub ask: Arc<dyn Fn() -> Asking + Send + Sync>,
}

/// Asks all probes at once, again and again, until told to stop.
pub async fn run(health: Health, probes: Vec<Probe>, interval: Duration, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        tokio::select! {
            () = round(&health, &probes, interval) => health.probed(),
            () = stop.cancelled() => return,
        }
    }
}

async fn round(health: &Health, probes: &[Probe], deadline: Duration) {
    let asking = probes.iter().map(|probe| async move {
        let report = tokio::time::timeout(deadline, (probe.ask)())
            .await
            .unwrap_or_else(|_| {
                let millis = deadline.as_millis();
                Report::new(
                    Status::Unhealthy,
                    format!("no answer to the probe in {millis} ms"),
                )
            });
        if probe.is_provider {
            health.report_provider(&probe.name, report);
        } else {
            health.report(&probe.name, report);
        }
    });
    futures::future::join_all(asking).await;
}

/// Below this the store and the audit file cannot be trusted to grow.
const TOO_LITTLE: u64 = 32 << 20;

/// A nearly full file system is no worry while this much is left.
const SCARCE: u64 = 1 << 30;

/// Free space of the state folder's file system: degraded below 5 % and 1 GiB, unhealthy below
/// 32 MiB.
#[must_use]
pub fn disk(folder: &Path) -> Probe {
    let folder: PathBuf = folder.to_owned();
    let ask = move || -> Asking {
        let folder = folder.clone();
        Box::pin(async move {
            let asked = tokio::task::spawn_blocking(move || disk_report(&folder)).await;
            asked.unwrap_or_else(|_| Report::new(Status::Unhealthy, "the probe broke").local())
        })
    };
    Probe {
        name: "disk".to_owned(),
        is_provider: false,
        ask: Arc::new(ask),
    }
}

fn disk_report(folder: &Path) -> Report {
    let Ok(figures) = nix::sys::statvfs::statvfs(folder) else {
        return Report::new(Status::Unhealthy, "the state folder cannot be read").local();
    };
    let unit = figures.fragment_size();
    let free = figures.blocks_available() * unit;
    let total = (figures.blocks() * unit).max(1);
    let percent = free * 100 / total;
    let status = match free {
        0..TOO_LITTLE => Status::Unhealthy,
        _ if percent < 5 && free < SCARCE => Status::Degraded,
        _ => Status::Healthy,
    };
    let detail = match status {
        Status::Healthy => String::new(),
        _ => format!("{percent} % free"),
    };
    Report::new(status, detail)
        .local()
        .fact("free_bytes", free)
        .fact("free_percent", percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_hangs_is_unhealthy_and_does_not_hold_up_the_others() {
        let health = Health::new(&[]);
        let hung: Arc<dyn Fn() -> Asking + Send + Sync> =
            Arc::new(|| Box::pin(std::future::pending()));
        let fine: Arc<dyn Fn() -> Asking + Send + Sync> =
            Arc::new(|| Box::pin(async { Report::new(Status::Healthy, "") }));
        let probes = vec![
            Probe {
                name: "kimi".into(),
                is_provider: true,
                ask: hung,
            },
            Probe {
                name: "store".into(),
                is_provider: false,
                ask: fine,
            },
        ];
        round(&health, &probes, Duration::from_secs(1)).await;
        let components = health.detail().components;
        assert_eq!(components["providers"]["kimi"]["status"], "unhealthy");
        assert_eq!(components["store"]["status"], "healthy");
    }

    #[test]
    fn a_folder_that_does_not_exist_is_unhealthy() {
        assert_eq!(
            disk_report(Path::new("/no/such/folder")).status,
            Status::Unhealthy
        );
        assert!(disk_report(Path::new("/")).facts.contains_key("free_bytes"));
    }
}
