//! Whom a request counts for: the peer, or, behind a proxy that is trusted by configuration, the
//! right-most address in its header that is not itself trusted. Which header that is says
//! `server.forwarding_header`; the other one is ignored, since nobody trusted wrote it. Behind a
//! proxy of connections the peer is whom its preamble names, so a header that says otherwise counts
//! only where that one is trusted as well.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::config::{Cidr, ForwardingHeader};

/// Longest forwarding header that is looked at, in bytes.
const LONGEST: usize = 4096;

/// Who may speak for others, and where they do.
#[derive(Debug, Clone, Copy)]
pub struct Proxies<'a> {
    /// Their addresses.
    pub trusted: &'a [Cidr],
    /// The header they write.
    pub header: ForwardingHeader,
}

/// The client's address.
#[must_use]
pub fn client(peer: IpAddr, headers: &HeaderMap, proxies: Proxies<'_>) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| proxies.trusted.iter().any(|range| range.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let lines: Vec<&[u8]> = headers
        .get_all(proxies.header.name())
        .iter()
        .map(http::HeaderValue::as_bytes)
        .collect();
    if lines.iter().map(|line| line.len()).sum::<usize>() > LONGEST {
        return peer;
    }
    let mut nearest = peer;
    for line in lines.iter().rev() {
        for hop in last_first(&String::from_utf8_lossy(line), ',') {
            let named = match proxies.header {
                ForwardingHeader::XForwardedFor => parse(hop.trim()),
                ForwardingHeader::Forwarded => forwarded_for(hop),
            };
            // Whatever stands left of an unreadable hop was not written by a trusted proxy.
            let Some(address) = named else {
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

/// Whom an element of `Forwarded` names (RFC 7239, section 4): `None` where it is `unknown`, a name
/// that hides the address, nobody, or two.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut nodes = last_first(element, ';').into_iter().filter_map(|pair| {
        let (name, node) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(node)
    });
    let node = nodes.next()?.trim();
    if nodes.next().is_some() {
        return None;
    }
    let bare = node
        .strip_prefix('"')
        .and_then(|node| node.strip_suffix('"'));
    parse(bare.unwrap_or(node))
}

/// The parts of a text between `mark`, the last first; what is quoted is one. It is read from its
/// end, since that alone was written by somebody trusted: a quote left open before it hides
/// nothing.
fn last_first(text: &str, mark: char) -> Vec<&str> {
    let (mut parts, mut rest, mut is_quoted) = (Vec::new(), text, false);
    for (index, letter) in text.char_indices().rev() {
        let (before, part) = text.split_at(index);
        if letter == '"' && !ends_in_escape(before) {
            is_quoted = !is_quoted;
        } else if letter == mark && !is_quoted {
            let part = part.get(mark.len_utf8()..rest.len() - index);
            parts.push(part.unwrap_or_default());
            rest = before;
        }
    }
    parts.push(rest);
    parts
}

/// Whether what comes next is escaped: it stands after an odd number of backslashes.
fn ends_in_escape(text: &str) -> bool {
    (text.len() - text.trim_end_matches('\\').len()) % 2 == 1
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

    const PEER: &str = "10.0.0.1";

    /// Whom a request counts for that comes from `peer` with this header.
    fn counted(peer: &str, header: ForwardingHeader, line: &str) -> String {
        let trusted = [Cidr::parse("10.0.0.0/8").unwrap()];
        let proxies = Proxies {
            trusted: &trusted,
            header,
        };
        let mut headers = HeaderMap::new();
        headers.insert(header.name(), line.parse().unwrap());
        client(peer.parse().unwrap(), &headers, proxies).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_may_say_who_is_behind_it() {
        let table = [
            ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
            (PEER, "198.51.100.7", "198.51.100.7"),
            (PEER, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
            (PEER, "203.0.113.9, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
            (PEER, "203.0.113.9, nonsense", PEER),
            (PEER, "203.0.113.9, nonsense, 10.0.0.9", "10.0.0.9"),
            (PEER, "[2001:db8::1]:8080", "2001:db8::1"),
            (PEER, "198.51.100.7:1234", "198.51.100.7"),
            (PEER, "", PEER),
        ];
        for (peer, line, wanted) in table {
            let got = counted(peer, ForwardingHeader::XForwardedFor, line);
            assert_eq!(got, wanted, "{peer} {line:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_from_its_end() {
        let table = [
            ("for=198.51.100.7", "198.51.100.7"),
            ("For=\"198.51.100.7:4711\" ;proto=https", "198.51.100.7"),
            (
                "for=203.0.113.9, by=10.0.0.2;for=198.51.100.7",
                "198.51.100.7",
            ),
            ("for=198.51.100.7, for=10.0.0.2", "198.51.100.7"),
            ("for=\"[2001:db8::1]:8080\"", "2001:db8::1"),
            // Whoever hides is nobody that could be counted.
            ("for=198.51.100.7, for=unknown", PEER),
            ("for=198.51.100.7, for=_hidden, for=10.0.0.9", "10.0.0.9"),
            ("for=198.51.100.7, proto=https", PEER),
            ("for=203.0.113.9;for=198.51.100.7", PEER),
            // A host that a client chose cannot be read as more than a host.
            (
                "for=198.51.100.7;host=\"a, for=203.0.113.9\"",
                "198.51.100.7",
            ),
            (
                "for=198.51.100.7;host=\"a;for=203.0.113.9\"",
                "198.51.100.7",
            ),
            (
                "for=198.51.100.7;host=\"a\\\", for=203.0.113.9\"",
                "198.51.100.7",
            ),
            // Nor does a quote that a client left open hide what the proxy wrote.
            ("for=\"203.0.113.9, for=198.51.100.7", "198.51.100.7"),
            ("", PEER),
        ];
        for (line, wanted) in table {
            let got = counted(PEER, ForwardingHeader::Forwarded, line);
            assert_eq!(got, wanted, "{line:?}");
        }
    }

    #[test]
    fn the_header_that_no_proxy_writes_is_ignored() {
        let trusted = [Cidr::parse("10.0.0.0/8").unwrap()];
        let both = [ForwardingHeader::XForwardedFor, ForwardingHeader::Forwarded];
        for header in both {
            let proxies = Proxies {
                trusted: &trusted,
                header,
            };
            let mut headers = HeaderMap::new();
            for other in both.iter().filter(|other| **other != header) {
                let line = match other {
                    ForwardingHeader::XForwardedFor => "203.0.113.9",
                    ForwardingHeader::Forwarded => "for=203.0.113.9",
                };
                headers.insert(other.name(), line.parse().unwrap());
            }
            let got = client(PEER.parse().unwrap(), &headers, proxies);
            assert_eq!(got.to_string(), PEER, "{header:?}");
        }
    }

    #[test]
    fn an_oversized_header_is_ignored() {
        let line = "1.2.3.4,".repeat(1000);
        assert_eq!(counted(PEER, ForwardingHeader::XForwardedFor, &line), PEER);
    }
}
