//! The leaf process against a real engine: containers go up, are broken, come back, and are gone
//! whatever happens to the process.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test without its ground has failed, and says what it left out"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use exai_harness::engine::wire::{
    Answer, Bounds, Carried, Facts, Health, Life, Order, Plan, Request, Saying,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[path = "leaf/form.rs"]
mod form;
#[path = "leaf/input.rs"]
mod input;

const REDIS: &str = "exai-redis";
const WITHIN_MS: u64 = 20_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);

struct Leaf {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    asked: u64,
    /// Lines and deaths told between two answers.
    told: Vec<Saying>,
}

type Refusal = (String, String);

impl Leaf {
    fn start(host: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_containers"));
        if let Some(host) = host {
            command.env("DOCKER_HOST", host);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the leaf starts");
        Self {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().expect("piped")),
            child,
            asked: 0,
            told: Vec::new(),
        }
    }

    fn try_ask(&mut self, order: Order) -> Result<Answer, Refusal> {
        self.asked += 1;
        let request = Request {
            id: self.asked,
            order,
        };
        let line = serde_json::to_string(&request).expect("an order is JSON");
        let stdin = self.stdin.as_mut().expect("still open");
        writeln!(stdin, "{line}").expect("the leaf reads");
        loop {
            match self.hear() {
                Saying::Done { id, answer } if id == self.asked => return Ok(answer),
                Saying::Failed { id, what, fix } if id == self.asked => return Err((what, fix)),
                other => self.told.push(other),
            }
        }
    }

    fn hear(&mut self) -> Saying {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the leaf talks");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn ask(&mut self, order: Order) -> Answer {
        let asked = format!("{order:?}");
        self.try_ask(order)
            .unwrap_or_else(|(what, fix)| panic!("{asked}: {what}; {fix}"))
    }

    fn life(&mut self, order: Order) -> Life {
        match self.ask(order) {
            Answer::Life(life) => *life,
            other => panic!("no life: {other:?}"),
        }
    }

    fn look(&mut self) -> Life {
        let name = REDIS.to_owned();
        self.life(Order::Look { name })
    }

    fn facts(&mut self) -> Facts {
        match self.ask(Order::Doctor) {
            Answer::Engine(facts) => facts,
            other => panic!("no engine: {other:?}"),
        }
    }

    /// Builds an image of the local redis and puts it up as the topology has it.
    fn redis(&mut self) -> Life {
        let files = ["redis-server", "redis-cli"].map(|name| Carried {
            from: which(name).expect("redis is installed"),
            to: format!("/usr/bin/{name}"),
        });
        let built = self.ask(Order::Build {
            image: "redis".to_owned(),
            files: files.into(),
        });
        let Answer::Image { id, holds } = built else {
            panic!("no image: {built:?}");
        };
        assert!(holds.iter().any(|path| path.contains("libc.so")));
        self.ask(Order::Network);
        self.life(Order::Up {
            plan: Box::new(plan(id)),
        })
    }

    fn ping(&mut self) -> Option<String> {
        let place = SocketAddr::from((self.look().address?, 6379));
        said(place, "PING")
    }
}

/// The first line that the Redis there answers to a command.
fn said(place: SocketAddr, command: &str) -> Option<String> {
    let patience = Duration::from_millis(500);
    let mut stream = TcpStream::connect_timeout(&place, patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).ok()?;
    Some(answer.trim().to_owned())
}

fn plan(image: String) -> Plan {
    Plan {
        name: REDIS.to_owned(),
        image,
        command: [
            "/usr/bin/redis-server",
            "--save",
            "",
            "--protected-mode",
            "no",
        ]
        .map(str::to_owned)
        .into(),
        user: "65534:65534".to_owned(),
        cwd: "/tmp".to_owned(),
        host: 11,
        tmpfs: vec!["/tmp".to_owned()],
        bounds: Bounds {
            restart: "unless-stopped".to_owned(),
            memory: 64 * 1024 * 1024,
            nano_cpus: 1_000_000_000,
            descriptors: (512, 1_024),
            read_only: true,
            no_capabilities: true,
            no_new_privileges: true,
        },
        health: Some(Health {
            command: ["/usr/bin/redis-cli", "-e", "ping"]
                .map(str::to_owned)
                .into(),
            interval_ms: 200,
            timeout_ms: 1_000,
            retries: 3,
            start_ms: 1_000,
        }),
        ..Plan::default()
    }
}

fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let places = std::env::split_paths(&path).map(|folder| folder.join(name));
    places.into_iter().find(|place| place.is_file())
}

/// Whether the ground is missing; fails when `EXAI_REQUIRE` demands it.
fn is_absent() -> bool {
    let refused = Leaf::start(None).try_ask(Order::Doctor).err();
    let missing = match (refused, which("redis-server")) {
        (Some((what, fix)), _) => format!("{what}; {fix}"),
        (None, None) => "redis-server (package redis-server)".to_owned(),
        (None, Some(_)) => return false,
    };
    println!("not run: a container engine with redis: {missing}");
    let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name.trim() == "engine");
    assert!(!is_required, "engine is required and absent: {missing}");
    true
}

/// Whether the engine still knows a container.
fn exists(leaf: &mut Leaf, id: &str) -> bool {
    let address = leaf.facts().address;
    let output = Command::new("docker")
        .env("DOCKER_HOST", address)
        .args(["inspect", "--format", "{{.Id}}", id])
        .output();
    output.is_ok_and(|output| output.status.success())
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < until, "{what} did not come about");
        std::thread::sleep(LOOK_EVERY);
    }
}

#[test]
fn an_absent_engine_is_told_in_two_seconds_with_address_and_package() {
    let begun = Instant::now();
    let mut leaf = Leaf::start(Some("unix:///no/such/engine.sock"));
    let (what, fix) = leaf.try_ask(Order::Doctor).expect_err("there is none");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(what.contains("unix:///no/such/engine.sock"), "{what}");
    assert!(fix.contains("apt-get install docker.io"), "{fix}");
    drop(leaf.stdin.take());
    assert!(leaf.child.wait().expect("it ends").success());
}

#[test]
fn a_killed_container_is_brought_back_by_its_policy_with_another_pid_and_start() {
    if is_absent() {
        return;
    }
    let mut leaf = Leaf::start(None);
    let up = leaf.redis();
    assert_eq!(
        (up.status.as_str(), up.user.as_str()),
        ("running", "65534:65534")
    );
    assert!(up.published.is_empty(), "published: {:?}", up.published);
    assert_eq!(up.bounds, plan(String::new()).bounds, "as read back");
    eventually("PONG", || leaf.ping().as_deref() == Some("+PONG"));
    eventually("health", || leaf.look().health == "healthy");
    let name = || REDIS.to_owned();
    let Answer::Killed { before, how } = leaf.ask(Order::Kill { name: name() }) else {
        panic!("not killed");
    };
    let next = leaf.life(Order::Next {
        name: name(),
        after: before.started_at.clone(),
        within_ms: WITHIN_MS,
    });
    let proof = before.proves(&next).expect("another life");
    if how == "signal from the host" {
        assert!(proof.contains("restart 1 by its policy"), "{proof}");
    }
    assert_eq!(next.address, up.address, "an address survives a restart");
    eventually("PONG", || leaf.ping().as_deref() == Some("+PONG"));
    let told = |leaf: &Leaf, code| {
        let is_it = |one: &Saying| matches!(one, Saying::Ended { code: seen, .. } if *seen == code);
        leaf.told.iter().any(is_it)
    };
    eventually("the death told", || {
        leaf.look();
        told(&leaf, 137)
    });
    let is_ready = |one: &&Saying| match one {
        Saying::Line { text, .. } => text.contains("Ready to accept"),
        _ => false,
    };
    eventually("lines of both lives", || {
        leaf.look();
        leaf.told.iter().filter(is_ready).count() == 2
    });
    assert_eq!(leaf.ask(Order::Down), Answer::Down { containers: 1 });
    assert!(!exists(&mut leaf, &up.id));
}

