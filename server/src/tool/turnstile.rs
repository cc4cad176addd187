//! One call at a time per key, so that the second of two equal calls finds the first one's answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Door, OwnedMutexGuard};

type Doors = Arc<Mutex<HashMap<String, Arc<Door<()>>>>>;

/// A set of doors, as many as keys in use.
#[derive(Debug, Clone, Default)]
pub struct Turnstile {
    doors: Doors,
}

/// The right to be the only one with a key, until dropped.
#[derive(Debug)]
pub struct Pass {
    doors: Doors,
    key: String,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turnstile {
    /// Waits for the key. The caller's deadline bounds the wait.
    pub async fn enter(&self, key: String) -> Pass {
        let door = {
            let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
            doors.entry(key.clone()).or_default().clone()
        };
        // Made before waiting, so that a wait that is given up tidies up as well.
        let mut pass = Pass {
            doors: self.doors.clone(),
            key,
            held: None,
        };
        pass.held = Some(door.lock_owned().await);
        pass
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.doors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        self.held = None;
        // Nobody else holds or awaits the door when only the table knows it.
        if doors
            .get(&self.key)
            .is_some_and(|door| Arc::strong_count(door) == 1)
        {
            doors.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::future::Future;
    use std::pin::Pin;

    use futures::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    #[tokio::test]
    async fn a_second_call_waits_and_an_unused_key_is_forgotten() {
        let turnstile = Turnstile::default();
        let first = turnstile.enter("k".into()).await;
        assert!(turnstile.enter("other".into()).now_or_never().is_some());
        let second = turnstile.enter("k".into());
        tokio::pin!(second);
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        let second = second.await;
        assert_eq!(turnstile.len(), 1);
        drop(second);
        assert_eq!(turnstile.len(), 0);
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_leaves_nothing_behind() {
        let turnstile = Turnstile::default();
        let first = turnstile.enter("k".into()).await;
        assert!(turnstile.enter("k".into()).now_or_never().is_none());
        drop(first);
        assert!(turnstile.enter("k".into()).now_or_never().is_some());
        assert_eq!(turnstile.len(), 0);
    }

    /// Somebody at a door.
    enum Caller<'a> {
        Waiting(Pin<Box<dyn Future<Output = Pass> + 'a>>),
        Inside { _pass: Pass },
    }

    impl Caller<'_> {
        /// Looks whether the door opens.
        fn knock(self) -> Self {
            match self {
                Self::Waiting(mut wait) => match wait.as_mut().now_or_never() {
                    Some(pass) => Self::Inside { _pass: pass },
                    None => Self::Waiting(wait),
                },
                inside => inside,
            }
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Move {
        Enter(u8),
        /// Gives a pass back, or a wait up.
        Leave(u8),
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            (0..4_u8).prop_map(Move::Enter),
            any::<u8>().prop_map(Move::Leave)
        ];
        proptest::collection::vec(one, 1..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Against a plain queue a key: the first of each is inside, and nobody else is.
        #[test]
        fn each_key_lets_in_one_at_a_time_in_the_order_of_coming(moves in moves()) {
            let turnstile = Turnstile::default();
            let mut callers: Vec<(u8, usize, Caller<'_>)> = Vec::new();
            let mut queues: HashMap<u8, VecDeque<usize>> = HashMap::new();
            for (number, one) in moves.into_iter().enumerate() {
                match one {
                    Move::Enter(key) => {
                        let wait = Box::pin(turnstile.enter(key.to_string()));
                        callers.push((key, number, Caller::Waiting(wait)));
                        queues.entry(key).or_default().push_back(number);
                    }
                    Move::Leave(place) if !callers.is_empty() => {
                        let place = usize::from(place) % callers.len();
                        let (key, number, _) = callers.remove(place);
                        queues.entry(key).or_default().retain(|one| *one != number);
                    }
                    Move::Leave(_) => {}
                }
                let knocked = callers.into_iter().map(|(key, n, one)| (key, n, one.knock()));
                callers = knocked.collect();
                for (key, number, caller) in &callers {
                    let is_inside = matches!(caller, Caller::Inside { .. });
                    prop_assert_eq!(is_inside, queues[key].front() == Some(number));
                }
                let used = queues.values().filter(|queue| !queue.is_empty()).count();
                prop_assert_eq!(turnstile.len(), used);
            }
        }
    }
}
