//! Everything this leaf has put up: images, the run's network, containers.

mod form;
mod input;
mod kill;
mod network;
mod plan;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, LogsOptionsBuilder,
    RestartContainerOptionsBuilder, StatsOptionsBuilder, StopContainerOptionsBuilder,
};
use exai_harness::engine::wire::{Answer, Carried, Life, Order, Plan, Saying, Stats};
use futures::StreamExt as _;
use tokio::sync::mpsc::Sender;

use crate::engine::Engine;
use crate::image;
use crate::label::Owner;
use crate::sweep::{Whose, sweep};
use crate::trouble::Trouble;
use network::Network;

/// Between two looks at a container that is to change.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A run's containers.
pub(crate) struct Fleet {
    engine: Engine,
    owner: Owner,
    network: Mutex<Option<Network>>,
    known: Mutex<BTreeMap<String, Known>>,
    inputs: tokio::sync::Mutex<BTreeMap<String, input::Input>>,
    out: Sender<Saying>,
}

/// A container this leaf has created.
#[derive(Clone)]
struct Known {
    id: String,
    plan: Plan,
    /// Stopped by order: the policy rests until somebody starts it.
    is_stopped: bool,
}

impl Fleet {
    /// Nothing yet; what dead owners left is removed.
    ///
    /// # Errors
    /// When the engine does not let us look.
    pub(crate) async fn new(mut engine: Engine, out: Sender<Saying>) -> Result<Arc<Self>, Trouble> {
        engine.facts.swept = sweep(&engine, Whose::Dead).await?;
        let fleet = Arc::new(Self {
            engine,
            owner: Owner::own(),
            network: Mutex::default(),
            known: Mutex::default(),
            inputs: tokio::sync::Mutex::default(),
            out,
        });
        watch::deaths(&fleet);
        Ok(fleet)
    }

