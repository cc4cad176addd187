//! TLS in front of a server, for a test: a certificate for `localhost` from the `openssl` command.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long one side is listened to before the other has its turn.
const TURN: Duration = Duration::from_millis(5);

const OPENSSL: &str = "[req]\ndistinguished_name = name\nx509_extensions = leaf\nprompt = no\n\
                       [name]\nCN = localhost\n\
                       [leaf]\nsubjectAltName = DNS:localhost\nbasicConstraints = CA:FALSE\n";

/// A running front.
pub struct Front {
    pub address: SocketAddr,
    /// The certificate, which whoever is to trust the front must know.
    pub certificate: PathBuf,
}

/// Puts TLS in front of a server; `None`, and a word about it, without the command, unless
/// `EXAI_REQUIRE` demands it.
pub fn start(dir: &Path, target: SocketAddr) -> Option<Front> {
    let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(dir.join("openssl.cnf"), OPENSSL).unwrap();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "2", "-config", "openssl.cnf"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(dir)
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("not run: TLS needs the package openssl");
        let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|name| name == "openssl");
        assert!(!is_required, "EXAI_REQUIRE names openssl");
        return None;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let config = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&certificate).unwrap()],
            PrivateKeyDer::from_pem_file(&key).unwrap(),
        );
    let config = Arc::new(config.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let near = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), near);
            std::thread::spawn(move || relay(near, TcpStream::connect(target).unwrap()));
        }
    });
    Some(Front {
        address,
        certificate,
    })
}

fn relay(mut near: StreamOwned<ServerConnection, TcpStream>, mut far: TcpStream) {
    near.sock.set_read_timeout(Some(TURN)).unwrap();
    far.set_read_timeout(Some(TURN)).unwrap();
    while pass(&mut near, &mut far) && pass(&mut far, &mut near) {}
}

/// Passes on what there is; false when there will be no more.
fn pass(from: &mut impl Read, to: &mut impl Write) -> bool {
    let mut bytes = [0; 8192];
    match from.read(&mut bytes) {
        Ok(0) => false,
        Ok(length) => to.write_all(&bytes[..length]).is_ok() && to.flush().is_ok(),
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}
