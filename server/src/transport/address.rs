//! Whom a request counts for: the peer, or, behind a proxy that is trusted by configuration, the
//! right-most address in `X-Forwarded-For` that is not itself trusted. `Forwarded` is not read: it
//! is ignored, never believed. Behind a proxy of connections the peer is whom its preamble names,
//! so a header that says otherwise counts only where that one is trusted as well.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::config::Cidr;

/// Longest forwarding header that is looked at, in bytes.
const LONGEST: usize = 4096;

/// The client's address.
#[must_use]
pub fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let lines: Vec<&[u8]> = headers
        .get_all("x-forwarded-for")
        .iter()
        .map(http::HeaderValue::as_bytes)
        .collect();
    if lines.iter().map(|line| line.len()).sum::<usize>() > LONGEST {
        return peer;
    }
    let mut nearest = peer;
    for line in lines.iter().rev() {
        for hop in String::from_utf8_lossy(line).rsplit(',') {
            // Whatever stands left of an unreadable hop was not written by a trusted proxy.
            let Some(address) = parse(hop.trim()) else {
                return nearest;
            };
            if !is_trusted(address) {
                return address;
            }
            nearest = address;
        }
    }
    nearest
}

fn parse(hop: &str) -> Option<IpAddr> {
    let bare = hop
        .strip_prefix('[')
        .and_then(|hop| hop.strip_suffix(']'))
        .unwrap_or(hop);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_may_say_who_is_behind_it() {
        let trusted = [Cidr::parse("10.0.0.0/8").unwrap()];
        let table = [
            ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
            ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
            (
                "10.0.0.1",
                "203.0.113.9, 198.51.100.7, 10.0.0.2",
                "198.51.100.7",
            ),
            ("10.0.0.1", "203.0.113.9, nonsense", "10.0.0.1"),
            ("10.0.0.1", "203.0.113.9, nonsense, 10.0.0.9", "10.0.0.9"),
            ("10.0.0.1", "[2001:db8::1]:8080", "2001:db8::1"),
            ("10.0.0.1", "198.51.100.7:1234", "198.51.100.7"),
            ("10.0.0.1", "", "10.0.0.1"),
        ];
        for (peer, header, wanted) in table {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", header.parse().unwrap());
            let got = client(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(got.to_string(), wanted, "{peer} {header:?}");
        }
    }

    #[test]
    fn an_oversized_header_is_ignored() {
        let trusted = [Cidr::parse("10.0.0.0/8").unwrap()];
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "1.2.3.4,".repeat(1000).parse().unwrap());
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(client(peer, &headers, &trusted), peer);
    }
}
