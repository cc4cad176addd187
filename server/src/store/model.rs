//! Appends as a state machine: random operations against a model, for each home.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::contract::{Bench, LIMITS, embedded, next, now_ms, opening, redis};
use super::*;

const OWNERS: [&str; 2] = ["ada", "eve"];
const CAP: u32 = 3;

#[derive(Debug, Clone)]
enum Step {
    Begin {
        owner: usize,
    },
    Append {
        owner: usize,
        thread: usize,
        expected: Option<u32>,
        key: Option<(u8, u8)>,
    },
    Repeat,
    Read {
        owner: usize,
        thread: usize,
    },
    Delete {
        owner: usize,
        thread: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let owner = 0..OWNERS.len();
    let thread = 0..4_usize;
    let key = proptest::option::of((0..3_u8, 0..2_u8));
    let step = prop_oneof![
        2 => owner.clone().prop_map(|owner| Step::Begin { owner }),
        6 => (owner.clone(), thread.clone(), proptest::option::of(0..4_u32), key).prop_map(
            |(owner, thread, expected, key)| Step::Append { owner, thread, expected, key }
        ),
        1 => Just(Step::Repeat),
        3 => (owner.clone(), thread.clone()).prop_map(|(owner, thread)| {
            Step::Read { owner, thread }
        }),
        1 => (owner, thread).prop_map(|(owner, thread)| Step::Delete { owner, thread }),
    ];
    proptest::collection::vec(step, 1..30)
}

/// What the store should hold, written the plainest way.
#[derive(Default)]
struct Model {
    threads: BTreeMap<ThreadId, (String, Vec<Exchange>)>,
    claims: BTreeMap<(String, String), Recalled>,
    ids: Vec<ThreadId>,
    last: Option<Append>,
}

impl Model {
    fn append(&mut self, append: &Append) -> Result<Appended, StoreError> {
        let held = self
            .threads
            .get(&append.thread)
            .filter(|(owner, _)| *owner == append.owner);
        if let Some((_, held)) = held
            && let Some(at) = held.iter().position(|one| one.id == append.exchange.id)
        {
            return Ok(Appended::Stored {
                turn: at as u32 + 1,
            });
        }
        let slot = |claim: &Claim| (append.owner.clone(), claim.key.clone());
        if let Some((claim, _)) = &append.claim
            && let Some(recalled) = self.claims.get(&slot(claim))
        {
            return if recalled.digest == claim.digest {
                Ok(Appended::Replayed(recalled.clone()))
            } else {
                Err(StoreError::KeyReused)
            };
        }
        if let Target::Existing { expected } = append.target {
            let turns = held.ok_or(StoreError::NotFound)?.1.len() as u32;
            if turns >= CAP {
                return Err(StoreError::Full { cap: CAP });
            }
            if expected.is_some_and(|expected| expected != turns) {
                return Err(StoreError::Moved { turns });
            }
        } else {
            self.ids.push(append.thread);
        }
        let fresh = || (append.owner.clone(), Vec::new());
        let (_, held) = self.threads.entry(append.thread).or_insert_with(fresh);
        held.push(append.exchange.clone());
        let turn = held.len() as u32;
        if let Some((claim, reply)) = &append.claim {
            let (digest, reply) = (claim.digest.clone(), reply.clone());
            let recalled = Recalled {
                digest,
                thread: append.thread,
                turn,
                reply,
            };
            self.claims.insert(slot(claim), recalled);
        }
        Ok(Appended::Stored { turn })
    }

    fn read(&self, owner: &str, id: ThreadId) -> Result<Vec<Exchange>, StoreError> {
        match self.threads.get(&id) {
            Some((of, exchanges)) if of == owner => Ok(exchanges.clone()),
            _ => Err(StoreError::NotFound),
        }
    }

    fn delete(&mut self, owner: &str, id: ThreadId) -> Result<(), StoreError> {
        self.read(owner, id)?;
        self.threads.remove(&id);
        self.claims.retain(|_, recalled| recalled.thread != id);
        Ok(())
    }

    fn thread(&self, n: usize) -> ThreadId {
        // An id never issued stands for every thread not begun yet.
        self.ids.get(n).copied().unwrap_or_else(ThreadId::fresh)
    }
}

async fn run(bench: &Bench, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    let salt = ThreadId::fresh();
    let name = |owner: usize| format!("{}-{salt}", OWNERS[owner]);
    for (n, step) in steps.into_iter().enumerate() {
        let text = format!("message {n}");
        match step {
            Step::Begin { owner } => {
                let append = opening(&name(owner), &text);
                prop_assert_eq!(bench.store.append(&append).await, model.append(&append));
                model.last = Some(append);
            }
            Step::Append {
                owner,
                thread,
                expected,
                key,
            } => {
                let mut append = next(&name(owner), model.thread(thread), &text);
                append.target = Target::Existing { expected };
                append.claim = key.map(|(key, digest)| {
                    (
                        Claim {
                            key: key.to_string(),
                            digest: digest.to_string(),
                        },
                        text.clone(),
                    )
                });
                prop_assert_eq!(bench.store.append(&append).await, model.append(&append));
                model.last = Some(append);
            }
            Step::Repeat => {
                if let Some(append) = model.last.clone() {
                    prop_assert_eq!(bench.store.append(&append).await, model.append(&append));
                }
            }
            Step::Read { owner, thread } => {
                let (owner, id) = (name(owner), model.thread(thread));
                let read = bench.store.read(&owner, id, now_ms()).await;
                prop_assert_eq!(read.map(|thread| thread.exchanges), model.read(&owner, id));
            }
            Step::Delete { owner, thread } => {
                let (owner, id) = (name(owner), model.thread(thread));
                let deleted = bench.store.delete(&owner, id, now_ms()).await;
                prop_assert_eq!(deleted, model.delete(&owner, id));
            }
        }
    }
    Ok(())
}

fn check(bench: &Bench, runtime: &tokio::runtime::Runtime) {
    let config = Config {
        cases: 48,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    runner
        .run(&steps(), |steps| runtime.block_on(run(bench, steps)))
        .unwrap();
}

const SMALL: ThreadLimits = ThreadLimits {
    exchanges: CAP,
    ..LIMITS
};

#[test]
fn the_embedded_home_agrees_with_the_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    check(&runtime.block_on(embedded(SMALL)), &runtime);
}

#[test]
fn the_redis_home_agrees_with_the_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(bench) = runtime.block_on(redis(SMALL)) {
        check(&bench, &runtime);
    }
}
