//! An issuer of tokens that publishes its keys over HTTP, rotates them, and fails when told to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

#[derive(Default)]
struct State {
    set: Mutex<String>,
    fails: AtomicBool,
    asked: AtomicUsize,
}

/// Listens until the test process ends.
pub struct Issuer {
    address: SocketAddr,
    state: Arc<State>,
}

/// A key that signs for it.
pub struct Signer {
    id: String,
    pair: Ed25519KeyPair,
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

impl Signer {
    /// A good token of a user, for ten minutes.
    pub fn token(&self) -> String {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let header = json!({"alg": "EdDSA", "kid": self.id, "typ": "JWT"});
        let claims = json!({"sub": "ada", "iss": "https://issuer.test", "aud": "exai",
            "iat": now, "exp": now + 600, "roles": ["user"]});
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let proof = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{proof}")
    }
}

impl Issuer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<State> = Arc::default();
        let seen = Arc::clone(&state);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                seen.asked.fetch_add(1, Ordering::Relaxed);
                let mut head = [0; 2048];
                let _ = stream.read(&mut head);
                let body = seen.set.lock().unwrap().clone();
                let status = if seen.fails.load(Ordering::Relaxed) {
                    503
                } else {
                    200
                };
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n\
                     {body}"
                );
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}/keys.json", self.address)
    }

    /// Publishes new keys of these ids in the place of all others.
    pub fn publish(&self, ids: &[&str]) -> Vec<Signer> {
        let signers: Vec<Signer> = ids
            .iter()
            .map(|id| Signer {
                id: (*id).to_owned(),
                pair: Ed25519KeyPair::generate().unwrap(),
            })
            .collect();
        let rows: Vec<Value> = signers
            .iter()
            .map(|signer| {
                let x = URL_SAFE_NO_PAD.encode(signer.pair.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": signer.id})
            })
            .collect();
        *self.state.set.lock().unwrap() = json!({"keys": rows}).to_string();
        signers
    }

    /// What is published now.
    pub fn set(&self) -> String {
        self.state.set.lock().unwrap().clone()
    }

    /// Answers nothing but 503 from now on.
    pub fn fail(&self) {
        self.state.fails.store(true, Ordering::Relaxed);
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::Relaxed)
    }
}
