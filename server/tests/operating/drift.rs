//! Documents against configuration: addresses, keys, variables, commands, counts and links that a
//! page names must be those of this build.

use std::collections::BTreeSet;

use super::place::{at, text_of};
use super::process::exai;

/// What a page may name.
struct Facts {
    ports: BTreeSet<String>,
    keys: BTreeSet<String>,
    commands: String,
    tools: [usize; 3],
}

impl Facts {
    fn gather() -> Self {
        let shipped: toml::Table = toml::from_str(&text_of("server/default.toml")).unwrap();
        let mut keys = BTreeSet::new();
        gather_keys("", &shipped, &mut keys);
        let address = |key: &str| shipped["server"][key].as_str().unwrap().to_owned();
        let mut ports: BTreeSet<String> = ["listen", "admin"].map(address).into();
        ports = ports
            .iter()
            .map(|one| one.rsplit(':').next().unwrap().to_owned())
            .collect();
        let compose = super::compose::topology();
        for service in compose["services"].as_object().unwrap().values() {
            for published in service["ports"].as_array().into_iter().flatten() {
                ports.extend(
                    published
                        .as_str()
                        .unwrap()
                        .split(':')
                        .skip(1)
                        .map(str::to_owned),
                );
            }
        }
        // Where Redis and an OTLP receiver listen by their own defaults.
        ports.extend(["6379", "4318"].map(str::to_owned));
        let help = exai(&[]).arg("--help").output().unwrap().stdout;
        let tiers = text_of("server/tools.toml");
        let count = |tier: &str| tiers.matches(&format!("tier = \"{tier}\"")).count();
        let lean = count("essential") + count("core") + count("forced");
        let standard = lean + count("advanced");
        Self {
            ports,
            keys,
            commands: String::from_utf8(help).unwrap(),
            tools: [lean, standard, standard + count("extra")],
        }
    }
}

fn gather_keys(prefix: &str, table: &toml::Table, into: &mut BTreeSet<String>) {
    for (name, value) in table {
        into.insert(format!("{prefix}{name}"));
        if let toml::Value::Table(inner) = value {
            gather_keys(&format!("{prefix}{name}."), inner, into);
        }
    }
}

/// Each thing that a page says and this build does not have.
fn drift(page: &str, facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for host in ["127.0.0.1:", "localhost:"] {
        for rest in page.split(host).skip(1) {
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if !port.is_empty() && !facts.ports.contains(&port) {
                found.push(format!("port {port} is nobody's"));
            }
        }
    }
    for quoted in page.split('`').skip(1).step_by(2) {
        found.extend(unknown_key(quoted, facts));
        found.extend(unknown_command(quoted, facts));
    }
    let words: Vec<&str> = page.split_whitespace().collect();
    let is_profiles = |count: &usize| facts.tools.contains(count);
    for pair in words.windows(3) {
        let is_tools = |word: &str| word.trim_matches(['.', ',', ':', ';', ')']) == "tools";
        let is_count =
            is_tools(pair[1]) || (["AI", "lean", "listed"].contains(&pair[1]) && is_tools(pair[2]));
        let wrong = number(pair[0]).filter(|count| is_count && !is_profiles(count));
        found.extend(wrong.map(|count| {
            format!(
                "{count} tools are no profile's, which have {:?}",
                facts.tools
            )
        }));
    }
    found
}

fn number(word: &str) -> Option<usize> {
    let word = word.trim_matches(['(', '[', '*']);
    match word.to_lowercase().as_str() {
        "eleven" => Some(11),
        "twenty" => Some(20),
        other => other.parse().ok(),
    }
}

/// A dotted name under one of our sections, or a variable of ours, that is no key.
fn unknown_key(quoted: &str, facts: &Facts) -> Option<String> {
    let word = quoted.split([' ', '=']).next().unwrap_or_default();
    let key = match word.strip_prefix("EXAI_") {
        Some(rest) if rest.contains("__") => rest.to_lowercase().replace("__", "."),
        Some(_) => return None,
        None => word.to_owned(),
    };
    let (section, rest) = key.split_once('.')?;
    let plain = |one: char| one.is_ascii_lowercase() || one == '_' || one == '.';
    let is_ours = facts.keys.contains(section) && !rest.is_empty() && key.chars().all(plain);
    let is_file = ["toml", "md", "rs", "sh", "json", "jsonl", "aliases"]
        .iter()
        .any(|end| key.ends_with(end));
    // A row may have any name, and has the keys of every row.
    let leaf = rest.split_once('.').map(|(_, leaf)| format!(".{leaf}"));
    let of_row = format!("provider.kimi{}", leaf.unwrap_or_default());
    let is_row = section == "provider" && facts.keys.contains(&of_row);
    let is_known = facts.keys.contains(&key) || is_file || is_row;
    (is_ours && !is_known).then(|| format!("{key} is no key"))
}

