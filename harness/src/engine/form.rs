//! What containers are made of: as ordered, beside what the engine holds (judging.md §6, I8).

use std::collections::BTreeSet;

use exai_judge::hex;
use exai_judge::observation::{ContainerSeen, Form, Mount};

use super::wire::{Answer, Order, Plan};
use super::{Engine, EngineError};

impl Engine {
    /// Looks at each container that was ordered and tells `seen` of it.
    ///
    /// # Errors
    /// When the engine does not tell of one of them; the others are looked at all the same.
    pub(crate) async fn look_at_forms(
        &self,
        moment: &str,
        seen: impl Fn(ContainerSeen),
    ) -> Result<(), EngineError> {
        let mut failed = Ok(());
        for plan in self.ordered() {
            let name = plan.name.clone();
            match self.order(Order::Form { name }).await {
                Ok(Answer::Form {
                    held,
                    changes,
                    more_changes,
                }) => seen(ContainerSeen {
                    ordered: ordered(&plan),
                    name: plan.name,
                    moment: moment.to_owned(),
                    held,
                    changes,
                    more_changes,
                }),
                Ok(other) => failed = Err(EngineError::strange(&other)),
                Err(error) => failed = Err(error),
            }
        }
        failed
    }
}

/// What a plan asks for.
#[must_use]
pub fn ordered(plan: &Plan) -> Form {
    let binds = plan.binds.iter().map(|bind| {
        let mut parts = bind.split(':').map(str::to_owned);
        Mount {
            from: parts.next().unwrap_or_default(),
            to: parts.next().unwrap_or_default(),
            kind: "bind".to_owned(),
            is_writable: parts.next().is_none_or(|mode| mode != "ro"),
        }
    });
    let in_memory = plan.tmpfs.iter().map(|to| tmpfs(to));
    Form {
        image: plan.image.clone(),
        command: plan.command.clone(),
        environment_sha256: environment_sha256(&plan.env),
        cwd: plan.cwd.clone(),
        mounts: binds
            .chain(in_memory)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
    }
}

/// A folder in memory; none is ordered that may not be written to.
#[must_use]
pub fn tmpfs(to: &str) -> Mount {
    Mount {
        to: to.to_owned(),
        kind: "tmpfs".to_owned(),
        from: String::new(),
        is_writable: true,
    }
}

/// The digest of an environment of `NAME=value`, whatever the order.
#[must_use]
pub fn environment_sha256(env: &[String]) -> String {
    let mut sorted: Vec<&str> = env.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    hex::sha256(sorted.join("\0").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_s_binds_and_folders_in_memory_are_its_mounts_by_place() {
        let plan = Plan {
            binds: vec!["/run/x:/run/x".to_owned(), "/keys:/etc/keys:ro".to_owned()],
            tmpfs: vec!["/tmp".to_owned()],
            ..Plan::default()
        };
        let mounts = ordered(&plan).mounts;
        let shown: Vec<_> = mounts
            .iter()
            .map(|one| {
                (
                    one.kind.as_str(),
                    one.from.as_str(),
                    one.to.as_str(),
                    one.is_writable,
                )
            })
            .collect();
        let wanted = [
            ("bind", "/keys", "/etc/keys", false),
            ("bind", "/run/x", "/run/x", true),
            ("tmpfs", "", "/tmp", true),
        ];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn the_order_of_an_environment_is_nobody_s_business_and_each_value_is() {
        let env = |pairs: &[&str]| {
            let pairs: Vec<String> = pairs.iter().map(|one| (*one).to_owned()).collect();
            environment_sha256(&pairs)
        };
        assert_eq!(env(&["A=1", "B=2"]), env(&["B=2", "A=1"]));
        assert_ne!(env(&["A=1", "B=2"]), env(&["A=1", "B=3"]));
        assert_ne!(env(&["A=1"]), env(&["A=1", "LD_PRELOAD=/x"]));
        assert_ne!(env(&["A=1"]), env(&["A=1", "A=1"]));
        assert_ne!(env(&["A=1\nB=2"]), env(&["A=1", "B=2"]));
    }
}
