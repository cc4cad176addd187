//! The server's parts as `exai` builds them, from the embedded defaults and a folder of their own.

use std::path::Path;

use exai_server::app::App;
use exai_server::config::{Config, Flag, Sources};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Why a bench could not begin.
pub type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Rates far above what one machine sends, so that the limiter runs and never refuses.
const UNREACHED: &str = "1000000000";

/// A built server and the folder its store lives in.
pub struct Setup {
    /// The parts.
    pub app: App,
    _folder: TempDir,
}

impl Setup {
    /// Builds every part; three providers have keys and are never asked, and the demo provider
    /// answers at once, without a network.
    ///
    /// # Errors
    /// When the configuration is refused or a part cannot be built.
    pub async fn build() -> Result<Self, Trouble> {
        let folder = tempfile::tempdir()?;
        let app = App::build(config(folder.path())?).await?;
        // The executable is hashed in the background; until then it takes a processor.
        app.identity.executable_sha256().await;
        Ok(Self {
            app,
            _folder: folder,
        })
    }
}

/// The one runtime of a bench, of the kind `exai serve` runs on.
///
/// # Errors
/// When the system gives no threads.
pub fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

/// The embedded defaults with state in `folder`, keys for three providers and unreached rates.
///
/// # Errors
/// When the configuration is refused.
pub fn config(folder: &Path) -> Result<Config, Trouble> {
    let state = folder.display().to_string();
    let flags = [
        ("server.state_dir", state.as_str()),
        ("limits.rate.global", UNREACHED),
        ("limits.rate.address", UNREACHED),
        ("limits.rate.principal", UNREACHED),
        // Equal calls are measured, not remembered.
        ("tools.result_bytes", "0"),
    ];
    let keys = ["KIMI_API_KEY", "ZAI_API_KEY", "MINIMAX_API_KEY"];
    let sources = Sources {
        environment: keys
            .into_iter()
            .map(|variable| (variable.to_owned(), "sk-never-sent".to_owned()))
            .collect(),
        flags: flags
            .into_iter()
            .map(|(key, value)| Flag {
                flag: "--set".to_owned(),
                key: key.to_owned(),
                value: value.to_owned(),
            })
            .collect(),
        demo: true,
        ..Sources::default()
    };
    Ok(Config::load(&sources)?)
}
