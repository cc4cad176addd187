//! From our plan to the engine's words, and from the engine's words to a life.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HealthConfig, HostConfig, HostConfigLogConfig,
    NetworkingConfig, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use exai_harness::engine::wire::{Bounds, Health, Life, Plan};

use super::network::Network;
use crate::label::Owner;
use crate::trouble::Trouble;

/// The label that holds the service's name.
pub(super) const SERVICE: &str = "dev.exai.service";
/// The limit of descriptors, as the engine calls it.
const DESCRIPTORS: &str = "nofile";
const NO_NEW_PRIVILEGES: &str = "no-new-privileges";

pub(super) fn body(
    plan: &Plan,
    network: Option<&Network>,
    owner: &Owner,
) -> Result<ContainerCreateBody, Trouble> {
    let mut labels = owner.labels();
    labels.insert(SERVICE.to_owned(), plan.name.clone());
    let networking = network.map(|network| NetworkingConfig {
        endpoints_config: Some(HashMap::from([(
            network.name.clone(),
            network.place(&plan.name, plan.host),
        )])),
    });
    Ok(ContainerCreateBody {
        hostname: Some(plan.name.clone()),
        user: Some(plan.user.clone()),
        env: Some(plan.env.clone()),
        cmd: Some(plan.command.clone()),
        image: Some(plan.image.clone()),
        open_stdin: Some(plan.input),
        // The end of what one feeder writes is the end of the input, as on a pipe.
        stdin_once: Some(plan.input),
        working_dir: (!plan.cwd.is_empty()).then(|| plan.cwd.clone()),
        healthcheck: plan.health.as_ref().map(health),
        labels: Some(labels),
        host_config: Some(host(plan, network)?),
        networking_config: networking,
        ..ContainerCreateBody::default()
    })
}

fn health(health: &Health) -> HealthConfig {
    let nanos = |ms: u64| i64::try_from(ms.saturating_mul(1_000_000)).ok();
    let test = std::iter::once("CMD".to_owned()).chain(health.command.iter().cloned());
    HealthConfig {
        test: Some(test.collect()),
        interval: nanos(health.interval_ms),
        timeout: nanos(health.timeout_ms),
        retries: Some(i64::from(health.retries)),
        start_period: nanos(health.start_ms),
        ..HealthConfig::default()
    }
}

fn host(plan: &Plan, network: Option<&Network>) -> Result<HostConfig, Trouble> {
    let bounds = &plan.bounds;
    let number = |value: u64| i64::try_from(value).ok().filter(|value| *value > 0);
    let folders = plan.tmpfs.iter().map(|path| (path.clone(), String::new()));
    Ok(HostConfig {
        memory: number(bounds.memory),
        memory_swap: number(bounds.memory),
        nano_cpus: number(bounds.nano_cpus),
        ulimits: number(bounds.descriptors.1).map(|hard| {
            vec![ResourcesUlimits {
                name: Some(DESCRIPTORS.to_owned()),
                soft: number(bounds.descriptors.0),
                hard: Some(hard),
            }]
        }),
        binds: Some(plan.binds.clone()),
        tmpfs: Some(folders.collect()),
        network_mode: Some(network.map_or_else(|| "none".to_owned(), |one| one.name.clone())),
        restart_policy: Some(RestartPolicy {
            name: Some(policy(&bounds.restart)?),
            maximum_retry_count: None,
        }),
        readonly_rootfs: Some(bounds.read_only),
        cap_drop: bounds.no_capabilities.then(|| vec!["ALL".to_owned()]),
        security_opt: bounds
            .no_new_privileges
            .then(|| vec![NO_NEW_PRIVILEGES.to_owned()]),
        log_config: Some(log(plan)),
        ..HostConfig::default()
    })
}

