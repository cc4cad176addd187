//! How each fault looks on the wire. A fault works on one of three layers: a whole body of its own,
//! the content before it is encoded, or the frames and steps after.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::content::Content;
use crate::desk;
use crate::fault::FaultName;
use crate::provider::{Provider, Route};
use crate::refusal::Refusal;
use crate::reply::{Head, Reply};
use crate::strict::Terms;

mod bench;
mod content;
mod date;
mod frames;
mod gateway;
mod glm;
mod kimi;
mod minimax;
mod socket;

/// The request a fault lands on, and the healthy reply it spoils.
pub struct Scene<'a> {
    /// The vendor.
    pub provider: Provider,
    /// Where the request was sent.
    pub route: Route,
    /// What it asked for.
    pub terms: &'a Terms,
    /// Its body.
    pub body: &'a Map<String, Value>,
    /// What the healthy reply would say.
    pub content: Content,
    /// The plan's pause between frames.
    pub pace: Duration,
    /// The rule's own wait.
    pub delay: Option<Duration>,
    /// Writes the keyed answer around other prose.
    pub compose: &'a dyn Fn(&str) -> String,
}

/// A spoiled reply.
pub struct Spoiled {
    /// What to play.
    pub reply: Reply,
    /// The keyed answer, where the reply carries all of it.
    pub answer: Option<String>,
}

impl Spoiled {
    fn without_answer(reply: Reply) -> Self {
        Self {
            reply,
            answer: None,
        }
    }
}

impl Scene<'_> {
    fn delay_or(&self, milliseconds: u64) -> Duration {
        self.delay.unwrap_or(Duration::from_millis(milliseconds))
    }

    fn healthy(&self) -> Reply {
        desk::healthy(self.route, &self.content, self.terms.stream, self.pace)
    }

    /// The healthy reply with its answer.
    fn whole(self) -> Spoiled {
        Spoiled {
            reply: self.healthy(),
            answer: self.content.text,
        }
    }

    /// The reply as its content now stands, which is not the answer.
    fn changed(self) -> Spoiled {
        Spoiled::without_answer(self.healthy())
    }

    /// A moment in vendor notation, by default an hour from now.
    fn reset_time(&self) -> String {
        date::text(
            self.content
                .created
                .saturating_add(self.delay_or(3_600_000).as_secs()),
        )
    }
}

/// Spoils the reply of a scene.
#[must_use]
pub fn spoil(name: FaultName<'_>, scene: Scene<'_>) -> Spoiled {
    let (group, _) = name.id.split_at(name.id.len().min(1));
    match group {
        "K" => {
            let mut spoiled = refuse(kimi::refusal(name, &scene), kimi::page(name));
            spoiled.reply = spoiled.reply.after(scene.delay_or(0));
            spoiled
        }
        "Z" => refuse(glm::refusal(name, &scene), glm::page(name)),
        "M" => refuse(minimax::refusal(name, &scene), None),
        "G" => gateway::spoil(name, scene),
        "S" => frames::spoil(name, scene),
        "C" => content::spoil(name, scene),
        _ => bench::spoil(name, scene),
    }
}

fn refuse(refusal: Option<Refusal>, page: Option<Reply>) -> Spoiled {
    let reply = refusal.map(|refusal| desk::refused(&refusal)).or(page);
    Spoiled::without_answer(reply.unwrap_or_else(unwritten))
}

/// The table and these modules are compared by a test, so that this reply is never sent.
fn unwritten() -> Reply {
    Reply::whole(Head::new(500, "text/plain"), UNWRITTEN.as_bytes())
}

const UNWRITTEN: &str = "this fault has no wire form";

fn html(status: u16, title: &str) -> Reply {
    let page = format!(
        "<!DOCTYPE html>\n<html><head><title>{status} {title}</title></head>\n<body><center>\
         <h1>{status} {title}</h1></center><hr><center>nginx</center></body></html>\n"
    );
    let head = Head::new(status, "text/html; charset=utf-8").with("server", "nginx");
    Reply::whole(head, page.as_bytes())
}

#[cfg(test)]
mod tests;
