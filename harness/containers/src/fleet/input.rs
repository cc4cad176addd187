//! The standard input of a container, and the lines of one that is fed: they come over the same
//! stream as they are written, without the engine's log between.

use std::pin::Pin;
use std::sync::Arc;

use bollard::container::{AttachContainerResults, LogOutput};
use bollard::query_parameters::AttachContainerOptionsBuilder;
use exai_harness::engine::wire::{Answer, Saying};
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::Fleet;
use crate::trouble::Trouble;

/// An open input; closed when dropped.
pub(super) type Input = Pin<Box<dyn AsyncWrite + Send>>;

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

impl Fleet {
    pub(super) async fn feed(self: &Arc<Self>, name: &str, text: &str) -> Result<Answer, Trouble> {
        let known = self.known(name)?;
        if !known.plan.input {
            return Err(Trouble::new(
                format!("{name} has no input"),
                "give its plan one",
            ));
        }
        let options = AttachContainerOptionsBuilder::new()
            .stream(true)
            .stdin(true)
            .stdout(true)
            .stderr(true);
        let attached = self
            .engine
            .docker
            .attach_container(&known.id, Some(options.build()));
        let attached = attached.await;
        let AttachContainerResults { output, mut input } =
            attached.map_err(|error| Trouble::engine("attach to", name, &error))?;
        let passing = pass_on(Arc::clone(self), name.to_owned(), output);
        tokio::spawn(passing);
        let written = async {
            input.write_all(text.as_bytes()).await?;
            input.flush().await
        };
        written.await.map_err(|cause| {
            Trouble::new(
                format!("could not feed {name}: {cause}"),
                "look at its last lines",
            )
        })?;
        // What fed the life before has ended with it.
        self.inputs.lock().await.insert(name.to_owned(), input);
        Ok(Answer::Done)
    }

    pub(super) async fn close(&self, name: &str) -> Result<Answer, Trouble> {
        if let Some(mut input) = self.inputs.lock().await.remove(name) {
            // One whose reader has gone is closed already.
            let _gone = input.shutdown().await;
        }
        Ok(Answer::Done)
    }
}

async fn pass_on(fleet: Arc<Fleet>, name: String, mut output: Output) {
    let mut lines = [Lines::default(), Lines::default()];
    while let Some(Ok(chunk)) = output.next().await {
        let is_error = matches!(chunk, LogOutput::StdErr { .. });
        for text in lines[usize::from(is_error)].take(&chunk.into_bytes()) {
            let line = Saying::Line {
                name: name.clone(),
                text,
                is_error,
            };
            if fleet.out.send(line).await.is_err() {
                return;
            }
        }
    }
    // Nobody is left to hear it when the channel is closed.
    let _unheard = fleet.out.send(Saying::Silent { name }).await;
}

/// Cuts a stream into lines; what comes in one piece need not be one.
#[derive(Default)]
struct Lines {
    open: Vec<u8>,
}

impl Lines {
    fn take(&mut self, chunk: &[u8]) -> Vec<String> {
        self.open.extend_from_slice(chunk);
        let Some(end) = self.open.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.open.split_off(end + 1);
        let whole = std::mem::replace(&mut self.open, rest);
        let text = String::from_utf8_lossy(&whole);
        text.lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let mut lines = Lines::default();
        assert!(lines.take(b"on").is_empty());
        assert_eq!(lines.take(b"e\ntwo\nth"), ["one", "two"]);
        assert_eq!(lines.take(b"ree\n"), ["three"]);
        assert!(lines.open.is_empty());
    }
}
