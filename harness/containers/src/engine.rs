//! The engine: where it is, whether it answers, and what can be done past it.

use std::time::Duration;

use bollard::Docker;
use exai_harness::engine::wire::{Facts, SCHEMA};

use crate::trouble::Trouble;

/// Where an engine listens unless `DOCKER_HOST` says otherwise.
const USUAL: &str = "unix:///var/run/docker.sock";
/// How long an engine may take to say its version: with the rest of a start under two seconds.
const ANSWER: Duration = Duration::from_millis(1_500);
const FIX: &str = "install one (apt-get install docker.io), start it (dockerd), or set DOCKER_HOST \
                   to one that runs";

/// A connected engine.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) docker: Docker,
    pub(crate) facts: Facts,
}

impl Engine {
    /// Connects to the engine `DOCKER_HOST` names, or the usual one.
    ///
    /// # Errors
    /// Within two seconds, when none answers there, with the package to install.
    pub(crate) async fn connect(host: Option<String>) -> Result<Self, Trouble> {
        let address = host
            .filter(|host| !host.is_empty())
            .unwrap_or_else(|| USUAL.to_owned());
        let silent = |why: String| {
            Trouble::new(
                format!("no container engine answers at {address}: {why}"),
                FIX,
            )
        };
        let docker =
            Docker::connect_with_host(&address).map_err(|error| silent(error.to_string()))?;
        let negotiated = tokio::time::timeout(ANSWER, async {
            let docker = docker.negotiate_version().await?;
            let version = docker.version().await?;
            Ok::<_, bollard::errors::Error>((docker, version))
        });
        let (docker, version) = match negotiated.await {
            Ok(Ok(answered)) => answered,
            Ok(Err(error)) => return Err(silent(error.to_string())),
            Err(_elapsed) => return Err(silent(format!("silent for {ANSWER:?}"))),
        };
        let is_local = address.starts_with("unix://");
        let facts = Facts {
            schema: SCHEMA.to_owned(),
            address,
            version: version.version.unwrap_or_default(),
            api: docker.client_version().to_string(),
            is_local,
            may_kill: is_local && nix::unistd::geteuid().is_root(),
            swept: 0,
        };
        Ok(Self { docker, facts })
    }
}

/// Whether a process of this machine is the main one of that container: a remote engine's ids mean
/// nothing here, and may belong to anybody.
pub(crate) fn is_contained(pid: u32, container: &str) -> bool {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup"));
    pid > 1 && groups.is_ok_and(|groups| groups.contains(container))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_told_within_two_seconds_with_the_package() {
        let begun = Instant::now();
        let host = Some("unix:///no/such/engine.sock".to_owned());
        let trouble = Engine::connect(host).await.err().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert!(trouble.what.contains("/no/such/engine.sock"), "{trouble}");
        assert!(trouble.fix.contains("apt-get install docker.io"));
    }

    #[tokio::test]
    async fn an_engine_that_never_answers_is_told_within_two_seconds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mute.sock");
        let _mute = tokio::net::UnixListener::bind(&path).unwrap();
        let begun = Instant::now();
        let host = Some(format!("unix://{}", path.display()));
        let trouble = Engine::connect(host).await.err().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert!(trouble.what.contains("silent"), "{trouble}");
    }

    #[test]
    fn our_own_process_is_in_no_container_of_that_name() {
        assert!(!is_contained(std::process::id(), &"0123456789ab".repeat(5)));
    }
}