/// The engine keeps no log of one that is fed: its lines go to whoever feeds it, and a second copy
/// of a simulator's journal costs the engine as much processor time as the first.
fn log(plan: &Plan) -> HostConfigLogConfig {
    if plan.input {
        return HostConfigLogConfig {
            typ: Some("none".to_owned()),
            config: None,
        };
    }
    let rotation = [("max-size", "10m"), ("max-file", "3")];
    let rotation = rotation.map(|(name, value)| (name.to_owned(), value.to_owned()));
    HostConfigLogConfig {
        typ: Some("json-file".to_owned()),
        config: Some(rotation.into()),
    }
}

fn policy(word: &str) -> Result<RestartPolicyNameEnum, Trouble> {
    Ok(match word {
        "" | "no" => RestartPolicyNameEnum::NO,
        "always" => RestartPolicyNameEnum::ALWAYS,
        "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
        "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
        other => {
            return Err(Trouble::new(
                format!("there is no restart policy {other}"),
                "use no, on-failure, always or unless-stopped",
            ));
        }
    })
}

pub(super) fn life(name: &str, seen: ContainerInspectResponse) -> Life {
    let state = seen.state.unwrap_or_default();
    let host = seen.host_config.unwrap_or_default();
    let network = seen.network_settings.unwrap_or_default();
    let mut places = network.networks.unwrap_or_default().into_values();
    let ports = network.ports.unwrap_or_default().into_iter();
    let published = ports.filter(|(_, to)| to.as_ref().is_some_and(|to| !to.is_empty()));
    let health = state.health.and_then(|health| health.status);
    Life {
        name: name.to_owned(),
        id: seen.id.unwrap_or_default(),
        image: seen.image.unwrap_or_default(),
        pid: state
            .pid
            .and_then(|pid| u32::try_from(pid).ok())
            .unwrap_or(0),
        started_at: state.started_at.unwrap_or_default(),
        restarts: seen
            .restart_count
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or(0),
        status: state.status.map(|one| one.to_string()).unwrap_or_default(),
        health: health.map(|one| one.to_string()).unwrap_or_default(),
        exit_code: state.exit_code.unwrap_or_default(),
        oom_killed: state.oom_killed.unwrap_or_default(),
        address: places
            .find_map(|place| place.ip_address)
            .and_then(|address| address.parse().ok()),
        bounds: bounds(host),
        published: published.map(|(port, _)| port).collect(),
        user: seen.config.and_then(|one| one.user).unwrap_or_default(),
    }
}

/// What the engine holds, not what was asked for.
fn bounds(host: HostConfig) -> Bounds {
    let number = |value: Option<i64>| value.and_then(|one| u64::try_from(one).ok()).unwrap_or(0);
    let policy = host.restart_policy.and_then(|policy| policy.name);
    let dropped = host.cap_drop.unwrap_or_default();
    let security = host.security_opt.unwrap_or_default();
    let mut limits = host.ulimits.unwrap_or_default().into_iter();
    let descriptors = limits.find(|limit| limit.name.as_deref() == Some(DESCRIPTORS));
    Bounds {
        restart: policy.map(|one| one.to_string()).unwrap_or_default(),
        memory: number(host.memory),
        nano_cpus: number(host.nano_cpus),
        descriptors: descriptors.map_or((0, 0), |limit| (number(limit.soft), number(limit.hard))),
        read_only: host.readonly_rootfs.unwrap_or_default(),
        no_capabilities: dropped.iter().any(|one| one.eq_ignore_ascii_case("all")),
        no_new_privileges: security
            .iter()
            .any(|one| one.starts_with(NO_NEW_PRIVILEGES)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_keeps_a_log_of_all_but_those_that_are_fed() {
        for (input, driver) in [(true, "none"), (false, "json-file")] {
            let plan = Plan {
                input,
                ..Plan::default()
            };
            let config = host(&plan, None).unwrap().log_config.unwrap();
            assert_eq!(config.typ.as_deref(), Some(driver));
            assert_eq!(config.config.is_some(), !input);
        }
    }
}