fn unknown_command(quoted: &str, facts: &Facts) -> Option<String> {
    let word = quoted.strip_prefix("exai ")?.split([' ', '\n']).next()?;
    let is_word = !word.is_empty() && word.chars().all(|one| one.is_ascii_lowercase());
    let is_known = facts.commands.contains(&format!("\n  {word} "));
    (is_word && !is_known).then(|| format!("exai {word} is no command"))
}

/// The pages that people read: not the decisions, which tell of their time.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned(), "ARCHITECTURE.md".to_owned()];
    for folder in ["docs/guide", "docs/runbooks"] {
        for entry in std::fs::read_dir(at(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            pages.push(format!("{folder}/{name}"));
        }
    }
    pages.sort();
    pages.retain(|page| page.ends_with(".md"));
    pages
}

#[test]
fn no_page_names_a_port_key_command_or_count_that_this_build_does_not_have() {
    let facts = Facts::gather();
    assert_eq!(facts.tools, [11, 20, 31]);
    let mut found = Vec::new();
    for page in pages() {
        let drifted = drift(&text_of(&page), &facts);
        found.extend(drifted.into_iter().map(|what| format!("{page}: {what}")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn each_planted_drift_is_found_and_what_is_right_is_not() {
    let facts = Facts::gather();
    for (planted, says) in [
        ("listens on 127.0.0.1:8082", "port 8082"),
        ("open http://localhost:3011/", "port 3011"),
        ("offers 29 tools to", "29 tools"),
        ("set `server.lisen` to", "server.lisen"),
        ("or `EXAI_LIMITS__INFLIGHT=3`", "limits.inflight"),
        ("or `provider.mine.inflight`", "provider.mine.inflight"),
        ("run `exai serv --demo`", "exai serv"),
    ] {
        let found = drift(planted, &facts);
        let is_found = found.iter().any(|what| what.contains(says));
        assert!(
            is_found || planted.contains("twenty"),
            "{planted}: {found:?}"
        );
    }
    let right = "127.0.0.1:8079 and `limits.in_flight`, `EXAI_SERVER__LISTEN=x`, the 20 tools, \
                 eleven lean tools, `exai serve --demo`, `provider.mine.dialect`, `server.rs`";
    assert_eq!(drift(right, &facts), Vec::<String>::new());
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|one| one.is_alphanumeric() || " -_".contains(*one));
    kept.collect::<String>().replace(' ', "-")
}

fn dead_links(page: &str, text: &str) -> Vec<String> {
    let folder = at(page).parent().unwrap().to_owned();
    let mut dead = Vec::new();
    for rest in text.split("](").skip(1) {
        let target = rest.split(')').next().unwrap_or_default();
        if target.contains("://") || target.contains(char::is_whitespace) {
            continue;
        }
        let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
        let file = if path.is_empty() {
            at(page)
        } else {
            folder.join(path)
        };
        let Ok(linked) = std::fs::read_to_string(&file) else {
            if !file.is_dir() {
                dead.push(format!("{page}: {target} is not there"));
            }
            continue;
        };
        let headings = linked.lines().filter(|line| line.starts_with('#'));
        let mut anchors = headings.map(|line| anchor(line.trim_start_matches('#')));
        if !fragment.is_empty() && path.ends_with(".md") && !anchors.any(|one| one == fragment) {
            dead.push(format!("{page}: {target} has no such heading"));
        }
    }
    dead
}

#[test]
fn every_link_of_every_page_leads_somewhere() {
    let dead: Vec<String> = pages()
        .iter()
        .flat_map(|page| dead_links(page, &text_of(page)))
        .collect();
    assert!(dead.is_empty(), "{}", dead.join("\n"));
    let planted = "[a](no-such.md) [b](gate.md#no-such-heading) [c](gate.md)";
    assert_eq!(dead_links("docs/guide/tools.md", planted).len(), 2);
}

#[test]
fn the_pages_can_be_read_from_a_running_server() {
    let server = super::process::serve(&["--demo"], &[]);
    let session = server.session(&[]);
    let headers = [
        ("mcp-session-id", &*session),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let ask = |method: &str, params: serde_json::Value| {
        let body =
            serde_json::json!({"jsonrpc": "2.0", "id": 2, "method": method, "params": params});
        server.post(&body, &headers).json()["result"].clone()
    };
    let listed = ask("resources/list", serde_json::json!({}));
    assert!(listed.to_string().contains("\"exai://docs\""), "{listed}");
    for page in pages().iter().filter(|page| page.starts_with("docs/")) {
        let name = page.rsplit('/').next().unwrap().trim_end_matches(".md");
        let name = if name == "README" { "runbooks" } else { name };
        let uri = format!("exai://docs/{name}");
        let read = ask("resources/read", serde_json::json!({"uri": uri}));
        assert_eq!(read["contents"][0]["text"], text_of(page), "{uri}");
        assert_eq!(read["contents"][0]["mimeType"], "text/markdown");
    }
}
