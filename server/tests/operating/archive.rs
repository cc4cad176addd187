//! The release archive: it verifies, a changed byte does not, and what is in it starts on an empty
//! root.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::place::{at, text_of};
use super::process::initialize;

fn released(folder: &Path) -> PathBuf {
    let output = Command::new(at("deploy/release.sh"))
        .arg(env!("CARGO_BIN_EXE_exai"))
        .arg(folder)
        .env("LEVEL", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("nothing here says that this build was judged"),
        "{told}"
    );
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

fn verifies(folder: &Path) -> bool {
    let mut check = Command::new("sha256sum");
    check
        .args(["--check", "--quiet", "--strict", "SHA256SUMS"])
        .current_dir(folder);
    check.output().unwrap().status.success()
}

fn sh(words: &[&str]) -> bool {
    Command::new(words[0])
        .args(&words[1..])
        .status()
        .is_ok_and(|status| status.success())
}

/// The tools of the archive's program, started with nothing around it but its libraries.
fn tools_on_an_empty_root(program: &Path) -> Option<Value> {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().to_str().unwrap();
    let recipe = at("deploy/image/root.sh");
    assert!(sh(&[
        recipe.to_str().unwrap(),
        program.to_str().unwrap(),
        folder
    ]));
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "chroot",
        folder,
        "/usr/local/bin/exai",
    ]);
    if nix::unistd::Uid::effective().is_root() {
        command = Command::new("chroot");
        command.args([folder, "/usr/local/bin/exai"]);
    } else if !sh(&["unshare", "--user", "--map-root-user", "true"]) {
        eprintln!("not run: this machine gives no root of one's own (user namespaces)");
        let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|name| name == "namespaces");
        assert!(!is_required, "EXAI_REQUIRE names namespaces");
        return None;
    }
    command
        .arg("stdio")
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("EXAI_STATE_DIR", "/tmp/state");
    listed(&mut command)
}

/// What a program that speaks over its pipes answers to `tools/list`.
pub fn listed(command: &mut Command) -> Option<Value> {
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = piped.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    for message in [initialize(), initialized, list] {
        writeln!(pipe, "{message}").unwrap();
    }
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let answers = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    answers.into_iter().find(|answer| answer["id"] == 2)
}

/// The statement of where it comes from names the archive, the program in it and its own commit.
fn vouched(folder: &Path, archive: &Path, program: &Path) {
    let name = format!("exai-{}.provenance.json", env!("CARGO_PKG_VERSION"));
    let text = std::fs::read_to_string(folder.join(&name)).unwrap();
    let statement: Value = serde_json::from_str(&text).unwrap();
    let digest = |path: &Path| {
        let said = Command::new("sha256sum").arg(path).output().unwrap().stdout;
        String::from_utf8(said[..64].to_vec()).unwrap()
    };
    let subjects = statement["subject"].as_array().unwrap();
    let is_archive = |one: &&Value| one["digest"]["sha256"] == digest(archive);
    let named = subjects.iter().find(is_archive).unwrap();
    assert_eq!(
        named["name"],
        archive.file_name().unwrap().to_str().unwrap()
    );
    let given = &statement["predicate"]["buildDefinition"]["externalParameters"];
    assert_eq!(given["programs"]["exai"], digest(program), "{statement}");
    let said = Command::new(program)
        .args(["version", "--json"])
        .output()
        .unwrap();
    let build: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(
        (&given["commit"], &given["changed_since"]),
        (&build["commit"], &build["dirty"])
    );
    let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    assert!(sums.contains(&name), "{sums}");
}

#[test]
fn the_archive_verifies_and_starts_on_an_empty_root_and_a_changed_byte_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let archive = released(folder.path());
    assert!(verifies(folder.path()));
    let inside = tempfile::tempdir().unwrap();
    let place = inside.path().to_str().unwrap();
    assert!(sh(&[
        "tar",
        "-xzf",
        archive.to_str().unwrap(),
        "-C",
        place,
        "--strip-components=1"
    ]));
    for file in [
        "README.md",
        "config.schema.json",
        "server.json",
        "helm/exai/Chart.yaml",
        "host.sh",
    ] {
        assert!(
            inside.path().join(file).exists(),
            "{file} is not in the archive"
        );
    }
    let program = inside.path().join("exai");
    let digest =
        |path: &Path| Command::new("sha256sum").arg(path).output().unwrap().stdout[..64].to_vec();
    assert_eq!(
        digest(&program),
        digest(Path::new(env!("CARGO_BIN_EXE_exai"))),
        "another program"
    );
    if let Some(answer) = tools_on_an_empty_root(&program) {
        let tools = answer["result"]["tools"].as_array().unwrap();
        assert!(tools.len() >= 18, "{} tools", tools.len());
    }
    vouched(folder.path(), &archive, &program);
    let mut bytes = std::fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    assert!(!verifies(folder.path()), "a changed byte passes");
}

#[test]
fn the_bill_of_materials_names_what_is_linked_with_the_digests_of_the_lock_file() {
    let output = Command::new(at("deploy/sbom.py"))
        .arg("exai-server")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let bill: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&bill["bomFormat"], &bill["specVersion"]),
        (&json!("CycloneDX"), &json!("1.6"))
    );
    let parts = bill["components"].as_array().unwrap();
    let lock = text_of("Cargo.lock");
    assert!(parts.len() > 100, "{} parts", parts.len());
    for part in parts {
        let digest = part["hashes"][0]["content"].as_str();
        let digest = digest.unwrap_or_else(|| panic!("{part} has no digest"));
        assert!(lock.contains(&format!("checksum = \"{digest}\"")), "{part}");
    }
    let names = |name: &str| parts.iter().any(|part| part["name"] == name);
    assert!(
        names("rmcp") && names("tokio") && !names("insta"),
        "tests are not linked"
    );
}
