//! Somebody else's processes that want every processor of this machine.

use std::io;
use std::process::{Child, Command, Stdio};
use std::thread::available_parallelism;

/// For each processor: enough that whoever works beside them waits longer than it runs.
const EACH: usize = 32;
/// They end by themselves when we are killed: longer than any run of the self-test, in seconds.
const AT_MOST: &str = "120";

/// The processes; dropping it ends them.
pub struct Crowd(Vec<Child>);

impl Crowd {
    /// Starts them.
    ///
    /// # Errors
    /// The operating system's.
    pub fn gather() -> io::Result<Self> {
        let processors = available_parallelism().map_or(1, std::num::NonZero::get);
        let mut crowd = Self(Vec::new());
        for _ in 0..processors * EACH {
            let busy = Command::new("timeout")
                .args([AT_MOST, "sh", "-c", "while :; do :; done"])
                .stdin(Stdio::null())
                .spawn()?;
            crowd.0.push(busy);
        }
        Ok(crowd)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for busy in &mut self.0 {
            // `timeout` ends what it has started, which a kill of it alone would leave.
            let pid = i32::try_from(busy.id()).map(nix::unistd::Pid::from_raw);
            let _ended = pid.map(|pid| nix::sys::signal::kill(pid, nix::sys::signal::SIGTERM));
            let _collected = busy.wait();
        }
    }
}
