//! Headless Chromium for a test, over its own debugging protocol.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use serde_json::{Value, json};

use super::process::{request, wait_for};
use super::socket::{Socket, open_at};

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

fn found() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let candidates = BROWSERS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// A running browser with one page, killed with the test.
pub struct Browser {
    child: Child,
    page: Socket,
    next: u64,
    /// What the page complained of.
    pub complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    /// Starts one; `None`, said aloud, where there is none and `EXAI_REQUIRE` does not ask for it.
    pub fn start() -> Option<Self> {
        let Some(program) = found() else {
            let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
            let is_required = required.split(',').any(|one| one.trim() == "chromium");
            assert!(
                !is_required,
                "EXAI_REQUIRE asks for chromium, and none is on PATH"
            );
            eprintln!("not run: the dashboard in a browser needs chromium");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .args(["--disable-sync", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let address = listening(&mut child);
        let page = wait_for("a page of the browser", || {
            let pages = request(address, "GET", "/json/list", &[], b"").json();
            let page = pages
                .as_array()?
                .iter()
                .find(|page| page["type"] == "page")?;
            Some(format!("/devtools/page/{}", page["id"].as_str()?))
        });
        let mut browser = Self {
            page: open_at(address, &page, "", &[]).unwrap(),
            child,
            next: 0,
            complaints: Vec::new(),
            _profile: profile,
        };
        for domain in ["Page", "Runtime", "Log"] {
            browser.order(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Sends one command and gives its result.
    pub fn order(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.page
            .say(&json!({"id": id, "method": method, "params": params}));
        loop {
            let said = self.page.hear().unwrap();
            if said["method"] == "Log.entryAdded" && said["params"]["entry"]["level"] == "error" {
                self.complaints.push(said["params"]["entry"].to_string());
            }
            if said["method"] == "Runtime.exceptionThrown" {
                self.complaints.push(said["params"].to_string());
            }
            if said["id"] == id {
                assert!(said["error"].is_null(), "{method}: {said}");
                return said["result"].clone();
            }
        }
    }

    /// The window as wide as this. It is no phone to the page: a phone's window would grow with
    /// what does not fit.
    pub fn resize(&mut self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1,
            "mobile": false});
        self.order("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Dark or light, as a system would say.
    pub fn color(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.order("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    pub fn open(&mut self, address: SocketAddr, path: &str) {
        let url = format!("http://{address}{path}");
        let opened = self.order("Page.navigate", json!({"url": url}));
        assert!(opened["errorText"].is_null(), "{opened}");
        self.wait("document.readyState === \"complete\"");
    }

    /// The value of an expression in the page.
    pub fn look(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true});
        let seen = self.order("Runtime.evaluate", params);
        assert!(seen["exceptionDetails"].is_null(), "{expression}: {seen}");
        seen["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page.
    pub fn wait(&mut self, expression: &str) {
        wait_for(expression, || (self.look(expression) == true).then_some(()));
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            other => panic!("no key {other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let params = json!({"type": kind, "key": key, "code": key, "text": text,
                "windowsVirtualKeyCode": code});
            self.order("Input.dispatchKeyEvent", params);
        }
    }

    /// Types into what has the focus.
    pub fn write(&mut self, text: &str) {
        self.order("Input.insertText", json!({"text": text}));
    }

    /// Keeps a picture of the whole page where `EXAI_PAGES` says.
    pub fn keep(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("EXAI_PAGES") else {
            return;
        };
        let params = json!({"captureBeyondViewport": true});
        let shot = self.order("Page.captureScreenshot", params);
        let picture = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().unwrap())
            .unwrap();
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), picture).unwrap();
    }
}

/// Where the browser says that it listens.
fn listening(child: &mut Child) -> SocketAddr {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("ws://")?.1.to_owned()));
    // What else it has to say must not block it.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    let line = line.expect("the browser says where it listens");
    line.split('/').next().unwrap().parse().unwrap()
}
