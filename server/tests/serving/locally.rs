//! Files over stdio: read below the working directory, written there and nowhere else.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use super::piped::Bridge;
use super::process::{call, exai};
use super::shelf::Shelf;

struct Local {
    process: Bridge,
    folder: tempfile::TempDir,
}

impl Local {
    fn start(shelf: &Shelf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path().join("work");
        std::fs::create_dir_all(work.join("sub")).unwrap();
        let mut command = exai(&[("KIMI_API_KEY", "sk-0123456789abcdef")]);
        command
            .arg("stdio")
            .current_dir(&work)
            .stderr(Stdio::null());
        let state = format!("server.state_dir={}", folder.path().join("state").display());
        for setting in shelf.settings().iter().chain([&state]) {
            command.args(["--set", setting]);
        }
        let mut process = Bridge::spawn(&mut command);
        process.begin();
        Self { process, folder }
    }

    fn work(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("work").join(name)
    }

    fn ask(&mut self, tool: &str, arguments: Value) -> Value {
        let mut message = call(tool, arguments);
        message["params"].as_object_mut().unwrap().remove("_meta");
        self.process.ask(&message)["result"].clone()
    }

    fn code(&mut self, tool: &str, arguments: Value) -> String {
        let answer = self.ask(tool, arguments);
        let code = answer["structuredContent"]["error"]["code"].as_str();
        code.unwrap_or("none").to_owned()
    }
}

fn is_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

#[test]
fn a_file_is_written_inside_the_working_directory_and_over_nothing() {
    let shelf = Shelf::start();
    let mut local = Local::start(&shelf);
    let text = "FACT swift is here\n";
    std::fs::write(local.work("a.txt"), text).unwrap();
    let answer = local.ask(
        "smart_file_query",
        json!({"file_path": "a.txt", "question": "who?"}),
    );
    assert_eq!(answer["content"][0]["text"], "swift", "{answer}");
    let id = answer["_meta"]["dev.exai/reply"]["file"]["uri"].clone();
    let download = |to: Value| json!({"file_id": id, "destination": to});
    let answer = local.ask("smart_file_download", download(json!("sub/copy.txt")));
    assert_eq!(
        std::fs::read_to_string(local.work("sub/copy.txt")).unwrap(),
        text,
        "{answer}"
    );
    let answer = local.ask("smart_file_download", download(json!("sub")));
    assert_eq!(
        std::fs::read_to_string(local.work("sub/a.txt")).unwrap(),
        text,
        "{answer}"
    );
    std::os::unix::fs::symlink(local.folder.path(), local.work("out")).unwrap();
    std::os::unix::fs::symlink(local.folder.path().join("x"), local.work("dangling")).unwrap();
    let outside = local.folder.path().join("x").display().to_string();
    for to in ["a.txt", "sub/copy.txt", "sub", "dangling"] {
        let code = local.code("smart_file_download", download(json!(to)));
        assert_eq!(code, "destination_exists", "{to}");
    }
    for to in [
        &*outside, "../x", "out/x", "absent/x", "sub/..", "x\0y", "/etc/x",
    ] {
        let code = local.code("smart_file_download", download(json!(to)));
        assert!(
            ["destination_refused", "destination_exists"].contains(&&*code),
            "{to}: {code}"
        );
    }
    assert!(!is_there(&local.folder.path().join("x")));
    assert_eq!(std::fs::read_to_string(local.work("a.txt")).unwrap(), text);
}

#[test]
fn a_path_that_leads_elsewhere_is_refused_before_it_is_opened() {
    let shelf = Shelf::start();
    let mut local = Local::start(&shelf);
    std::fs::write(local.folder.path().join("secret"), "FACT secret\n").unwrap();
    std::os::unix::fs::symlink(local.folder.path().join("secret"), local.work("link")).unwrap();
    nix::unistd::mkfifo(&local.work("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let paths = [
        "../secret".to_owned(),
        local.folder.path().join("secret").display().to_string(),
        "link".to_owned(),
        "/dev/zero".to_owned(),
        "pipe".to_owned(),
        "a\0b".to_owned(),
        "C:\\Windows\\win.ini".to_owned(),
        "\\\\host\\share\\a".to_owned(),
        "%2e%2e/secret".to_owned(),
        "sub".to_owned(),
        "x/".repeat(2000),
    ];
    for path in &paths {
        for (tool, arguments) in [
            ("chat", json!({"prompt": "x", "files": [path]})),
            (
                "smart_file_query",
                json!({"file_path": path, "question": "x"}),
            ),
        ] {
            assert_eq!(
                local.code(tool, arguments),
                "file_not_readable",
                "{tool} {path:?}"
            );
        }
    }
    assert!(shelf.chats().is_empty());
}