#[test]
fn a_container_is_paused_cut_off_measured_stopped_and_started_by_order() {
    if is_absent() {
        return;
    }
    let mut leaf = Leaf::start(None);
    leaf.redis();
    eventually("PONG", || leaf.ping().as_deref() == Some("+PONG"));
    let name = || REDIS.to_owned();
    assert_eq!(leaf.life(Order::Pause { name: name() }).status, "paused");
    assert_ne!(
        leaf.ping().as_deref(),
        Some("+PONG"),
        "a frozen store answers"
    );
    assert_eq!(leaf.life(Order::Unpause { name: name() }).status, "running");
    assert_eq!(leaf.ping().as_deref(), Some("+PONG"));
    let address = leaf.look().address;
    assert_eq!(leaf.life(Order::Partition { name: name() }).address, None);
    let back = leaf.life(Order::Rejoin { name: name() });
    assert_eq!(back.address, address, "the same place as before");
    eventually("PONG", || leaf.ping().as_deref() == Some("+PONG"));
    let Answer::Stats(stats) = leaf.ask(Order::Stats { name: name() }) else {
        panic!("no figures");
    };
    assert!(0 < stats.memory && stats.memory <= stats.memory_limit);
    assert_eq!(stats.memory_limit, 64 * 1024 * 1024);
    assert!(stats.pids >= 1 && stats.cpu > 0);
    let Answer::Tail { text } = leaf.ask(Order::Tail {
        name: name(),
        lines: 50,
    }) else {
        panic!("no lines");
    };
    assert!(text.contains("Ready to accept connections"), "{text}");
    let before = leaf.look();
    let stopped = leaf.life(Order::Stop {
        name: name(),
        within_ms: 5_000,
    });
    assert_eq!((stopped.status.as_str(), stopped.pid), ("exited", 0));
    let next = leaf.life(Order::Next {
        name: name(),
        after: before.started_at.clone(),
        within_ms: WITHIN_MS,
    });
    assert!(
        before
            .proves(&next)
            .expect("another life")
            .contains("by order")
    );
    let twice = leaf.try_ask(Order::Up {
        plan: Box::new(plan(next.image)),
    });
    assert!(twice.expect_err("the name is taken").0.contains(REDIS));
    let unknown = leaf.try_ask(Order::Look {
        name: "nobody".to_owned(),
    });
    assert!(unknown.expect_err("there is none").1.contains(REDIS));
}

#[test]
fn whatever_ends_the_leaf_its_containers_end_too() {
    if is_absent() {
        return;
    }
    let mut witness = Leaf::start(None);
    let mut leaf = Leaf::start(None);
    let id = leaf.redis().id;
    assert!(exists(&mut witness, &id));
    drop(leaf.stdin.take());
    assert!(leaf.child.wait().expect("it ends").success());
    assert!(!exists(&mut witness, &id), "left at the end of input");

    let mut leaf = Leaf::start(None);
    let id = leaf.redis().id;
    send(&leaf, Signal::SIGTERM);
    assert_eq!(leaf.child.wait().expect("it ends").code(), Some(143));
    assert!(!exists(&mut witness, &id), "left at SIGTERM");

    let mut leaf = Leaf::start(None);
    let id = leaf.redis().id;
    send(&leaf, Signal::SIGKILL);
    leaf.child.wait().expect("it ends");
    assert!(exists(&mut witness, &id), "SIGKILL leaves no time");
    // Another leaf of another test may have found it first.
    Leaf::start(None).facts();
    assert!(!exists(&mut witness, &id), "not swept by the next one");
}

fn send(leaf: &Leaf, signal: Signal) {
    let pid = i32::try_from(leaf.child.id()).expect("a pid");
    kill(Pid::from_raw(pid), signal).expect("signalled");
}
