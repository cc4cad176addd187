use proptest::prelude::*;

use super::*;

fn results(bytes: usize) -> Results {
    let mut settings = crate::config::Config::from_toml("").unwrap().tools;
    settings.result_bytes = bytes;
    Results::new(&settings)
}

fn question(key: &str) -> Question {
    Question {
        key: key.to_owned(),
        spelling: key.to_owned(),
        may_be_old: true,
    }
}

fn reply(text: &str) -> Reply {
    Reply::of_text(text.to_owned())
}

fn second_choice(text: &str) -> Reply {
    let mut kept = crate::tool::call::Kept::default();
    kept.trace.insert("failover".to_owned(), true.into());
    let mut second = reply(text);
    second.about = Some(crate::tool::call::About {
        receipt: crate::thread::Receipt {
            thread: crate::store::ThreadId::fresh(),
            turn: 1,
            turns_left: 9,
            ttl_seconds: 60,
        },
        replayed: false,
        kept,
    });
    second
}

#[test]
fn an_answer_is_found_until_its_time_is_over_and_says_where_it_comes_from() {
    let results = results(1 << 20);
    let start = Instant::now();
    let late = start + Duration::from_secs(299);
    results.keep(question("a"), &reply("A"), start + Duration::from_secs(1));
    let waited = results.find(&question("a"), start, late).unwrap();
    assert_eq!(waited.shared, Some(Shared::Inflight));
    let kept = results.find(&question("a"), late, late).unwrap();
    assert_eq!(
        (kept.text.as_str(), kept.shared),
        ("A", Some(Shared::Cache))
    );
    let over = start + Duration::from_secs(301);
    assert!(results.find(&question("a"), over, over).is_none());
    assert!(results.find(&question("b"), start, start).is_none());
    let searching = Question {
        may_be_old: false,
        ..question("a")
    };
    assert!(results.find(&searching, late, late).is_none());
    assert!(results.find(&searching, start, late).is_some());
}

#[test]
fn the_same_meaning_otherwise_written_is_found_only_while_that_is_switched_on() {
    let mut settings = crate::config::Config::from_toml("").unwrap().tools;
    let other = Question {
        spelling: "a, otherwise".to_owned(),
        ..question("a")
    };
    let start = Instant::now();
    let later = |seconds| start + Duration::from_secs(seconds);
    let found = |results: &Results, asked: &Question, seconds| {
        let reply = results.find(asked, later(seconds), later(seconds))?;
        reply.shared
    };
    let off = Results::new(&settings);
    off.keep(question("a"), &reply("A"), start);
    assert_eq!(found(&off, &other, 1), None);
    settings.semantic_ttl = Duration::from_secs(600);
    let on = Results::new(&settings);
    on.keep(question("a"), &reply("A"), start);
    assert_eq!(found(&on, &question("a"), 299), Some(Shared::Cache));
    assert_eq!(found(&on, &other, 299), Some(Shared::Meaning));
    assert_eq!(found(&on, &question("a"), 599), Some(Shared::Meaning));
    assert_eq!(found(&on, &other, 600), None);
    let searching = Question {
        may_be_old: false,
        ..other
    };
    assert_eq!(found(&on, &searching, 1), None);
}

#[test]
fn a_kept_answer_comes_back_whole_and_takes_no_more_than_it_counts_for() {
    let results = results(1 << 20);
    let start = Instant::now();
    let kept = second_choice("text \"quoted\"\n");
    let whole = Reply {
        structured: Some(serde_json::json!({"b": [1, 0.1], "a": {"cost": 0.000_123}})),
        page: 2,
        page_call: Some(serde_json::json!({"page": 3})),
        ..kept
    };
    results.keep(question("a"), &whole, start + Duration::from_secs(1));
    let found = results.find(&question("a"), start, start).unwrap();
    let shared = Some(Shared::Inflight);
    assert_eq!(found, Reply { shared, ..whole });
    let shelf = results.lock();
    let entry = &shelf.entries["a"];
    let slots = 2 * (size_of::<(String, Entry)>() + size_of::<(Instant, String)>());
    let held = entry.json.len() + 2 * "a".len() + entry.spelling.len() + slots;
    assert!(held <= entry.bytes, "{held} in {}", entry.bytes);
}

#[test]
fn an_answer_after_a_failover_is_for_those_who_wait_and_not_for_later() {
    let results = results(1 << 20);
    let start = Instant::now();
    let second = second_choice("from the second");
    let given = start + Duration::from_secs(1);
    results.keep(question("a"), &second, given);
    assert!(results.find(&question("a"), start, given).is_some());
    let later = given + Duration::from_secs(1);
    assert!(results.find(&question("a"), later, later).is_none());
}

#[test]
fn the_oldest_answers_go_first_and_no_more_bytes_are_held_than_allowed() {
    let one = serde_json::to_vec(&reply("x")).unwrap().len() + 3 + PLACE;
    let most = 3 * one;
    let results = results(most);
    let start = Instant::now();
    for (n, key) in ["a", "b", "c", "a", "d"].into_iter().enumerate() {
        let now = start + Duration::from_secs(n as u64);
        results.keep(question(key), &reply("x"), now);
        let shelf = results.lock();
        assert!(shelf.bytes <= most, "{}", shelf.bytes);
        let held: usize = shelf.entries.values().map(|entry| entry.bytes).sum();
        assert_eq!(shelf.bytes, held);
    }
    let found = |key| results.find(&question(key), start, start).is_some();
    assert_eq!(["a", "b", "c", "d"].map(found), [true, false, true, true]);
    let half = Reply {
        structured: Some(serde_json::json!({"finish_reason": "length"})),
        ..reply("half")
    };
    results.keep(question("half"), &half, start);
    assert!(!found("half"));
    results.keep(question("big"), &reply(&"x".repeat(most)), start);
    assert!(!found("big"));
}

