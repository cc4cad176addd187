//! What containers are made of: as ordered, beside what the engine holds (judging.md §6, I8).

use std::collections::BTreeSet;

use exai_judge::hex;
use exai_judge::observation::{ContainerSeen, Form, Mount};

use super::wire::{Answer, Order, Plan};
use super::{Engine, EngineError};

impl Engine {
    /// Looks at each container that was put up.
    ///
    /// # Errors
    /// When the engine does not tell of one of them.
    pub(crate) async fn forms(&self, moment: &str) -> Result<Vec<ContainerSeen>, EngineError> {
        let mut seen = Vec::new();
        for plan in self.plans() {
            let name = plan.name.clone();
            match self.order(Order::Form { name }).await? {
                Answer::Form { held, changes } => seen.push(ContainerSeen {
                    ordered: ordered(&plan),
                    name: plan.name,
                    moment: moment.to_owned(),
                    held,
                    changes,
                }),
                other => return Err(EngineError::strange(&other)),
            }
        }
        Ok(seen)
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

/// A folder in memory, which a container may always write to.
#[must_use]
pub fn tmpfs(to: &str) -> Mount {
    Mount {
        to: to.to_owned(),
        kind: "tmpfs".to_owned(),
        from: String::new(),
        is_writable: true,
    }
}

/// The digest of an environment of `NAME=value`, whatever their order.
#[must_use]
pub fn environment_sha256(env: &[String]) -> String {
    let sorted: BTreeSet<&str> = env.iter().map(String::as_str).collect();
    let lines = sorted.into_iter().collect::<Vec<_>>().join("\n");
    hex::sha256(lines.as_bytes())
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
    }
}
