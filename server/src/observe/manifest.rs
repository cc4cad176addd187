//! Build identity: what is running, from which sources, under which configuration.

use std::io::Read as _;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::OnceCell;

use crate::config::digest::hex;

/// The package's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit the sources were at; `unknown` outside a repository.
pub const COMMIT: &str = env!("BUILT_FROM_COMMIT");

/// Whether the sources differed from that commit, `reports/` aside; `None` when unknown.
#[must_use]
pub fn is_dirty() -> Option<bool> {
    env!("BUILT_FROM_DIRTY").parse().ok()
}

/// What one process is, fixed at its start; cheap to clone.
#[derive(Debug, Clone)]
pub struct Identity(Arc<Fixed>);

#[derive(Debug)]
struct Fixed {
    instance: String,
    started_at: String,
    executable: OnceCell<String>,
}

impl Identity {
    /// A fresh random instance id.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Arc::new(Fixed {
            instance: uuid::Uuid::new_v4().simple().to_string(),
            started_at: now_utc(),
            executable: OnceCell::new(),
        }))
    }

    /// The instance id: random per process.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.0.instance
    }

    /// When the process started, UTC.
    #[must_use]
    pub fn started_at(&self) -> &str {
        &self.0.started_at
    }

    /// SHA-256 of the running executable, read when it is first asked for: a dozen processes that
    /// start at once would spend half their time on it, and few on a pipe are ever asked.
    pub async fn executable_sha256(&self) -> String {
        let hashed = || async {
            match tokio::task::spawn_blocking(executable_sha256).await {
                Ok(Ok(digest)) => digest,
                Ok(Err(error)) => unknown(&error),
                Err(error) => unknown(&error),
            }
        };
        self.0.executable.get_or_init(hashed).await.clone()
    }
}

fn unknown(cause: &dyn std::fmt::Display) -> String {
    tracing::warn!(%cause, "could not hash the executable");
    "unknown".to_owned()
}

/// The time now, UTC, as RFC 3339 with milliseconds.
#[must_use]
pub fn now_utc() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// SHA-256 of the file this process runs, in hex. On Linux the running file itself is read, so a
/// file replaced on disk since the start is not mistaken for it.
///
/// # Errors
/// When the file cannot be read.
pub fn executable_sha256() -> std::io::Result<String> {
    let path = if cfg!(target_os = "linux") {
        "/proc/self/exe".into()
    } else {
        std::env::current_exe()?
    };
    let mut file = std::fs::File::open(path)?;
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(context.finish().as_ref())),
            count => context.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// What `exai version --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Build {
    /// Always `exai`.
    pub name: &'static str,
    /// The package's version.
    pub version: &'static str,
    /// The commit, or `unknown`.
    pub commit: &'static str,
    /// Whether the sources differed from it; null when unknown.
    pub dirty: Option<bool>,
    /// SHA-256 of the running executable.
    pub executable_sha256: String,
}

impl Build {
    /// With a hash taken before.
    #[must_use]
    pub fn with_executable(executable_sha256: String) -> Self {
        Self {
            name: "exai",
            version: VERSION,
            commit: COMMIT,
            dirty: is_dirty(),
            executable_sha256,
        }
    }
}
