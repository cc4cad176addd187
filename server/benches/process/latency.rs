//! What a call through the server costs beside one straight to the provider and one through a
//! relay that does nothing, on kept connections, and whether times gather near the 40 ms of a
//! delayed acknowledgement.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use crate::client::Connection;
use crate::redis::Redis;
use crate::served::Served;
use crate::{Trouble, at_once, millis, quantile, relay, upstream};

/// The most that a call of one caller may be longer through the server.
const GOAL: Duration = Duration::from_micros(300);

const WARM_UP: usize = 300;
const CALLS: usize = 3000;
const STREAMS: usize = 60;
/// Callers at once, beside one alone; their calls in each of the rounds.
const CROWD: usize = 32;
const ROUNDS: usize = 6;
const CALLS_OF_EACH: usize = 30;

/// Where a delayed acknowledgement shows.
const PLATEAU: std::ops::Range<Duration> = Duration::from_millis(35)..Duration::from_millis(55);

/// The tool that hands the provider's answer on and keeps nothing.
const PASSED_ON: &str = "kimi_chat_with_tools";

/// Prints the added time of a tool that asks nobody, of one that passes the provider's answer on,
/// and of one that keeps the turn, in the embedded store and, where there is one, in Redis.
pub fn measure() -> Result<(), Trouble> {
    let provider = upstream::start()?;
    let relay = relay::start(provider)?;
    let mut settings = upstream::settings(provider);
    settings.push("tools.profile=full".to_owned());
    let server = Served::start(&settings)?;
    let ways = Ways {
        provider,
        relay,
        server: server.public,
    };
    ways.compare("version", "version")?;
    ways.compare(PASSED_ON, "answer passed on")?;
    ways.compare("chat", "chat, embedded store")?;
    drop(server);
    let Some(redis) = Redis::start()? else {
        println!("  not measured: chat with Redis (there is no redis-server)");
        return Ok(());
    };
    settings.extend(redis.settings());
    let server = Served::start(&settings)?;
    let ways = Ways {
        server: server.public,
        ..ways
    };
    ways.compare("chat", "chat, Redis")
}

/// The ways to the provider.
struct Ways {
    provider: SocketAddr,
    relay: SocketAddr,
    server: SocketAddr,
}

/// Times of calls, by the way they went.
#[derive(Default)]
struct Times {
    straight: Vec<Duration>,
    relayed: Vec<Duration>,
    through: Vec<Duration>,
}

impl Ways {
    fn compare(&self, tool: &str, what: &str) -> Result<(), Trouble> {
        let goal = format!("; target of the 99th +{} us", GOAL.as_micros());
        self.alone(tool)?.tell(&format!("{what}, 1 caller"), &goal);
        self.crowded(tool)?
            .tell(&format!("{what}, {CROWD} callers"), "");
        Ok(())
    }

    /// One after the other, on each way in turn.
    fn alone(&self, tool: &str) -> Result<Times, Trouble> {
        let mut times = Times::default();
        let mut direct = Connection::open(self.provider)?;
        let mut relayed = Connection::open(self.relay)?;
        let mut routed = Connection::open(self.server)?;
        for n in 0..WARM_UP + CALLS {
            let straight = ask(&mut direct)?;
            let by_relay = ask(&mut relayed)?;
            let through = call(&mut routed, tool, &format!("hello {n}"))?;
            if n >= WARM_UP {
                times.straight.push(straight);
                times.relayed.push(by_relay);
                times.through.push(through);
            }
        }
        Ok(times)
    }

    /// All of them on one way, then on the next, round by round; the first warms them up.
    fn crowded(&self, tool: &str) -> Result<Times, Trouble> {
        let mut times = Times::default();
        let asked = |at: SocketAddr| {
            at_once(CROWD, |_| -> Result<Vec<Duration>, Trouble> {
                let mut connection = Connection::open(at)?;
                (0..CALLS_OF_EACH).map(|_| ask(&mut connection)).collect()
            })
        };
        for round in 0..=ROUNDS {
            let straight = asked(self.provider)?;
            let relayed = asked(self.relay)?;
            let through = at_once(CROWD, |caller| -> Result<Vec<Duration>, Trouble> {
                let mut routed = Connection::open(self.server)?;
                let prompt = |n| format!("round {round}, caller {caller}, call {n}");
                (0..CALLS_OF_EACH)
                    .map(|n| call(&mut routed, tool, &prompt(n)))
                    .collect()
            })?;
            if round > 0 {
                times.straight.extend(straight.into_iter().flatten());
                times.relayed.extend(relayed.into_iter().flatten());
                times.through.extend(through.into_iter().flatten());
            }
        }
        Ok(times)
    }
}