/// What is done to the answers, each at least a millisecond after the one before.
#[derive(Debug, Clone, Copy)]
enum Move {
    Wait(u16),
    /// Whose key, which spelling of it, and whether one from before will do.
    Find(u8, u8, bool),
    /// Whose key, which spelling, how long, and whether after a failover or cut.
    Keep(u8, u8, u16, Made),
    Clear,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Whole,
    SecondChoice,
    Cut,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let made = prop_oneof![
        6 => Just(Made::Whole),
        1 => Just(Made::SecondChoice),
        1 => Just(Made::Cut),
    ];
    let one = prop_oneof![
        3 => (1..400_u16).prop_map(Move::Wait),
        8 => (0..5_u8, 0..2_u8, any::<bool>()).prop_map(|(k, s, old)| Move::Find(k, s, old)),
        8 => (0..5_u8, 0..2_u8, 0..200_u16, made).prop_map(|(k, s, n, m)| Move::Keep(k, s, n, m)),
        1 => Just(Move::Clear),
    ];
    proptest::collection::vec(one, 1..40)
}

/// One answer of the reference.
struct Given {
    key: String,
    spelling: String,
    at: Instant,
    bytes: usize,
    text: String,
    is_kept: bool,
}

/// The same as a plain list, the oldest answer first.
struct Reference {
    given: Vec<Given>,
    most: usize,
    ttl: Duration,
    semantic: Duration,
}

impl Reference {
    fn find(&self, asked: &Question, since: Instant, now: Instant) -> Option<(String, Shared)> {
        let one = self.given.iter().find(|one| one.key == asked.key)?;
        let age = now - one.at;
        let is_lasting = asked.may_be_old && one.is_kept;
        let shared = match () {
            () if one.at >= since => Shared::Inflight,
            () if !is_lasting => return None,
            () if one.spelling == asked.spelling && age < self.ttl => Shared::Cache,
            () if age < self.semantic => Shared::Meaning,
            () => return None,
        };
        Some((one.text.clone(), shared))
    }

    fn keep(&mut self, one: Given) {
        if one.bytes > self.most {
            return;
        }
        let longest = self.ttl.max(self.semantic);
        self.given
            .retain(|old| old.key != one.key && one.at - old.at < longest);
        while self.bytes() + one.bytes > self.most {
            self.given.remove(0);
        }
        self.given.push(one);
    }

    fn bytes(&self) -> usize {
        self.given.iter().map(|one| one.bytes).sum()
    }
}

fn asked(key: u8, spelling: u8, may_be_old: bool) -> Question {
    Question {
        key: key.to_string(),
        spelling: format!("{key} {spelling}"),
        may_be_old,
    }
}

fn made(length: u16, made: Made) -> Reply {
    let text = "x".repeat(length.into());
    match made {
        Made::Whole => reply(&text),
        Made::SecondChoice => second_choice(&text),
        Made::Cut => Reply {
            structured: Some(serde_json::json!({"finish_reason": "length"})),
            ..reply(&text)
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn it_answers_what_a_plain_list_would(
        (most, ttl_ms, semantic_ms) in (600..3500_usize, 1..1000_u64, 0..1000_u64),
        since_ms in 0..200_u64,
        moves in moves(),
    ) {
        let (ttl, semantic) = (Duration::from_millis(ttl_ms), Duration::from_millis(semantic_ms));
        let results = Results {
            shelf: Arc::default(),
            most_bytes: most,
            ttl,
            semantic_ttl: semantic,
        };
        let mut reference = Reference { given: Vec::new(), most, ttl, semantic };
        let start = Instant::now();
        let mut now = start + Duration::from_millis(since_ms);
        for one in moves {
            now += Duration::from_millis(1);
            match one {
                Move::Wait(ms) => now += Duration::from_millis(ms.into()),
                Move::Find(key, spelling, may_be_old) => {
                    let question = asked(key, spelling, may_be_old);
                    // Some wait since before the last answers, some have only come.
                    for since in [now, now - Duration::from_millis(since_ms)] {
                        let found = results.find(&question, since, now);
                        let found = found.and_then(|reply| Some((reply.text, reply.shared?)));
                        prop_assert_eq!(found, reference.find(&question, since, now));
                    }
                }
                Move::Keep(key, spelling, length, kind) => {
                    let (question, reply) = (asked(key, spelling, true), made(length, kind));
                    let json = serde_json::to_vec(&reply).unwrap().len();
                    let given = Given {
                        bytes: json + 2 * question.key.len() + question.spelling.len() + PLACE,
                        key: question.key.clone(),
                        spelling: question.spelling.clone(),
                        at: now,
                        text: reply.text.clone(),
                        is_kept: kind == Made::Whole,
                    };
                    results.keep(question, &reply, now);
                    if kind != Made::Cut {
                        reference.keep(given);
                    }
                }
                Move::Clear => {
                    results.clear();
                    reference.given.clear();
                }
            }
            let shelf = results.lock();
            prop_assert_eq!(shelf.bytes, reference.bytes());
            prop_assert!(shelf.bytes <= most && shelf.entries.len() == reference.given.len());
        }
    }
}
