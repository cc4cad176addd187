//! The next connection at a listener, for the simulators and the impostors.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// Pause after the listener itself failed, for instance without descriptors: it fails again at
/// once, and who asks without a pause takes the CPU from all others.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits for the next connection, however often the listener fails before it.
pub async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(arrived) => return arrived,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Shutdown;
    use std::os::fd::OwnedFd;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    /// A listener that answers every question with an error.
    async fn broken() -> TcpListener {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let socket = std::net::TcpStream::from(OwnedFd::from(listener.try_clone().unwrap()));
        socket.shutdown(Shutdown::Both).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        assert!(listener.accept().await.is_err());
        listener
    }

    // The paused clock goes on by itself only while every task waits.
    #[tokio::test(start_paused = true)]
    async fn a_listener_that_fails_is_asked_again_after_a_pause() {
        let listener = broken().await;
        let (over, spins) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            std::thread::park_timeout(Duration::from_secs(5));
            drop(over);
        });
        let wrong = async {
            tokio::select! {
                _ = next(&listener) => "a connection",
                _ = spins => "no pause",
            }
        };
        assert_eq!(timeout(PAUSE * 20, wrong).await.ok(), None);
    }
}
