//! The one thread that forks.
//!
//! `PR_SET_PDEATHSIG` fires when the *thread* that forked ends, not when the process does. Worker
//! threads come and go with their runtime, so a thread that lives as long as we do forks for all.

use std::io;
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

const BUSY_TRIES: u32 = 50;
const BUSY_WAIT: Duration = Duration::from_millis(5);

struct Request {
    command: Command,
    runtime: Handle,
    reply: mpsc::SyncSender<io::Result<Child>>,
}

static SPAWNER: OnceLock<mpsc::Sender<Request>> = OnceLock::new();

/// Forks and executes on the spawner's thread, under the caller's runtime.
pub(super) fn spawn(mut command: Command) -> io::Result<Child> {
    die_with_us(&mut command, getpid());
    let (reply, answer) = mpsc::sync_channel(1);
    let request = Request {
        command,
        runtime: Handle::current(),
        reply,
    };
    let gone = || io::Error::other("the spawner thread has ended");
    let spawner = SPAWNER.get_or_init(start);
    spawner.send(request).map_err(|_unsent| gone())?;
    answer.recv().map_err(|_closed| gone())?
}

fn start() -> mpsc::Sender<Request> {
    let (requests, received) = mpsc::channel::<Request>();
    let serve = move || {
        while let Ok(mut request) = received.recv() {
            let _runtime = request.runtime.enter();
            let started = execute(&mut request.command);
            // A caller that gave up drops its child, and dropping kills it.
            let _caller_gone = request.reply.send(started);
        }
    };
    // Without the thread the channel is closed, and every spawn says so.
    let _not_started = std::thread::Builder::new()
        .name("spawner".to_owned())
        .spawn(serve);
    requests
}

/// A binary just copied is busy while a child forked meanwhile, by whichever thread, still holds
/// the descriptor it was written through; that lasts until this child executes.
fn execute(command: &mut Command) -> io::Result<Child> {
    for _ in 0..BUSY_TRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(BUSY_WAIT);
            }
            started => return started,
        }
    }
    command.spawn()
}

#[expect(
    unsafe_code,
    reason = "pre_exec runs between fork and exec; prctl and getppid are async-signal-safe"
)]
fn die_with_us(command: &mut Command, us: Pid) {
    let arrange = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // We may have died before the line above.
        if getppid() == us {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(nix::libc::ESRCH))
        }
    };
    // SAFETY: the closure allocates nothing and makes two system calls.
    unsafe {
        command.pre_exec(arrange);
    }
}
