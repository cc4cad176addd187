//! What a call through the server costs beside one straight to the provider on kept connections,
//! and whether times gather near the 40 ms of a delayed acknowledgement.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use crate::client::Connection;
use crate::redis::Redis;
use crate::served::Served;
use crate::{Trouble, at_once, millis, quantile, upstream};

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
    let mut settings = upstream::settings(provider);
    settings.push("tools.profile=full".to_owned());
    let server = Served::start(&settings)?;
    compare("version", "version", (provider, server.public))?;
    compare(PASSED_ON, "answer passed on", (provider, server.public))?;
    compare("chat", "chat, embedded store", (provider, server.public))?;
    drop(server);
    let Some(redis) = Redis::start()? else {
        println!("  not measured: chat with Redis (there is no redis-server)");
        return Ok(());
    };
    settings.extend(redis.settings());
    let server = Served::start(&settings)?;
    compare("chat", "chat, Redis", (provider, server.public))
}

fn compare(
    tool: &str,
    what: &str,
    (provider, server): (SocketAddr, SocketAddr),
) -> Result<(), Trouble> {
    let (straight, through) = alone(tool, provider, server)?;
    let goal = format!("; target of the 99th {} us added", GOAL.as_micros());
    tell(&format!("{what}, 1 caller"), straight, through, &goal);
    let (straight, through) = crowded(tool, provider, server)?;
    tell(&format!("{what}, {CROWD} callers"), straight, through, "");
    Ok(())
}

type Both = (Vec<Duration>, Vec<Duration>);

/// One after the other, now the one and now the other.
fn alone(tool: &str, provider: SocketAddr, server: SocketAddr) -> Result<Both, Trouble> {
    let (mut straight, mut through) = (Vec::new(), Vec::new());
    let mut direct = Connection::open(provider)?;
    let mut routed = Connection::open(server)?;
    for n in 0..WARM_UP + CALLS {
        let one = ask(&mut direct)?;
        let other = call(&mut routed, tool, &format!("hello {n}"))?;
        if n >= WARM_UP {
            straight.push(one);
            through.push(other);
        }
    }
    Ok((straight, through))
}

/// All of them straight, then all of them through, round by round; the first warms both up.
fn crowded(tool: &str, provider: SocketAddr, server: SocketAddr) -> Result<Both, Trouble> {
    let (mut straight, mut through) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let one: Vec<Vec<Duration>> = at_once(CROWD, |_| {
            let mut direct = Connection::open(provider)?;
            (0..CALLS_OF_EACH).map(|_| ask(&mut direct)).collect()
        })?;
        let other: Vec<Vec<Duration>> = at_once(CROWD, |caller| {
            let mut routed = Connection::open(server)?;
            let prompt = |n| format!("round {round}, caller {caller}, call {n}");
            (0..CALLS_OF_EACH)
                .map(|n| call(&mut routed, tool, &prompt(n)))
                .collect()
        })?;
        if round > 0 {
            straight.extend(one.into_iter().flatten());
            through.extend(other.into_iter().flatten());
        }
    }
    Ok((straight, through))
}

/// One question straight to the provider.
pub fn ask(direct: &mut Connection) -> Result<Duration, Trouble> {
    let question = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    Ok(direct.post("/v1/chat/completions", "", &question)?.whole)
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

fn tell(what: &str, mut straight: Vec<Duration>, mut through: Vec<Duration>, goal: &str) {
    straight.sort();
    through.sort();
    for share in [0.5, 0.99] {
        let (one, other) = (quantile(&straight, share), quantile(&through, share));
        println!(
            "  {what}, p{:.0}: {:.0} us straight, {:.0} us through, {:.0} us added, {:.1} times{}",
            share * 100.0,
            millis(one) * 1e3,
            millis(other) * 1e3,
            (millis(other) - millis(one)) * 1e3,
            other.as_secs_f64() / one.as_secs_f64(),
            if share > 0.5 { goal } else { "" }
        );
    }
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
    Ok(direct.post("/v1/chat/completions", "", &question)?.first)
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
