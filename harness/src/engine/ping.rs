//! Whether an engine answers, asked without the leaf: before anything is built or started.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::EngineError;

/// Where an engine listens unless `DOCKER_HOST` says otherwise.
const USUAL: &str = "unix:///var/run/docker.sock";
const PATIENCE: Duration = Duration::from_secs(2);
const ASK: &[u8] = b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n";
/// `HTTP/1.0 200`.
const GOOD: &str = " 200";

/// Asks the engine that `DOCKER_HOST` names, or the usual one, for a sign of life.
///
/// # Errors
/// When none answers there within two seconds, with the package to install.
pub fn ping() -> Result<String, EngineError> {
    let host = std::env::var("DOCKER_HOST").ok();
    let host = host.filter(|host| !host.is_empty());
    at(host.as_deref().unwrap_or(USUAL))
}

fn at(address: &str) -> Result<String, EngineError> {
    let heard = match address.split_once("://") {
        Some(("unix", path)) => UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            heard(stream)
        }),
        Some(("tcp" | "http", place)) => TcpStream::connect(place).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            heard(stream)
        }),
        _ => Err(std::io::Error::other("it is neither unix:// nor tcp://")),
    };
    let why = match heard {
        Ok(line) if line.ends_with(GOOD) => return Ok(address.to_owned()),
        Ok(line) => format!("it answered {line:?}"),
        Err(error) => error.to_string(),
    };
    Err(EngineError {
        what: format!("no container engine answers at {address}: {why}"),
        fix: "install one (apt-get install docker.io), start it (dockerd), or set DOCKER_HOST to \
              one that runs"
            .to_owned(),
    })
}

fn heard(mut stream: impl Read + Write) -> std::io::Result<String> {
    stream.write_all(ASK)?;
    let mut reply = [0_u8; 12];
    stream.read_exact(&mut reply)?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_not_there_is_named_with_the_package() {
        let error = at("unix:///no/such/engine.sock").unwrap_err();
        assert!(error.what.contains("/no/such/engine.sock"), "{error}");
        assert!(error.fix.contains("apt-get install docker.io"), "{error}");
        let error = at("ssh://somewhere").unwrap_err();
        assert!(error.what.contains("neither"), "{error}");
    }

    #[test]
    fn an_answer_that_is_no_engines_is_no_engine() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let answering = std::thread::spawn(move || {
            for reply in ["HTTP/1.0 404 Not Found\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
                let (mut stream, _) = listener.accept().unwrap();
                stream.read_exact(&mut [0_u8; ASK.len()]).unwrap();
                stream.write_all(reply.as_bytes()).unwrap();
            }
        });
        assert!(at(&address).unwrap_err().what.contains("404"));
        assert_eq!(at(&address), Ok(address));
        answering.join().unwrap();
    }
}
