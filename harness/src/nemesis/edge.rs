//! Faults of a link: reset, refuse, slow. The link counts what it cut and measures what it delayed.

use std::sync::Arc;
use std::time::Duration;

use exai_judge::fault::FaultKind;
use futures::FutureExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::{Deed, Landed, Nemesis, NemesisError, PROBE_EVERY, Probe};
use crate::link::Link;
use crate::supervisor::Role;

/// How long after a reset the edge may take to be used again.
const REOPENED: Duration = Duration::from_secs(5);

impl Nemesis {
    /// Cuts every existing flow of the edge, once.
    ///
    /// # Errors
    /// When the edge was not whole in time afterwards.
    pub async fn reset(
        &self,
        component: &str,
        link: &Link,
        probe: &Probe,
    ) -> Result<Landed, NemesisError> {
        let deed = self.deed(component, FaultKind::Reset);
        let accepted = link.counters().accepted;
        deed.injected();
        let cut = link.reset();
        if cut == 0 {
            deed.not_landed(format!("{} had no flow to cut", link.name()));
            return Ok(Landed::No);
        }
        deed.cause(format!("{cut} flows cut on {}", link.name()));
        let opened = reopened(link, accepted).await;
        match opened {
            0 => deed.not_landed(format!("no connection was opened anew on {}", link.name())),
            _ => deed.effect(format!(
                "{opened} connections opened anew on {}",
                link.name()
            )),
        }
        deed.heal(probe, Role::Rig).await?;
        Ok(Landed::when(opened > 0))
    }

    /// Refuses the edge for `window`: existing flows are cut and new ones answered with a reset.
    ///
    /// # Errors
    /// When the edge did not heal in time.
    pub async fn refuse(
        &self,
        component: &str,
        link: &Link,
        window: Duration,
        probe: &Probe,
    ) -> Result<Landed, NemesisError> {
        let deed = self.deed(component, FaultKind::Refuse);
        deed.injected();
        let until = Instant::now() + window;
        let cut = link.refuse().await;
        let is_refused = prove_refused(&deed, link, cut).await;
        let is_felt = deed.feel(probe, until).await;
        tokio::time::sleep_until(until).await;
        link.heal().await?;
        deed.heal(probe, Role::Rig).await?;
        Ok(Landed::when(is_refused && is_felt))
    }

    /// Adds `each_way` to both directions of the edge for `window`.
    ///
    /// # Errors
    /// When the edge did not heal in time.
    pub async fn slow(
        &self,
        component: &str,
        link: &Link,
        slow: Slow,
        probe: &Probe,
    ) -> Result<Landed, NemesisError> {
        let deed = self.deed(component, FaultKind::Slow);
        deed.injected();
        let until = Instant::now() + slow.window;
        link.set_latency(slow.each_way);
        let round_trip = feel_slow(&deed, probe, slow.each_way).await;
        tokio::time::sleep_until(until).await;
        let delays = link.delays();
        link.heal().await?;
        let landed = delays.chunks > 0 && delays.shortest >= slow.each_way && round_trip;
        if !landed {
            let seen = format!("{} chunks, shortest {:?}", delays.chunks, delays.shortest);
            deed.not_landed(format!("{} delayed {seen}", link.name()));
        }
        deed.heal(&in_time(probe, slow.each_way), Role::Rig).await?;
        Ok(Landed::when(landed))
    }
}

/// The probe of an edge that is healed only when an answer takes less than the delays that were
/// added: a right answer that is as late as before comes over an edge that still is slow.
fn in_time(probe: &Probe, each_way: Duration) -> Probe {
    let probe = Probe::clone(probe);
    Arc::new(move || {
        let probe = Probe::clone(&probe);
        async move {
            let began = Instant::now();
            probe().await?;
            let took = began.elapsed();
            if took < each_way * 2 {
                return Ok(());
            }
            Err(format!("a probe took {took:?}: still delayed"))
        }
        .boxed()
    })
}

/// Connections opened on the link since it had `accepted`, once there is one or the time is over.
async fn reopened(link: &Link, accepted: u64) -> u64 {
    let until = Instant::now() + REOPENED;
    loop {
        let opened = link.counters().accepted - accepted;
        if opened > 0 || Instant::now() >= until {
            return opened;
        }
        sleep(PROBE_EVERY).await;
    }
}

/// How slow, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Slow {
    /// Added to each direction.
    pub each_way: Duration,
    /// How long.
    pub window: Duration,
}

async fn prove_refused(deed: &Deed, link: &Link, cut: u64) -> bool {
    let refused = TcpStream::connect(link.address()).await.err();
    let is_refused = refused
        .as_ref()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
    if is_refused && cut > 0 {
        deed.cause(format!(
            "{cut} flows cut on {}, a new connection refused",
            link.name()
        ));
        return true;
    }
    let seen = refused.map_or_else(|| "accepted".to_owned(), |error| error.to_string());
    deed.not_landed(format!(
        "{cut} flows cut on {}, a new connection {seen}",
        link.name()
    ));
    false
}

/// One probe over the slow edge: it must take at least the added round trip. The link has measured
/// its own delay by then.
async fn feel_slow(deed: &Deed, probe: &Probe, each_way: Duration) -> bool {
    let began = Instant::now();
    let seen = probe().await;
    let took = began.elapsed();
    if took < each_way * 2 {
        return false;
    }
    deed.cause(format!("the link delays each direction by {each_way:?}"));
    let how = seen.map_or_else(|symptom| symptom, |()| "was right".to_owned());
    deed.effect(format!("a probe took {took:?} and {how}"));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A probe that is right after so long.
    fn right_after(took: Duration) -> Probe {
        Arc::new(move || {
            async move {
                sleep(took).await;
                Ok(())
            }
            .boxed()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn an_edge_that_answers_as_late_as_before_is_not_healed() {
        let each_way = Duration::from_millis(75);
        let seen = |took| async move { in_time(&right_after(took), each_way)().await };
        assert_eq!(seen(Duration::from_millis(149)).await, Ok(()));
        let late = seen(Duration::from_millis(150)).await;
        assert_eq!(late, Err("a probe took 150ms: still delayed".to_owned()));
        let wrong: Probe = Arc::new(|| async { Err("no answer".to_owned()) }.boxed());
        assert_eq!(
            in_time(&wrong, each_way)().await,
            Err("no answer".to_owned())
        );
    }
}
