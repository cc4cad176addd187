//! X6: the containers of the run as their engine has them, not as they were asked for.

use exai_harness::engine::wire::Life;

use super::super::asker::{either, pair};
use crate::stage::{Stage, Trouble};

const EDGE: &str = "engine";

/// What a container must be.
type Demand = (&'static str, fn(&Life) -> bool, fn(&mut Life));

/// Each demand with how a life meets it, and what spoils a life in that respect.
const DEMANDS: [Demand; 8] = [
    ("X6.running user", is_nobody, |life| life.user.clear()),
    (
        "X6.running read only",
        |life| life.bounds.read_only,
        |life| life.bounds.read_only = false,
    ),
    (
        "X6.running capabilities",
        |life| life.bounds.no_capabilities,
        |life| life.bounds.no_capabilities = false,
    ),
    (
        "X6.running privileges",
        |life| life.bounds.no_new_privileges,
        |life| life.bounds.no_new_privileges = false,
    ),
    (
        "X6.running memory",
        |life| life.bounds.memory > 0,
        |life| life.bounds.memory = 0,
    ),
    (
        "X6.running processors",
        |life| life.bounds.nano_cpus > 0,
        |life| life.bounds.nano_cpus = 0,
    ),
    (
        "X6.running descriptors",
        |life| life.bounds.descriptors.1 > 0,
        |life| life.bounds.descriptors = (0, 0),
    ),
    (
        "X6.running published",
        |life| life.published.is_empty(),
        |life| life.published.push("6379/tcp".to_owned()),
    ),
];

/// Neither root by number or name, nor the image's own, which is root.
fn is_nobody(life: &Life) -> bool {
    let user = life.user.split(':').next().unwrap_or_default();
    !["", "0", "root"].contains(&user)
}

/// Tries X6 on what runs.
///
/// # Errors
/// When the engine does not tell.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let lives = stage.ground.containers().await?;
    if lives.is_empty() {
        let text = "X6: running containers; `--driver container` looks at them";
        stage.not_tested("V.6", text.to_owned());
        return Ok(());
    }
    for (id, is_met, spoil) in DEMANDS {
        let wrong = unmet(&lives, is_met);
        let word = match wrong.is_empty() {
            true => "as stated".to_owned(),
            false => format!("not so: {}", wrong.join(", ")),
        };
        // The same look at copies that are wrong in this one respect finds each.
        let mut spoiled = lives.clone();
        spoiled.iter_mut().for_each(spoil);
        let control = unmet(&spoiled, is_met).len() == lives.len();
        pair(
            stage,
            (id, EDGE),
            (&word, &["as stated"]),
            (
                either(control, "accepted", "spoiled copy not found"),
                &["accepted"],
            ),
        );
    }
    Ok(())
}

/// The names of the containers that are not as demanded.
fn unmet(lives: &[Life], is_met: fn(&Life) -> bool) -> Vec<&str> {
    let wrong = lives.iter().filter(|life| !is_met(life));
    wrong.map(|life| life.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use exai_harness::engine::wire::Bounds;

    use super::*;

    fn fit() -> Life {
        Life {
            name: "exai-redis".to_owned(),
            user: "65532:65532".to_owned(),
            bounds: Bounds {
                memory: 1,
                nano_cpus: 1,
                descriptors: (1, 1),
                read_only: true,
                no_capabilities: true,
                no_new_privileges: true,
                ..Bounds::default()
            },
            ..Life::default()
        }
    }

    #[test]
    fn each_demand_is_met_by_a_fit_container_and_by_none_that_lacks_it() {
        for (id, is_met, spoil) in DEMANDS {
            let (fit, mut spoiled) = (fit(), fit());
            assert!(is_met(&fit), "{id}");
            spoil(&mut spoiled);
            let broken: Vec<_> = DEMANDS
                .iter()
                .filter(|(_, is_met, _)| !is_met(&spoiled))
                .map(|(id, ..)| *id)
                .collect();
            assert_eq!(broken, [id]);
        }
        for user in ["0:0", "root", "0", ""] {
            let life = Life {
                user: user.to_owned(),
                ..fit()
            };
            assert_eq!(unmet(&[life], is_nobody), ["exai-redis"], "{user}");
        }
    }
}
