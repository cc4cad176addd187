//! Builds the server and the simulators, showing the build's own progress.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use exai_harness::topology::Binaries;
use exai_harness::wall_clock;

use crate::cli::Ending;
use crate::cli::arguments::Driver;

/// The workspace this executable was built from; the reports and the sources live there.
#[must_use]
pub fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Whether this executable came without its sources, as in a release archive: then nothing is
/// built, and what a run needs lies beside it.
#[must_use]
pub fn is_installed() -> bool {
    !workspace().join("Cargo.toml").is_file()
}

/// Where reports go when nothing is said: the workspace's folder, or one right here without it.
#[must_use]
pub fn reports() -> PathBuf {
    if is_installed() {
        PathBuf::from("reports")
    } else {
        workspace().join("reports")
    }
}

/// A path as a person in the workspace would type it.
#[must_use]
pub fn shown(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let inside = workspace().canonicalize().ok();
    let inside = inside.and_then(|top| whole.strip_prefix(top).ok().map(Path::to_path_buf));
    inside.unwrap_or(whole).display().to_string()
}

/// Builds what a run needs, or takes `server` as the thing to judge. An installed executable builds
/// nothing: it takes what was released with it.
///
/// # Errors
/// [`Ending::Usage`] when `server` is no file; [`Ending::Harness`] when the build fails, with
/// cargo's own messages already on standard error, or when a released executable is missing.
pub fn build(server: Option<&Path>, driver: Driver) -> Result<Binaries, Ending> {
    check("--server", server)?;
    if is_installed() {
        return released(server, driver);
    }
    let mut command = Command::new(env!("CARGO"));
    // Cargo waits for ever behind a wall clock that is not the machine's.
    wall_clock::without(&mut command);
    // Named without their packages, as the alias names this binary: one set of features for all.
    command.args([
        "build",
        "--locked",
        "--bin",
        "mock-provider",
        "--bin",
        "impostor",
    ]);
    // The executables are looked for beside this one, so they are built in its profile.
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    if server.is_none() {
        command.args(["--bin", "exai"]);
    }
    let status = command
        .current_dir(workspace())
        .stdin(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => {
            return Err(Ending::Harness(format!(
                "the build failed ({status}); its messages are above. Nothing was judged."
            )));
        }
        Err(error) => return Err(Ending::Harness(format!("could not start cargo: {error}"))),
    }
    let containers = match driver {
        Driver::Local => None,
        Driver::Container => Some(build_containers()?),
    };
    Ok(Binaries {
        containers,
        ..built(server)
    })
}

/// Whether what an option names, if anything, is a file.
///
/// # Errors
/// [`Ending::Usage`] when it is none.
pub fn check(option: &str, path: Option<&Path>) -> Result<(), Ending> {
    match path.filter(|path| !path.is_file()) {
        None => Ok(()),
        Some(path) => Err(Ending::Usage(format!(
            "{option} {}: there is no such file.",
            path.display()
        ))),
    }
}

/// What was released with this executable.
fn released(server: Option<&Path>, driver: Driver) -> Result<Binaries, Ending> {
    let containers = (driver == Driver::Container).then(|| beside("containers"));
    let found = Binaries {
        containers,
        ..built(server)
    };
    let executables = [&found.exai, &found.mock_provider, &found.impostor];
    let missing = executables
        .into_iter()
        .chain(&found.containers)
        .find(|path| !path.is_file())
        .cloned();
    match missing {
        None => Ok(found),
        Some(missing) => Err(Ending::Harness(format!(
            "{} is missing, and there are no sources to build it from: unpack the archive of exai \
             and that of verify into one folder, or name the server with --server.",
            missing.display()
        ))),
    }
}

/// Builds what speaks to a container engine, which no other driver needs. Named by its binary in
/// the whole workspace: with `-p` cargo would settle other features and compile all again.
fn build_containers() -> Result<PathBuf, Ending> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--locked", "--workspace", "--bin", "containers"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command
        .current_dir(workspace())
        .stdin(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(beside("containers")),
        Ok(status) => Err(Ending::Harness(format!(
            "the build of exai-containers failed ({status}); its messages are above."
        ))),
        Err(error) => Err(Ending::Harness(format!("could not start cargo: {error}"))),
    }
}

/// Builds the server with the conformance suite's fixtures, which only a debug build may have, or
/// takes `given`.
///
/// # Errors
/// [`Ending::Usage`] without the sources, or when `given` is no file; [`Ending::Harness`] when the
/// build fails, with cargo's own messages already on standard error.
pub fn build_fixtures(given: Option<&Path>) -> Result<PathBuf, Ending> {
    if let Some(path) = given {
        check("--fixtures", given)?;
        return Ok(path.to_path_buf());
    }
    if is_installed() {
        let says = "the conformance fixtures are never released: run this from the sources.";
        return Err(Ending::Usage(says.to_owned()));
    }
    // Named as the test's own build of `exai` is: one set of features for all they share.
    let words = "build --locked --features exai-server/conformance-fixtures --bin exai-conformance";
    let status = Command::new(env!("CARGO"))
        .args(words.split(' '))
        .current_dir(workspace())
        .stdin(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => {
            let own = std::env::current_exe().unwrap_or_default();
            // target/PROFILE/verify
            let target = own.ancestors().nth(2).map(Path::to_path_buf);
            Ok(target.unwrap_or_default().join("debug/exai-conformance"))
        }
        Ok(status) => Err(Ending::Harness(format!(
            "the build with the fixtures failed ({status}); its messages are above."
        ))),
        Err(error) => Err(Ending::Harness(format!("could not start cargo: {error}"))),
    }
}

/// Builds the goose users, which no other command needs: a package outside the workspace.
///
/// # Errors
/// In words, when the build fails, with cargo's own messages already on standard error.
pub fn build_users() -> Result<PathBuf, String> {
    if is_installed() {
        return Err("they are built from the sources, which are not here".to_owned());
    }
    let target = workspace().join("target/soak");
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--locked",
            "--manifest-path",
            "scenarios/soak/Cargo.toml",
        ])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(workspace())
        .stdin(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(target.join("debug/soak-users")),
        Ok(status) => Err(format!(
            "their build failed ({status}); its messages are above"
        )),
        Err(error) => Err(format!("could not start cargo: {error}")),
    }
}

/// The executables beside this one: cargo puts the members of a workspace into one folder.
fn built(server: Option<&Path>) -> Binaries {
    Binaries {
        exai: server.map_or_else(|| beside("exai"), Path::to_path_buf),
        mock_provider: beside("mock-provider"),
        impostor: beside("impostor"),
        lock_holder: std::env::current_exe().unwrap_or_default(),
        containers: None,
    }
}

fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name(name)
}
