//! The pages of the site: the README and every page under `docs`, with the commands they show.

use std::path::{Path, PathBuf};

/// Where a path of the repository is.
pub fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A file's text.
pub fn text_of(path: &str) -> String {
    std::fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a reader would type, in one place of a page.
#[derive(Debug, Clone)]
pub struct Command {
    /// The page's path and the line, as `docs/guide/gate.md:7`.
    pub place: String,
    pub text: String,
    /// What it must say, by the `# says: ` lines under it.
    pub says: Vec<String>,
}

/// A fenced block of a page.
#[derive(Debug)]
pub struct Block {
    pub commands: Vec<Command>,
}

/// One page.
pub struct Page {
    pub path: String,
    pub text: String,
}

/// The languages of fences that hold no command.
const OTHERS: [&str; 6] = ["", "json", "markdown", "text", "toml", "yaml"];

/// What a line begins with that somebody is to type.
const OURS: [&str; 6] = ["cargo ", "deploy/", "exai ", "just ", "verify ", "$ "];

/// Every page of the site, in the order of their paths.
pub fn all() -> Vec<Page> {
    let mut paths = vec!["README.md".to_owned()];
    walk("docs", &mut paths);
    paths.sort();
    let read = |path: String| Page {
        text: text_of(&path),
        path,
    };
    paths.into_iter().map(read).collect()
}

fn walk(folder: &str, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(at(folder)).expect("a folder") {
        let entry = entry.expect("an entry");
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            walk(&path, into);
        } else if path.ends_with(".md") {
            into.push(path);
        }
    }
}

/// A fence: its line, its kind, and its numbered lines.
struct Fence {
    line: usize,
    kind: String,
    lines: Vec<(usize, String)>,
}

impl Page {
    /// The blocks whose fence says `sh`, and what is wrong with the other fences.
    pub fn blocks(&self) -> (Vec<Block>, Vec<String>) {
        let (mut blocks, mut wrong) = (Vec::new(), Vec::new());
        for Fence { line, kind, lines } in self.fences() {
            let place = |line: usize| format!("{}:{line}", self.path);
            if kind == "sh" {
                blocks.push(Block {
                    commands: commands(&lines, place),
                });
            } else if !OTHERS.contains(&kind.as_str()) {
                let place = place(line);
                wrong.push(format!("{place}: a fence of an unknown kind {kind:?}"));
            } else if let Some((line, text)) = lines.iter().find(|(_, text)| is_typed(text)) {
                let place = place(*line);
                wrong.push(format!("{place}: a command outside of ```sh: {text}"));
            }
        }
        (blocks, wrong)
    }

    fn fences(&self) -> Vec<Fence> {
        let mut found: Vec<Fence> = Vec::new();
        let mut is_inside = false;
        for (index, text) in self.text.lines().enumerate() {
            let line = index + 1;
            if let Some(kind) = text.trim_start().strip_prefix("```") {
                is_inside = !is_inside;
                if is_inside {
                    found.push(Fence {
                        line,
                        kind: kind.trim().to_owned(),
                        lines: Vec::new(),
                    });
                }
            } else if let Some(last) = found.last_mut().filter(|_| is_inside) {
                last.lines.push((line, text.to_owned()));
            }
        }
        assert!(!is_inside, "{}: a fence is left open", self.path);
        found
    }

    /// The commands that its prose and its pipelines name, of which only the words can be tried.
    pub fn named(&self) -> Vec<Command> {
        let fences = self.fences();
        let steps = fences.iter().flat_map(|fence| &fence.lines);
        let mut found: Vec<Command> = steps
            .filter_map(|(line, text)| {
                let text = text.split_once("run: ").or(text.split_once("script: "))?.1;
                Some(self.at(*line, text))
            })
            .collect();
        let (mut prose, mut is_inside) = (Vec::new(), false);
        for text in self.text.lines() {
            let is_fence = text.trim_start().starts_with("```");
            is_inside ^= is_fence;
            prose.push(if is_fence || is_inside { "" } else { text });
        }
        let prose = prose.join("\n");
        let mut line = 1;
        for (index, span) in prose.split('`').enumerate() {
            if index % 2 == 1 {
                let words: Vec<&str> = span.split_whitespace().collect();
                found.push(self.at(line, &words.join(" ")));
            }
            line += span.matches('\n').count();
        }
        found.retain(|command| is_typed(&command.text) && !command.text.ends_with('…'));
        found
    }

    fn at(&self, line: usize, text: &str) -> Command {
        Command {
            place: format!("{}:{line}", self.path),
            text: text.to_owned(),
            says: Vec::new(),
        }
    }
}

fn is_typed(line: &str) -> bool {
    OURS.iter()
        .any(|begin| line.trim_start().starts_with(begin))
}

/// The commands of a block: lines that end in `\` go on, and what `&&` joins are several.
fn commands(lines: &[(usize, String)], place: impl Fn(usize) -> String) -> Vec<Command> {
    let mut found: Vec<Command> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (line, text) in lines {
        let text = text.trim();
        if let Some(says) = text.strip_prefix("# says: ") {
            let last = found.last_mut().expect("a command before what it says");
            last.says.push(says.to_owned());
            continue;
        }
        let (first, mut whole) = open.take().unwrap_or((*line, String::new()));
        match text.strip_suffix('\\') {
            Some(part) => {
                whole.push_str(part);
                open = Some((first, whole));
            }
            None => {
                whole.push_str(text);
                let is_command = |part: &&str| !part.is_empty() && !part.starts_with('#');
                let parts = whole.split(" && ").filter(is_command);
                found.extend(parts.map(|part| Command {
                    place: place(first),
                    text: part.to_owned(),
                    says: Vec::new(),
                }));
            }
        }
    }
    found
}
