//! What the server's processes are started from: executable, folders, configuration, environment,
//! and the container for those beside the one under judgement.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Settings, log};
use crate::engine::{self, Berth};
use crate::history::Recorder;
use crate::process::{LineSink, Nobody, Process, ProcessError, Spec};
use crate::scratch::Scratch;

/// What every life is born from.
#[derive(Clone)]
pub(super) struct Files {
    pub(super) program: PathBuf,
    pub(super) user: Option<Nobody>,
    pub(super) env: Vec<(String, String)>,
    pub(super) settings: Settings,
    /// The configuration file's name.
    pub(super) config: String,
    pub(super) work: PathBuf,
    pub(super) state: PathBuf,
    pub(super) audit: PathBuf,
    pub(super) scratch: Arc<Scratch>,
    /// The container for programs beside the one under judgement, and its id.
    pub(super) aside: Option<(Berth, String)>,
}

impl Files {
    pub(super) fn configure(&self, name: &str, overrides: &Settings) -> std::io::Result<PathBuf> {
        let text = self.settings.merged(overrides).text();
        self.scratch.file(name, text.as_bytes())
    }

    pub(super) fn serve(&self, recorder: &Recorder, kept: Option<LineSink>) -> Spec {
        let mut spec = self.spec("server", "serve", &self.config);
        let recorder = recorder.clone();
        spec.on_stderr = Some(Arc::new(move |line: &str| {
            log::heed(line, &recorder);
            if let Some(kept) = &kept {
                kept(line);
            }
        }));
        spec
    }

    pub(super) fn spec(&self, name: &str, verb: &str, config: &str) -> Spec {
        let mut spec = Spec::new(name, &self.program, &self.work);
        let config = self.scratch.path().join(config);
        spec.args = vec![verb.into(), "--config".into(), config.into()];
        spec.env = self.env.clone();
        spec.user = self.user;
        spec
    }

    /// Starts a process that is not the one under judgement: as a child, or in the container for
    /// them, on the pipes of one.
    pub(super) fn beside(&self, spec: Spec) -> Result<Process, ProcessError> {
        match &self.aside {
            None => Process::spawn(spec),
            Some((berth, id)) => Process::spawn(berth.beside(&spec, id)),
        }
    }

    pub(super) async fn put_up_aside(&mut self, berth: &Berth) -> Result<(), ProcessError> {
        let mut spec = self.spec("stdio", "stdio", &self.config);
        // Nobody speaks to its main program, which waits for the first word.
        spec.stdin = true;
        let greet = Box::new(|_life, _process: &Process| {});
        let (process, _tenant) = berth.put_up(spec, greet).await?;
        let id = process.contained().map(|life| life.id.clone());
        let mut berth = berth.clone();
        berth.plan.env = engine::pairs(&self.env);
        self.aside = id.map(|id| (berth, id));
        Ok(())
    }
}
