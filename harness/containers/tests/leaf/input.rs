//! Containers that are spoken to: as the main program's input, and beside it on pipes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use exai_harness::engine::wire::{
    Answer, Bounds, Carried, Errand, Life, Order, PIPED, Plan, Saying,
};

use super::{Leaf, WITHIN_MS, eventually, is_absent, which};

const CAT: &str = "exai-cat";

/// Puts up a container whose one program says what it is told.
fn cat(leaf: &mut Leaf) -> Life {
    let built = leaf.ask(Order::Build {
        image: "cat".to_owned(),
        files: vec![Carried {
            from: which("cat").expect("every system has it"),
            to: "/bin/cat".to_owned(),
        }],
    });
    let Answer::Image { id, .. } = built else {
        panic!("no image: {built:?}");
    };
    leaf.ask(Order::Network);
    let plan = Plan {
        name: CAT.to_owned(),
        image: id,
        command: vec!["/bin/cat".to_owned()],
        user: "65534:65534".to_owned(),
        host: 12,
        input: true,
        bounds: Bounds {
            restart: "unless-stopped".to_owned(),
            ..Bounds::default()
        },
        ..Plan::default()
    };
    let plan = Box::new(plan);
    leaf.life(Order::Up { plan })
}

/// Hears what the leaf says until `is_it` finds what it looks for.
fn hear_until(leaf: &mut Leaf, mut is_it: impl FnMut(&Saying) -> bool) {
    while !leaf.told.iter().any(&mut is_it) {
        let said = leaf.hear();
        leaf.told.push(said);
    }
}

fn says(saying: &Saying, wanted: &str) -> bool {
    matches!(saying, Saying::Line { text, is_error: false, .. } if text == wanted)
}

#[test]
fn a_container_that_is_fed_is_heard_in_each_of_its_lives_and_ends_with_its_input() {
    if is_absent() {
        return;
    }
    let mut leaf = Leaf::start(None);
    let name = || CAT.to_owned();
    let first = cat(&mut leaf);
    leaf.ask(Order::Feed {
        name: name(),
        text: "the first life\nin two lines\n".to_owned(),
    });
    hear_until(&mut leaf, |one| says(one, "in two lines"));
    assert!(leaf.told.iter().any(|one| says(one, "the first life")));
    leaf.ask(Order::Kill { name: name() });
    let next = leaf.life(Order::Next {
        name: name(),
        after: first.started_at.clone(),
        within_ms: WITHIN_MS,
    });
    first.proves(&next).expect("another life");
    leaf.ask(Order::Feed {
        name: name(),
        text: "the second life\n".to_owned(),
    });
    hear_until(&mut leaf, |one| says(one, "the second life"));
    leaf.told.clear();
    leaf.ask(Order::Close { name: name() });
    hear_until(&mut leaf, |one| {
        matches!(one, Saying::Ended { code: 0, .. })
    });
    hear_until(&mut leaf, |one| matches!(one, Saying::Silent { .. }));
}

#[test]
fn a_container_without_an_input_is_not_fed() {
    if is_absent() {
        return;
    }
    let mut leaf = Leaf::start(None);
    leaf.redis();
    let refused = leaf.try_ask(Order::Feed {
        name: super::REDIS.to_owned(),
        text: "PING\n".to_owned(),
    });
    assert!(refused.expect_err("it has none").0.contains("no input"));
}

#[test]
fn a_program_beside_the_main_one_has_our_pipes_a_process_of_its_own_and_ends_with_them() {
    if is_absent() {
        return;
    }
    let mut leaf = Leaf::start(None);
    let life = cat(&mut leaf);
    let errand = Errand {
        container: life.id.clone(),
        command: vec!["/bin/cat".to_owned()],
        env: vec!["GREETING=hello".to_owned()],
        user: "65533:65533".to_owned(),
        cwd: "/tmp".to_owned(),
    };
    let mut pipe = Command::new(env!("CARGO_BIN_EXE_containers"))
        .arg("pipe")
        .arg(serde_json::to_string(&errand).expect("an errand is JSON"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the leaf starts");
    let mut told = BufReader::new(pipe.stderr.take().expect("piped"));
    let mut line = String::new();
    told.read_line(&mut line).expect("it says who runs");
    let pid = line.trim().strip_prefix(PIPED).expect(&line);
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs here");
    assert!(groups.contains(&life.id), "{groups}");
    let environment = std::fs::read(format!("/proc/{pid}/environ")).expect("ours to read");
    let environment = String::from_utf8_lossy(&environment).into_owned();
    assert!(environment.contains("GREETING=hello"), "{environment}");
    let mut input = pipe.stdin.take().expect("piped");
    let mut output = BufReader::new(pipe.stdout.take().expect("piped"));
    for word in ["one\n", "two\n"] {
        input.write_all(word.as_bytes()).expect("it reads");
        let mut answer = String::new();
        output.read_line(&mut answer).expect("it answers");
        assert_eq!(answer, word);
    }
    drop(input);
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("its end");
    assert_eq!(rest, "");
    assert!(pipe.wait().expect("it ends").success());
    eventually("the program's end", || {
        !std::path::Path::new(&format!("/proc/{pid}/cgroup")).exists()
    });
    // Nobody asked the main one anything.
    assert_eq!(
        leaf.life(Order::Look {
            name: CAT.to_owned()
        })
        .pid,
        life.pid
    );
}
