//! Network addresses in configuration: CIDR ranges, and what counts as private.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Deserializer, de::Error};
use url::{Host, Url};

/// An address range such as `10.0.0.0/8`; a bare address is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Reads `ADDRESS/BITS` or `ADDRESS`.
    ///
    /// # Errors
    /// A sentence that names the accepted form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} is not a range such as 10.0.0.0/8 or an address");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| refused())?;
        let width = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(width), str::parse).map_err(|_| refused())?;
        if bits > width {
            Err(refused())
        } else {
            Ok(Self { network, bits })
        }
    }

    /// Whether the range holds an address. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                let cut = |ip: Ipv4Addr| u64::from(ip.to_bits()) >> shift;
                cut(network) == cut(address)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                let cut = |ip: Ipv6Addr| ip.to_bits().checked_shr(shift).unwrap_or(0);
                cut(network) == cut(address)
            }
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// For `#[serde(deserialize_with)]` on a `Url`.
///
/// # Errors
/// When the text is no absolute URL.
pub fn url<'de, D: Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
    let text = String::deserialize(from)?;
    Url::parse(&text).map_err(|error| D::Error::custom(format!("{text:?} is no URL: {error}")))
}

/// Why a provider's address needs `allow_private`, or `None` when it is public and encrypted.
#[must_use]
pub fn why_private(url: &Url) -> Option<&'static str> {
    if url.scheme() != "https" {
        return Some("plain http");
    }
    let private = match url.host()? {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost") || !name.contains('.')
        }
        Host::Ipv4(ip) => is_private(IpAddr::V4(ip)),
        Host::Ipv6(ip) => is_private(IpAddr::V6(ip).to_canonical()),
    };
    private.then_some("a private address")
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && (64..128).contains(&ip.octets()[1]);
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || shared
        }
        IpAddr::V6(ip) => {
            let head = ip.segments()[0];
            let local = (head & 0xfe00) == 0xfc00 || (head & 0xffc0) == 0xfe80;
            ip.is_loopback() || ip.is_unspecified() || local
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_exactly_its_addresses() {
        let table = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("fd00::/8", "fd12::1", true),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
        ];
        for (range, address, held) in table {
            let range = Cidr::parse(range).unwrap();
            assert_eq!(
                range.contains(address.parse().unwrap()),
                held,
                "{range:?} {address}"
            );
        }
        for text in ["", "10.0.0.0/33", "10.0.0/8", "host", "::/129"] {
            assert!(Cidr::parse(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn plain_http_and_private_addresses_need_permission() {
        let table = [
            ("https://api.moonshot.ai/v1", false),
            ("http://api.moonshot.ai/v1", true),
            ("https://localhost/v1", true),
            ("https://127.9.9.9/v1", true),
            ("https://10.1.2.3/v1", true),
            ("https://169.254.169.254/", true),
            ("https://[::1]/", true),
            ("https://[::ffff:10.0.0.1]/", true),
            ("https://ollama/v1", true),
            ("https://8.8.8.8/", false),
        ];
        for (url, private) in table {
            assert_eq!(
                why_private(&url.parse().unwrap()).is_some(),
                private,
                "{url}"
            );
        }
    }
}
