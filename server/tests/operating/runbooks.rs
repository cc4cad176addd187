//! Every command of every runbook, run against a server that asks for tokens; what a command must
//! say stands under it as `# says: TEXT`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::place::{at, text_of};
use super::process::{SECRET, Server, serve_jwt, token};

/// One block of a page that a test runs.
pub struct Block {
    pub commands: String,
    pub says: Vec<String>,
}

/// The fenced blocks of a page under one heading of their fence, such as `sh runbook`.
pub fn blocks(page: &str, kind: &str) -> Vec<Block> {
    let fence = format!("```{kind}\n");
    let bodies = page
        .split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let block = |body: &str| {
        let (says, commands): (Vec<&str>, Vec<&str>) =
            body.lines().partition(|line| line.starts_with("# says: "));
        Block {
            commands: commands.join("\n"),
            says: says
                .iter()
                .map(|line| line["# says: ".len()..].to_owned())
                .collect(),
        }
    };
    bodies.map(block).collect()
}

/// What a page's reader has set, as the index of runbooks tells.
fn reader(server: &Server) -> Vec<(&'static str, String)> {
    let binary = Path::new(env!("CARGO_BIN_EXE_exai")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    vec![
        ("PATH", format!("{}:{path}", binary.display())),
        ("ADMIN", format!("http://{}", server.admin)),
        ("URL", format!("http://{}", server.public)),
        ("STATE", server.state.path().display().to_string()),
        ("TOKEN", token("ops", &["admin"])),
        ("EXAI_JWT_SECRET", SECRET.to_owned()),
        ("EXAI_AUTH__JWT__ISSUER", "https://issuer.test".to_owned()),
        ("EXAI_AUTH__JWT__AUDIENCE", "exai".to_owned()),
        ("KIMI_API_KEY", "sk-not-a-real-key-0123456789".to_owned()),
        ("HOME", server.state.path().display().to_string()),
    ]
}

/// Runs a block; what is wrong with it, if anything is.
fn run(block: &Block, variables: &[(&'static str, String)]) -> Result<String, String> {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &block.commands])
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "{}\nended with {}: {said}{stderr}",
            block.commands, output.status
        ));
    }
    match block.says.iter().find(|wanted| !said.contains(*wanted)) {
        Some(wanted) => Err(format!(
            "{}\ndoes not say {wanted:?}: {said}",
            block.commands
        )),
        None => Ok(said),
    }
}

fn pages(folder: &str) -> Vec<String> {
    let mut pages: Vec<String> = std::fs::read_dir(at(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md"))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    pages.sort();
    pages
}

#[test]
fn every_command_of_every_runbook_works_on_a_running_server() {
    let server = serve_jwt(&["--demo"]);
    // A denial, so that the record of denials has a line to show.
    assert_eq!(
        server
            .admin("/health", &[("authorization", "Bearer x.y.z")])
            .status,
        401
    );
    super::process::wait_for("the denial on disk", || {
        let text = std::fs::read_to_string(server.state.path().join("audit.jsonl")).ok()?;
        (!text.is_empty()).then_some(())
    });
    let variables = reader(&server);
    let (mut ran, mut wrong) = (0, Vec::new());
    let guides = ["docs/guide/troubleshooting.md".to_owned()];
    for page in pages("docs/runbooks").iter().chain(&guides) {
        let blocks = blocks(&text_of(page), "sh runbook");
        if blocks.is_empty() && !page.ends_with("README.md") {
            wrong.push(format!("{page}: no command is run"));
        }
        for block in blocks {
            ran += 1;
            if let Err(what) = run(&block, &variables) {
                wrong.push(format!("{page}: {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(ran >= 35, "{ran} commands");
}

#[test]
fn a_command_that_fails_or_says_something_else_is_found() {
    let server = serve_jwt(&["--demo"]);
    let variables = reader(&server);
    let page = "```sh runbook\ncurl -sf \"$ADMIN/helth\"\n```\n```sh runbook\nexai check\n\
                # says: the configuration is wrong\n```\n```sh\nfalse\n```\n```sh runbook\n\
                exai probe ready --admin \"${ADMIN#http://}\"\n# says: ready\n```\n";
    let blocks = blocks(page, "sh runbook");
    let ran: Vec<bool> = blocks
        .iter()
        .map(|block| run(block, &variables).is_ok())
        .collect();
    assert_eq!(ran, [false, false, true]);
}

#[test]
fn every_alert_has_its_page_and_the_index_lists_them_all() {
    let names: BTreeSet<String> = pages("docs/runbooks")
        .iter()
        .map(|page| {
            page["docs/runbooks/".len()..]
                .trim_end_matches(".md")
                .to_owned()
        })
        .filter(|name| name != "README")
        .collect();
    let index = text_of("docs/runbooks/README.md");
    for name in &names {
        assert!(
            index.contains(&format!("[{name}]({name}.md)")),
            "the index lacks {name}"
        );
        let page = text_of(&format!("docs/runbooks/{name}.md"));
        assert!(
            page.contains(&format!("Alert `{name}`")),
            "{name} is about another alert"
        );
    }
    // Alerts are rows of this file as soon as there are any.
    let Ok(rows) = std::fs::read_to_string(at("server/alerts.toml")) else {
        return;
    };
    let ids = rows
        .lines()
        .filter_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"'));
    let ids: BTreeSet<String> = ids.map(str::to_owned).collect();
    assert_eq!(
        names, ids,
        "pages of docs/runbooks and rows of server/alerts.toml"
    );
}
