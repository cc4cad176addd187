//! The run's own network, with addresses that survive a restart.

use std::net::Ipv4Addr;

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, NetworkConnectRequest,
    NetworkCreateRequest, NetworkDisconnectRequest,
};
use exai_harness::engine::wire::{Answer, Life};

use super::Fleet;
use crate::trouble::Trouble;

/// Subnets tried before giving up: others may have taken the first ones.
const TRIES: u32 = 24;

/// The kernel's routes. On a machine without them, and with an engine elsewhere, the engine alone
/// knows what is taken.
const ROUTES: &str = "/proc/net/route";

/// A network this leaf has made.
#[derive(Debug, Clone)]
pub(super) struct Network {
    pub(super) name: String,
    /// The third byte of its addresses.
    third: u8,
}

impl Network {
    /// The address of that number in it.
    pub(super) const fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 214, self.third, host)
    }

    /// A container's place in it: a fixed address, and its service's name for the others.
    pub(super) fn place(&self, name: &str, host: u8) -> EndpointSettings {
        EndpointSettings {
            ipam_config: Some(EndpointIpamConfig {
                ipv4_address: Some(self.address(host).to_string()),
                ..EndpointIpamConfig::default()
            }),
            aliases: Some(vec![name.to_owned()]),
            ..EndpointSettings::default()
        }
    }
}

impl Fleet {
    pub(super) async fn network(&self) -> Result<Answer, Trouble> {
        if let Some(network) = self.lock_network().as_ref() {
            return Ok(answer(network));
        }
        let name = format!("exai-network-{}", self.owner.run);
        let routes = std::fs::read_to_string(ROUTES).unwrap_or_default();
        let mut last = String::new();
        for number in 0..TRIES {
            let third = std::process::id().wrapping_add(number * 11) % 256;
            let network = Network {
                name: name.clone(),
                third: u8::try_from(third).unwrap_or_default(),
            };
            if is_routed(&routes, network.address(0)) {
                last = format!("{} is routed already", network.address(0));
                continue;
            }
            let request = NetworkCreateRequest {
                name: name.clone(),
                driver: Some("bridge".to_owned()),
                labels: Some(self.owner.labels()),
                ipam: Some(Ipam {
                    config: Some(vec![IpamConfig {
                        subnet: Some(format!("{}/24", network.address(0))),
                        gateway: Some(network.address(1).to_string()),
                        ..IpamConfig::default()
                    }]),
                    ..Ipam::default()
                }),
                ..NetworkCreateRequest::default()
            };
            match self.engine.docker.create_network(request).await {
                Ok(_created) => {
                    let answer = answer(&network);
                    *self.lock_network() = Some(network);
                    return Ok(answer);
                }
                Err(error) => last = error.to_string(),
            }
        }
        Err(Trouble::new(
            format!("could not create network {name} in {TRIES} tries: {last}"),
            "free a subnet of 10.214.0.0/16 (docker network prune)",
        ))
    }

    pub(super) async fn partition(&self, name: &str) -> Result<Life, Trouble> {
        let (known, network) = (self.known(name)?, self.made()?);
        let request = NetworkDisconnectRequest {
            container: known.id,
            force: Some(false),
        };
        let cut = self
            .engine
            .docker
            .disconnect_network(&network.name, request);
        let cut = cut.await;
        cut.map_err(|error| Trouble::engine("partition", name, &error))?;
        self.look(name).await
    }

    pub(super) async fn rejoin(&self, name: &str) -> Result<Life, Trouble> {
        let (known, network) = (self.known(name)?, self.made()?);
        let request = NetworkConnectRequest {
            container: known.id,
            endpoint_config: Some(network.place(name, known.plan.host)),
        };
        let joined = self.engine.docker.connect_network(&network.name, request);
        let joined = joined.await;
        joined.map_err(|error| Trouble::engine("rejoin", name, &error))?;
        self.look(name).await
    }

    fn made(&self) -> Result<Network, Trouble> {
        let network = self.lock_network().clone();
        network.ok_or_else(|| Trouble::new("there is no network yet", "order network first"))
    }
}

fn answer(network: &Network) -> Answer {
    Answer::Network {
        name: network.name.clone(),
        gateway: network.address(1),
    }
}

/// Whether packets to a network already go somewhere: an engine that was killed leaves its bridges,
/// the next one knows nothing of them, and the kernel would send to the older of two.
fn is_routed(routes: &str, network: Ipv4Addr) -> bool {
    let destinations = routes
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    // Hexadecimal digits of the address as it lies in memory, the last byte first.
    let mut addresses = destinations.filter_map(|word| u32::from_str_radix(word, 16).ok());
    addresses.any(|address| Ipv4Addr::from(address.swap_bytes()) == network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_an_earlier_engine_left_is_not_taken_again() {
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n\
            br-a47091\t00D7D60A\t00000000\t0001\t0\t0\t0\t00FFFFFF\n";
        let network = |third| Ipv4Addr::new(10, 214, third, 0);
        assert!(is_routed(routes, network(215)));
        assert!(!is_routed(routes, network(214)));
        assert!(!is_routed("", network(215)));
    }
}
