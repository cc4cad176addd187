//! X6: the four containers as their file has them: who runs as whom, what is published, what is
//! protected and bounded.

use super::super::asker::{either, pair};
use crate::binaries::workspace;
use crate::stage::Stage;

const EDGE: &str = "composition";
const FILE: &str = "docker-compose.test.yml";
/// What every container has, as the file's common part says it.
const COMMON: [(&str, &str); 4] = [
    ("X6.user", "user: \"65532:65532\""),
    ("X6.read only", "read_only: true"),
    ("X6.capabilities", "cap_drop: [\"ALL\"]"),
    ("X6.privileges", "no-new-privileges:true"),
];

/// Tries X6.
pub fn try_all(stage: &Stage) {
    let Ok(text) = std::fs::read_to_string(workspace().join(FILE)) else {
        stage.not_tested("V.6", format!("X6: there is no {FILE}"));
        return;
    };
    for (id, spoiled) in spoils(&text) {
        let wrong = faults(&text);
        let word = either(wrong.contains(&id), "not so", "as stated");
        // The same look at a copy that is wrong in this one respect finds it.
        let control = faults(&spoiled) == [id];
        pair(
            stage,
            (id, EDGE),
            (word, &["as stated"]),
            (
                either(control, "accepted", "spoiled copy not found"),
                &["accepted"],
            ),
        );
    }
}

/// A copy for each demand that it does not meet.
fn spoils(text: &str) -> Vec<(&'static str, String)> {
    let mut spoils: Vec<_> = COMMON
        .iter()
        .map(|(id, line)| (*id, text.replacen(line, "# left out", 1)))
        .collect();
    let redis = "    container_name: exai-redis\n";
    let published = format!("{redis}    ports: [\"6379:6379\"]\n");
    spoils.push(("X6.published", text.replacen(redis, &published, 1)));
    spoils.push((
        "X6.password",
        text.replacen("--requirepass", "--maxclients", 1),
    ));
    spoils.push((
        "X6.page",
        text.replacen("--http-auth-password", "--nothing", 1),
    ));
    spoils.push(("X6.limits", text.replacen("memory: 4G", "pids: 100", 1)));
    spoils
}

/// The demands that a file does not meet.
fn faults(text: &str) -> Vec<&'static str> {
    let (common, services) = text.split_once("\nservices:\n").unwrap_or((text, ""));
    let services = services
        .split_once("\nnetworks:")
        .map_or(services, |(one, _)| one);
    let blocks = blocks(services);
    let of = |name: &str| {
        blocks
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, block)| block)
    };
    let has = |name: &str, word: &str| of(name).is_some_and(|block| block.contains(word));
    let is_every = |word: &str| blocks.iter().all(|(_, block)| block.contains(word));
    let is_common = !blocks.is_empty() && is_every("<<: *service");
    let mut wrong: Vec<&str> = COMMON
        .iter()
        .filter(|(_, line)| !(is_common && common.contains(line)))
        .map(|(id, _)| *id)
        .collect();
    let limits = |block: &str| {
        let limits = block.split_once("limits:").map(|(_, rest)| rest);
        limits.is_some_and(|rest| {
            rest.lines()
                .next()
                .is_some_and(|line| line.contains("memory:"))
        })
    };
    let demands = [
        (
            "X6.published",
            of("exai-redis").is_some() && !has("exai-redis", "ports:"),
        ),
        ("X6.password", has("exai-redis", "--requirepass")),
        (
            "X6.page",
            has("exai-redis-commander", "--http-auth-password"),
        ),
        ("X6.limits", blocks.iter().all(|(_, block)| limits(block))),
    ];
    wrong.extend(
        demands
            .iter()
            .filter(|(_, holds)| !holds)
            .map(|(id, _)| *id),
    );
    wrong
}

/// The services by name: what is indented by two, and what stands below it.
fn blocks(services: &str) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    for line in services.lines() {
        let name = line
            .strip_prefix("  ")
            .filter(|rest| !rest.starts_with([' ', '#']));
        match (
            name.and_then(|name| name.strip_suffix(':')),
            blocks.last_mut(),
        ) {
            (Some(name), _) => blocks.push((name.to_owned(), String::new())),
            (None, Some((_, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_is_as_stated_and_each_spoiled_copy_is_found() {
        let text = std::fs::read_to_string(workspace().join(FILE)).unwrap();
        assert_eq!(faults(&text), Vec::<&str>::new());
        for (id, spoiled) in spoils(&text) {
            assert_eq!(faults(&spoiled), [id]);
        }
        assert!(!faults("").is_empty());
    }
}
