//! Every command that a page of the site shows, tried: run on real processes, or, where a row of
//! `commands.toml` says why it is not, held to the real command line and the files it names. What a
//! command must say stands under it on the page as `# says: TEXT`.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde::Deserialize;

use super::hold::{expanded, hold, is_assignment};
use super::page::{Block, Command, Page, all};
use super::served::build;
use super::workplace::{Ended, Servers, Workplace};

/// The whole of `commands.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    programs: BTreeSet<String>,
    word: Vec<Word>,
    page: Vec<Prepared>,
    command: Vec<Rule>,
    /// What a page needed of all that.
    #[serde(skip)]
    used: Mutex<BTreeSet<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    page: String,
    here: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prepared {
    path: String,
    before: String,
    after: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Rule {
    begins: String,
    #[serde(default)]
    first: String,
    ends: Option<Vec<i32>>,
    says: Option<String>,
    not_run: Option<String>,
}

impl Rules {
    fn read() -> Self {
        toml::from_str(include_str!("commands.toml")).expect("commands.toml")
    }

    fn use_row(&self, name: &str) {
        self.used.lock().expect("a lock").insert(name.to_owned());
    }

    /// Rows that no page needed.
    fn unused(&self) -> Vec<&str> {
        let used = self.used.lock().expect("a lock");
        let words = self.word.iter().map(|row| &row.page);
        let rows = words.chain(self.command.iter().map(|row| &row.begins));
        let rows = rows
            .chain(self.page.iter().map(|row| &row.path))
            .chain(&self.programs);
        rows.filter(|name| !used.contains(*name))
            .map(String::as_str)
            .collect()
    }

    /// The row with the longest beginning that a command has.
    fn of(&self, text: &str) -> Option<&Rule> {
        let rows = self
            .command
            .iter()
            .filter(|row| text.starts_with(&row.begins));
        let row = rows.max_by_key(|row| row.begins.len())?;
        self.use_row(&row.begins);
        Some(row)
    }

    /// A command with what stands here for the words of the page.
    fn here(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for word in &self.word {
            if text.contains(&word.page) {
                self.use_row(&word.page);
                text = text.replace(&word.page, &word.here);
            }
        }
        text
    }

    /// Whether a command begins with a program that something stands in for or that is listed.
    fn may_start(&self, text: &str) -> bool {
        let program = text.split_whitespace().find(|word| !is_assignment(word));
        let program = program.unwrap_or_default();
        self.use_row(program);
        let is_ours = ["cargo", "exai", "verify"].contains(&program);
        is_ours || program.starts_with("deploy/") || self.programs.contains(program)
    }
}

/// What came of the pages.
#[derive(Default)]
struct Tally {
    ran: usize,
    held: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn join(mut self, other: Self) -> Self {
        self.ran += other.ran;
        self.held += other.held;
        self.wrong.extend(other.wrong);
        self
    }
}

fn page(page: &Page, rules: &Rules, servers: &Servers) -> Tally {
    let (blocks, wrong) = page.blocks();
    let mut tally = Tally {
        wrong,
        ..Tally::default()
    };
    if blocks.is_empty() {
        return tally;
    }
    let workplace = Workplace::new(servers, page.text.contains("verify "));
    let prepared = rules.page.iter().find(|row| row.path == page.path);
    if let Some(row) = prepared {
        rules.use_row(&row.path);
        let begun = workplace.run(&row.before, &[]);
        tally.wrong.extend(
            begun
                .err()
                .map(|what| format!("{}: before: {what}", page.path)),
        );
    }
    let tally = blocks
        .iter()
        .map(|one| block(one, rules, &workplace))
        .fold(tally, Tally::join);
    if let Some(after) = prepared.and_then(|row| row.after.as_deref()) {
        let _ = workplace.run(after, &[]);
    }
    tally
}

fn block(block: &Block, rules: &Rules, workplace: &Workplace) -> Tally {
    let (mut tally, mut first, mut run) = (Tally::default(), String::new(), Vec::new());
    let default = Rule::default();
    for command in &block.commands {
        let text = match command.text.strip_prefix("just ") {
            Some(recipe) => recipe_of(recipe),
            None => Ok(command.text.clone()),
        };
        let tried = text.and_then(|text| {
            let rule = rules.of(&text).unwrap_or(&default);
            if rule.not_run.is_some() {
                tally.held += 1;
                return hold(&text, false);
            }
            let no_rule = || "no rule says how to try it".to_owned();
            rules.may_start(&text).then_some(()).ok_or_else(no_rule)?;
            first.push_str(&rule.first);
            run.push((command, rule, rules.here(&text)));
            Ok(())
        });
        let place = |what| format!("{}: {}\n{what}", command.place, command.text);
        tally.wrong.extend(tried.err().map(place));
    }
    if run.is_empty() {
        return tally;
    }
    tally.ran += run.len();
    let texts: Vec<&str> = run.iter().map(|(_, _, text)| text.as_str()).collect();
    match workplace.run(&first, &texts) {
        Err(what) => tally.wrong.push(format!("{}: {what}", run[0].0.place)),
        Ok(ended) => {
            let pairs = run.iter().zip(&ended);
            let wrong = pairs.filter_map(|((command, rule, _), end)| wrong(command, rule, end));
            tally.wrong.extend(wrong);
        }
    }
    tally
}

/// The words of `just` and what they start.
fn recipe_of(line: &str) -> Result<String, String> {
    let words = line.split('#').next().unwrap_or_default();
    let words: Vec<&str> = words.split_whitespace().collect();
    let (recipe, given) = words.split_first().ok_or("just what?")?;
    expanded(recipe, given)
}

/// What is wrong with how a command ended, if anything is.
fn wrong(command: &Command, rule: &Rule, ended: &Ended) -> Option<String> {
    let Command { place, text, says } = command;
    let codes = rule.ends.as_deref().unwrap_or(&[0]);
    let said = &ended.said;
    if !codes.contains(&ended.code) {
        return Some(format!(
            "{place}: {text}\nended with {}, not {codes:?}: {said}",
            ended.code
        ));
    }
    let unsaid = says
        .iter()
        .chain(&rule.says)
        .find(|wanted| !said.contains(*wanted))?;
    Some(format!("{place}: {text}\ndoes not say {unsaid:?}: {said}"))
}

#[test]
fn every_command_of_every_page_works() {
    build();
    let (rules, servers) = (Rules::read(), Servers::start());
    let pages = all();
    let mut tally = std::thread::scope(|scope| {
        let (rules, servers) = (&rules, &servers);
        let start = |one| scope.spawn(move || page(one, rules, servers));
        let running: Vec<_> = pages.iter().map(start).collect();
        let ended = running
            .into_iter()
            .map(|one| one.join().expect("a page is tried"));
        ended.fold(Tally::default(), Tally::join)
    });
    let alerts = |one: &&Page| one.path.starts_with("docs/runbooks/");
    let idle = pages
        .iter()
        .filter(alerts)
        .filter(|one| one.blocks().0.is_empty());
    tally
        .wrong
        .extend(idle.map(|one| format!("{}: no command is run", one.path)));
    let unused = rules.unused().into_iter();
    tally
        .wrong
        .extend(unused.map(|row| format!("commands.toml: no page needs {row:?}")));
    assert!(tally.wrong.is_empty(), "{}", tally.wrong.join("\n\n"));
    eprintln!(
        "{} pages: {} commands ran, {} held",
        pages.len(),
        tally.ran,
        tally.held
    );
    assert!(
        tally.ran > tally.held,
        "{} ran, {} held",
        tally.ran,
        tally.held
    );
}

/// Pages with the mistakes that a page can have, and with none.
const PLANTED: &str = r#"
```sh
curl -sf "$ADMIN/helth"
exai probe ready --admin "${ADMIN#http://}"
# says: ready
exai check
# says: the configuration is wrong
make install
cargo verify run --profil smoke
just upp
docker cp deploy/nothing here:/
cargo verify gate --claim merge-ready
```
```bash
exai check
```
```text
exai check
```
"#;

#[test]
fn a_command_that_fails_says_something_else_or_has_no_rule_is_found_with_its_place() {
    build();
    let planted = Page {
        path: "docs/planted.md".to_owned(),
        text: PLANTED.to_owned(),
    };
    let tally = page(&planted, &Rules::read(), &Servers::start());
    let mut places: Vec<&str> = tally.wrong.iter().map(|what| &what[..18]).collect();
    places.sort_unstable();
    let lines = ["10", "11", "14", "18", "3:", "6:", "8:", "9:"];
    let wanted: Vec<String> = lines
        .iter()
        .map(|line| format!("docs/planted.md:{line}"))
        .collect();
    assert_eq!(places, wanted, "{}", tally.wrong.join("\n\n"));
}

#[test]
fn every_command_that_prose_or_a_pipeline_names_is_one_that_there_is() {
    build();
    let named: Vec<Command> = all().iter().flat_map(Page::named).collect();
    let wrong: Vec<String> = named
        .iter()
        .filter_map(|Command { place, text, .. }| {
            let what = hold(text, true).err()?;
            Some(format!("{place}: {text}\n{what}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let has = |page: &str| named.iter().any(|command| command.place.starts_with(page));
    assert!(has("README.md:") && has("docs/guide/gate.md:") && has("docs/features.md:"));
}