impl Times {
    fn tell(mut self, what: &str, goal: &str) {
        for times in [&mut self.straight, &mut self.relayed, &mut self.through] {
            times.sort();
        }
        for share in [0.5, 0.99] {
            let micros = |times| millis(quantile(times, share)) * 1e3;
            let straight = micros(&self.straight);
            let (relayed, through) = (micros(&self.relayed), micros(&self.through));
            println!(
                "  {what}, p{:.0}: {straight:.0} us straight, {:+.0} us by a relay that does \
                 nothing, {:+.0} us through the server, {:.1} times the relay's in all{}",
                share * 100.0,
                relayed - straight,
                through - straight,
                through / relayed,
                if share > 0.5 { goal } else { "" }
            );
        }
    }
}

/// One question straight to the provider.
pub fn ask(direct: &mut Connection) -> Result<Duration, Trouble> {
    let question = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    Ok(direct.post(upstream::PATH, "", &question)?.whole)
}

/// No two prompts are alike, so that no answer comes from an earlier call.
pub fn call(routed: &mut Connection, tool: &str, prompt: &str) -> Result<Duration, Trouble> {
    let arguments = match tool {
        "chat" => json!({ "prompt": prompt }),
        PASSED_ON => json!({"messages": [{"role": "user", "content": prompt}]}),
        _ => json!({}),
    };
    Ok(routed.call(tool, &arguments, None)?.whole)
}

/// Prints how many times lie where a delayed acknowledgement would put them, straight to the
/// provider and through the server.
pub fn measure_plateau() -> Result<(), Trouble> {
    let provider = upstream::start()?;
    let server = Served::start(&upstream::settings(provider))?;
    let mut direct = Connection::open(provider)?;
    let mut through = Connection::open(server.public)?;
    let (mut straight, mut whole) = (Vec::new(), Vec::new());
    for n in 0..WARM_UP + CALLS {
        straight.push(ask(&mut direct)?);
        whole.push(call(&mut through, "chat", &format!("hello {n}"))?);
    }
    gathered("whole answers, straight", straight.split_off(WARM_UP));
    gathered("whole answers, one at a time", whole.split_off(WARM_UP));
    let (mut straight, mut first) = (Vec::new(), Vec::new());
    for n in 0..STREAMS {
        straight.push(ask_stream(&mut direct)?);
        let arguments = json!({"prompt": format!("stream {n}"), "stream": true});
        let answer = through.call("chat", &arguments, Some("p"))?;
        if answer.first.is_zero() {
            return Err(format!("no event before the end: {}", answer.body).into());
        }
        first.push(answer.first);
    }
    gathered("first text of a stream, straight", straight);
    gathered("first text of a stream", first);
    Ok(())
}

/// The time to the first text of a stream straight from the provider.
fn ask_stream(direct: &mut Connection) -> Result<Duration, Trouble> {
    let question = json!({"model": "m", "stream": true,
        "messages": [{"role": "user", "content": "hello"}]});
    Ok(direct.post(upstream::PATH, "", &question)?.first)
}

fn gathered(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let near = times.iter().filter(|time| PLATEAU.contains(time)).count();
    println!(
        "  {what}: p50 {:.2} ms, p99 {:.2} ms, most {:.1} ms; {near} of {} in {}-{} ms, target 0",
        millis(quantile(&times, 0.5)),
        millis(quantile(&times, 0.99)),
        millis(quantile(&times, 1.0)),
        times.len(),
        PLATEAU.start.as_millis(),
        PLATEAU.end.as_millis()
    );
}
