//! A relay on one address in front of a server that comes and goes, for a test.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Default)]
struct State {
    target: Option<SocketAddr>,
    open: Vec<TcpStream>,
    /// What everybody who knocks is told before the door is shut.
    said: Option<&'static [u8]>,
}

/// A running relay.
#[derive(Clone)]
pub struct Relay {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Relay {
    /// A relay that leads nowhere yet.
    pub fn start() -> Self {
        Self::with_patience(None)
    }

    /// A relay that cuts a connection on which the server is silent for so long.
    pub fn impatient(patience: Duration) -> Self {
        Self::with_patience(Some(patience))
    }

    fn with_patience(patience: Option<Duration>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let state = Arc::clone(&relay.state);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut state = state.lock().unwrap();
                if let Some(said) = state.said {
                    let _ = (&near).write_all(said);
                    continue;
                }
                let far = state
                    .target
                    .and_then(|target| TcpStream::connect(target).ok());
                let Some(far) = far else { continue };
                far.set_read_timeout(patience).unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    pump(from.try_clone().unwrap(), to.try_clone().unwrap());
                }
                state.open.extend([near, far]);
            }
        });
        relay
    }

    /// Whoever knocks from now on is told this and no more; `None` leads on.
    pub fn answer_all(&self, said: Option<&'static [u8]>) {
        self.state.lock().unwrap().said = said;
    }

    /// New connections lead there; the old ones are cut.
    pub fn lead(&self, target: Option<SocketAddr>) {
        let mut state = self.state.lock().unwrap();
        state.target = target;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let mut bytes = [0; 8192];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            if to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