    /// Carries out one order.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) async fn obey(self: &Arc<Self>, order: Order) -> Result<Answer, Trouble> {
        let life = |life: Life| Answer::Life(Box::new(life));
        Ok(match order {
            Order::Doctor => Answer::Engine(self.engine.facts.clone()),
            Order::Build { image, files } => self.build(&image, files).await?,
            Order::Network => self.network().await?,
            Order::Up { plan } => life(self.up(*plan).await?),
            Order::Look { name } => life(self.look(&name).await?),
            Order::Form { name } => self.form(&name).await?,
            Order::Kill { name } => self.kill(&name).await?,
            Order::Stop { name, within_ms } => life(self.stop(&name, within_ms).await?),
            Order::Next {
                name,
                after,
                within_ms,
            } => life(self.next(&name, &after, within_ms).await?),
            Order::Restart { name, within_ms } => life(self.restart(&name, within_ms).await?),
            Order::Pause { name } => life(self.pause(&name).await?),
            Order::Unpause { name } => life(self.unpause(&name).await?),
            Order::Partition { name } => life(self.partition(&name).await?),
            Order::Rejoin { name } => life(self.rejoin(&name).await?),
            Order::Feed { name, text } => self.feed(&name, &text).await?,
            Order::Close { name } => self.close(&name).await?,
            Order::Stats { name } => Answer::Stats(self.stats(&name).await?),
            Order::Tail { name, lines } => self.tail(&name, lines).await?,
            Order::Down => self.down().await?,
        })
    }

    /// Removes everything of this run.
    ///
    /// # Errors
    /// When the engine does not let us.
    pub(crate) async fn down(&self) -> Result<Answer, Trouble> {
        self.all().clear();
        let containers = sweep(&self.engine, Whose::Own(&self.owner)).await?;
        *self.lock_network() = None;
        Ok(Answer::Down { containers })
    }

    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_network(&self) -> std::sync::MutexGuard<'_, Option<Network>> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, name: &str) -> Result<Known, Trouble> {
        let all = self.all();
        all.get(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = all.keys().map(String::as_str).collect();
            Trouble::new(
                format!("there is no container {name}"),
                format!("put it up first; there are: {}", names.join(", ")),
            )
        })
    }

    fn note_stopped(&self, name: &str, is_stopped: bool) {
        if let Some(known) = self.all().get_mut(name) {
            known.is_stopped = is_stopped;
        }
    }

    async fn build(&self, name: &str, files: Vec<Carried>) -> Result<Answer, Trouble> {
        let collecting = tokio::task::spawn_blocking(move || image::root(&files));
        let root = collecting.await.map_err(|error| {
            Trouble::new(
                format!("could not collect image {name}: {error}"),
                "report this",
            )
        })??;
        let (repo, tag) = (format!("exai-run/{name}"), self.owner.run.as_str());
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(&repo)
            .tag(tag)
            .changes(self.owner.changes());
        let body = bollard::body_full(root.tar.into());
        let mut importing =
            self.engine
                .docker
                .create_image(Some(options.build()), Some(body), None);
        while let Some(step) = importing.next().await {
            step.map_err(|error| Trouble::engine("import image", &repo, &error))?;
        }
        let full = format!("{repo}:{tag}");
        let made = self.engine.docker.inspect_image(&full).await;
        let made = made.map_err(|error| Trouble::engine("find image", &repo, &error))?;
        Ok(Answer::Image {
            id: made.id.unwrap_or_default(),
            holds: root.holds,
        })
    }

    async fn up(self: &Arc<Self>, plan: Plan) -> Result<Life, Trouble> {
        let name = plan.name.clone();
        if self.all().contains_key(&name) {
            return Err(Trouble::new(
                format!("there is a container {name} already"),
                "give each container of a run its own name",
            ));
        }
        // An engine that does not know the image would try to pull it.
        let image = self.engine.docker.inspect_image(&plan.image).await;
        image.map_err(|error| Trouble::engine("find image", &plan.image, &error))?;
        let network = self.lock_network().clone();
        let body = plan::body(&plan, network.as_ref(), &self.owner)?;
        let full = format!("{name}-{}", self.owner.run);
        let options = CreateContainerOptionsBuilder::new().name(&full).build();
        let created = self.engine.docker.create_container(Some(options), body);
        let created = created.await;
        let created = created.map_err(|error| Trouble::engine("create", &name, &error))?;
        let has_input = plan.input;
        let known = Known {
            id: created.id.clone(),
            plan,
            is_stopped: false,
        };
        self.all().insert(name.clone(), known);
        let started = self.engine.docker.start_container(&created.id, None).await;
        started.map_err(|error| Trouble::engine("start", &name, &error))?;
        if !has_input {
            watch::lines(self, &name, created.id);
        }
        self.look(&name).await
    }

    /// The present life.
    pub(crate) async fn look(&self, name: &str) -> Result<Life, Trouble> {
        let known = self.known(name)?;
        let seen = self.engine.docker.inspect_container(&known.id, None).await;
        let seen = seen.map_err(|error| Trouble::engine("look at", name, &error))?;
        Ok(plan::life(name, seen))
    }

    async fn stop(&self, name: &str, within_ms: u64) -> Result<Life, Trouble> {
        let known = self.known(name)?;
        self.note_stopped(name, true);
        let options = StopContainerOptionsBuilder::new().t(seconds(within_ms));
        let stopped = self
            .engine
            .docker
            .stop_container(&known.id, Some(options.build()));
        let stopped = stopped.await;
        stopped.map_err(|error| Trouble::engine("stop", name, &error))?;
        self.look(name).await
    }

    async fn restart(&self, name: &str, within_ms: u64) -> Result<Life, Trouble> {
        let known = self.known(name)?;
        let options = RestartContainerOptionsBuilder::new().t(seconds(within_ms));
        let restarted = self
            .engine
            .docker
            .restart_container(&known.id, Some(options.build()));
        let restarted = restarted.await;
        restarted.map_err(|error| Trouble::engine("restart", name, &error))?;
        self.look(name).await
    }

    async fn pause(&self, name: &str) -> Result<Life, Trouble> {
        let known = self.known(name)?;
        let paused = self.engine.docker.pause_container(&known.id).await;
        paused.map_err(|error| Trouble::engine("pause", name, &error))?;
        self.look(name).await
    }

    async fn unpause(&self, name: &str) -> Result<Life, Trouble> {
        let known = self.known(name)?;
        let freed = self.engine.docker.unpause_container(&known.id).await;
        freed.map_err(|error| Trouble::engine("unpause", name, &error))?;
        self.look(name).await
    }

    async fn next(&self, name: &str, after: &str, within_ms: u64) -> Result<Life, Trouble> {
        let until = Instant::now() + Duration::from_millis(within_ms);
        let mut is_started = false;
        loop {
            let life = self.look(name).await?;
            if life.pid > 0 && life.status == "running" && life.started_at != after {
                return Ok(life);
            }
            let known = self.known(name)?;
            let has_policy = !matches!(known.plan.bounds.restart.as_str(), "" | "no");
            let is_ours = known.is_stopped || !has_policy;
            if is_ours && !is_started && matches!(life.status.as_str(), "exited" | "created") {
                let started = self.engine.docker.start_container(&known.id, None).await;
                started.map_err(|error| Trouble::engine("start", name, &error))?;
                self.note_stopped(name, false);
                is_started = true;
            }
            if Instant::now() >= until {
                let status = life.status;
                return Err(Trouble::new(
                    format!("{name} did not come back within {within_ms} ms: {status}"),
                    "read its last lines (tail); an engine waits longer after each quick death",
                ));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn stats(&self, name: &str) -> Result<Stats, Trouble> {
        let known = self.known(name)?;
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true);
        let mut stats = self.engine.docker.stats(&known.id, Some(options.build()));
        let none = || Trouble::new(format!("no figures of {name}"), "is it running?");
        let seen = stats.next().await.ok_or_else(none)?;
        let seen = seen.map_err(|error| Trouble::engine("measure", name, &error))?;
        let memory = seen.memory_stats.unwrap_or_default();
        let cpu = seen.cpu_stats.and_then(|cpu| cpu.cpu_usage);
        Ok(Stats {
            memory: memory.usage.unwrap_or_default(),
            memory_limit: memory.limit.unwrap_or_default(),
            cpu: cpu.and_then(|cpu| cpu.total_usage).unwrap_or_default(),
            pids: seen.pids_stats.and_then(|pids| pids.current).unwrap_or(0),
        })
    }

    async fn tail(&self, name: &str, lines: u32) -> Result<Answer, Trouble> {
        let known = self.known(name)?;
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&lines.clamp(1, 10_000).to_string());
        let mut reading = self.engine.docker.logs(&known.id, Some(options.build()));
        let mut text = String::new();
        while let Some(chunk) = reading.next().await {
            let chunk = chunk.map_err(|error| Trouble::engine("read", name, &error))?;
            text.push_str(&String::from_utf8_lossy(&chunk.into_bytes()));
        }
        Ok(Answer::Tail { text })
    }
}

/// The engine counts whole seconds; less than one is one.
fn seconds(within_ms: u64) -> i32 {
    i32::try_from(within_ms.div_ceil(1_000).max(1)).unwrap_or(i32::MAX)
}
