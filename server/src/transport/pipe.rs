//! `exai stdio`: one client over a pair of pipes, and the end of both.
//!
//! A line that is no message is answered and passed over, as on every transport. `rmcp` waits five
//! seconds for calls in flight after the input has ended; a client that has gone reads no answers,
//! so its calls get a short grace and are then left alone. What becomes of the work behind them is
//! not decided here.

mod messages;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rmcp::ServiceExt as _;
use rmcp::service::ServerInitializeError;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::protocol::Handler;
use crate::tool::Toolbox;
use messages::Messages;

/// How long calls in flight are waited for after the input has ended.
const GRACE: Duration = Duration::from_millis(300);

/// What the last lines have left to be written.
const FLUSH: Duration = Duration::from_millis(200);

/// Lines waiting for a client that does not read.
const QUEUE: usize = 64;

/// A pair of pipes could not be served.
#[derive(Debug, thiserror::Error)]
pub enum PipeError {
    /// The client's first message was no start of a conversation.
    #[error("begin the conversation on standard input: {0}")]
    Begin(String),
    /// The task that served it broke.
    #[error("serve standard input: {0}")]
    Task(String),
}

/// Serves one client over standard input and output until it closes the pipe or `cancel` fires.
///
/// A blocked read of standard input cannot be interrupted, so after `cancel` the process should
/// exit rather than wait for its runtime.
///
/// # Errors
/// When the first message is not one that begins a conversation. A pipe that closes is no error.
pub async fn stdio(toolbox: Toolbox, cancel: CancellationToken) -> Result<(), PipeError> {
    serve(toolbox, tokio::io::stdin(), tokio::io::stdout(), cancel).await
}

/// Serves one client until its input ends or `cancel` fires.
///
/// # Errors
/// When the first message is not one that begins a conversation. A pipe that closes is no error.
pub async fn serve<R, W>(
    toolbox: Toolbox,
    input: R,
    output: W,
    cancel: CancellationToken,
) -> Result<(), PipeError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let (out, lines) = mpsc::channel(QUEUE);
    let writing = tokio::spawn(write(output, lines));
    let served = converse(toolbox, input, out, cancel).await;
    // Ends by itself once nobody holds the queue.
    let _ = tokio::time::timeout(FLUSH, writing).await;
    served
}

async fn converse<R>(
    toolbox: Toolbox,
    input: R,
    out: mpsc::Sender<String>,
    cancel: CancellationToken,
) -> Result<(), PipeError>
where
    R: AsyncRead + Send + Unpin + 'static,
{
    let (ended, closing) = (CancellationToken::new(), CancellationToken::new());
    let input = Watched {
        input,
        ended: ended.clone(),
    };
    let messages = Messages::new(input, out, &toolbox.surroundings().settings.limits);
    let handler = Handler::for_pipe(toolbox, closing.clone());
    let running = match handler.serve_with_ct(messages, cancel.clone()).await {
        Ok(running) => running,
        Err(_) if cancel.is_cancelled() => return Ok(()),
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(PipeError::Begin(error.to_string())),
    };
    let last_calls = async {
        ended.cancelled().await;
        tokio::time::sleep(GRACE).await;
        closing.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        done = running.waiting() => {
            done.map(drop).map_err(|error| PipeError::Task(error.to_string()))
        }
        () = last_calls => Ok(()),
    }
}

/// Writes what is queued, a line each, until nobody can add to it or the client has gone.
async fn write(mut output: impl AsyncWrite + Unpin, mut lines: mpsc::Receiver<String>) {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        let written = output.write_all(line.as_bytes()).await;
        if written.is_err() || output.flush().await.is_err() {
            return;
        }
    }
}

/// An input that tells when it has ended.
struct Watched<R> {
    input: R,
    ended: CancellationToken,
}

impl<R: AsyncRead + Unpin> AsyncRead for Watched<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = (buffer.filled().len(), buffer.remaining());
        let polled = Pin::new(&mut self.input).poll_read(context, buffer);
        let is_end = match &polled {
            Poll::Ready(Ok(())) => before.1 > 0 && buffer.filled().len() == before.0,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if is_end {
            self.ended.cancel();
        }
        polled
    }
}
