//! The page in a real browser, at the widths of a desk and of a phone. Runs when Chromium is found.
//! `EXAI_PAGES=FOLDER` keeps the sample pages there, to be looked at.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::samples;
use crate::report::{Report, html};

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let candidates = BROWSERS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

fn is_required() -> bool {
    let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
    required.split(',').any(|one| one.trim() == "chromium")
}

/// Puts the page into a frame of so many pixels and reports what does not fit. A browser's own
/// window has a least width that a phone is below.
fn probe(page: &str, width: u32) -> String {
    let quoted = page.replace('&', "&amp;").replace('"', "&quot;");
    // The page forbids scripts; the probe runs outside it and looks in.
    format!(
        r#"<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">
<iframe id="f" width="{width}" height="900" style="border:0" srcdoc="{quoted}"></iframe>
<pre id="out">not measured</pre><script>
document.getElementById("f").addEventListener("load", () => {{
  const page = document.getElementById("f").contentDocument;
  const wide = page.documentElement.scrollWidth;
  const found = [];
  if (wide > {width}) found.push("page is " + wide + " wide");
  for (const e of page.querySelectorAll("body *")) {{
    const box = e.getBoundingClientRect();
    if (box.width === 0 || e.closest(".unseen") || e.closest("svg")) continue;
    const text = (e.className || e.tagName) + ": " + e.textContent.slice(0, 30);
    if (box.right > {width} + 1 || box.left < -1) found.push("outside " + text);
    const style = page.defaultView.getComputedStyle(e);
    if (style.overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1)
      found.push("cut " + text);
    if (e.children.length === 0 && e.textContent && parseFloat(style.fontSize) < 11)
      found.push("small " + text);
  }}
  for (const axis of page.querySelectorAll(".below")) {{
    const ticks = [...axis.children].filter(e => e.getBoundingClientRect().width > 0)
      .map(e => e.getBoundingClientRect());
    for (let i = 1; i < ticks.length; i++)
      if (ticks[i].left < ticks[i - 1].right) found.push("labels overlap: " + axis.textContent);
  }}
  document.getElementById("out").textContent = "measured [" + found.join("; ") + "]";
}});
</script>"#
    )
}

/// What the probe finds in a page at a width.
fn measure(browser: &Path, folder: &Path, page: &str, width: u32) -> String {
    let file = folder.join(format!("probe-{width}.html"));
    std::fs::write(&file, probe(page, width)).expect("written");
    let seen = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .args(["--window-size=1400,1000", "--virtual-time-budget=3000"])
        .arg(&file)
        .output()
        .expect("the browser starts");
    let dom = String::from_utf8_lossy(&seen.stdout).into_owned();
    let tail = dom.rsplit("<pre id=\"out\">").next().unwrap_or_default();
    tail.split("</pre>").next().unwrap_or_default().to_owned()
}

#[test]
fn nothing_overflows_is_cut_or_overlaps_at_any_width() {
    let Some(browser) = browser() else {
        assert!(
            !is_required(),
            "EXAI_REQUIRE asks for chromium, and none is on PATH"
        );
        println!("not run: the report in a browser needs chromium (apt-get install chromium)");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let wide = "<!DOCTYPE html><div style=\"width:500px\">wider than a phone</div>";
    let found = measure(&browser, folder.path(), wide, 390);
    assert!(
        found.contains("page is 5"),
        "the probe sees nothing: {found}"
    );
    for (name, evidence) in [
        ("go", samples::go()),
        ("no-go", samples::no_go()),
        ("inconclusive", samples::inconclusive()),
        ("crowded", samples::crowded()),
    ] {
        let page = html::render(&Report::build(evidence));
        if let Some(kept) = std::env::var_os("EXAI_PAGES") {
            std::fs::write(Path::new(&kept).join(format!("{name}.html")), &page).expect("kept");
        }
        for width in [1280, 768, 420, 390, 360] {
            let found = measure(&browser, folder.path(), &page, width);
            assert_eq!(found, "measured []", "{name} at {width}");
        }
    }
}
