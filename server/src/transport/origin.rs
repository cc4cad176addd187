//! Host and Origin: a page in a browser must not reach this server under a borrowed name.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri};

use crate::config::Server;

/// What is accepted besides loopback names.
#[derive(Debug, Clone)]
pub struct Origins {
    hosts: Vec<String>,
    origins: Vec<String>,
    addresses: Vec<IpAddr>,
}

/// Why a request is refused before anything else is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// No Host, several, or a target that names another: 400.
    Malformed,
    /// A Host that is not ours: 403.
    Host,
    /// An Origin that is not allowed: 403.
    Origin,
}

impl Origins {
    /// From the configuration and the addresses really bound.
    #[must_use]
    pub fn new(server: &Server, bound: &[SocketAddr]) -> Self {
        let lower = |list: &[String]| list.iter().map(|item| item.to_lowercase()).collect();
        let named = bound
            .iter()
            .map(SocketAddr::ip)
            .filter(|ip| !ip.is_unspecified());
        let mut hosts: Vec<String> = lower(&server.allowed_hosts);
        let public: Option<Uri> = server.public_url.parse().ok();
        let public = public.as_ref().and_then(Uri::authority);
        hosts.extend(public.map(|authority| authority.as_str().to_lowercase()));
        Self {
            hosts,
            origins: lower(&server.allowed_origins),
            addresses: named.collect(),
        }
    }

    /// Checks the request line and the two headers.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Stranger> {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(Stranger::Malformed);
        };
        let host = authority(host.as_bytes()).ok_or(Stranger::Malformed)?;
        if uri
            .authority()
            .is_some_and(|target| !target.as_str().eq_ignore_ascii_case(&host))
        {
            return Err(Stranger::Malformed);
        }
        if !self.is_host(&host) {
            return Err(Stranger::Host);
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Ok(()),
            (Some(origin), None) if self.is_origin(origin.as_bytes()) => Ok(()),
            _ => Err(Stranger::Origin),
        }
    }

    /// Whether an Origin may read answers in a browser.
    #[must_use]
    pub fn is_origin(&self, origin: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(origin) else {
            return false;
        };
        let text = text.to_lowercase();
        let Some((scheme, rest)) = text.split_once("://") else {
            return false;
        };
        let Some(host) = authority(rest.as_bytes()) else {
            return false;
        };
        matches!(scheme, "http" | "https")
            && (is_loopback(name_of(&host)) || self.origins.contains(&text))
    }

    fn is_host(&self, host: &str) -> bool {
        let name = name_of(host);
        let is_bound = |ip: IpAddr| self.addresses.contains(&ip);
        is_loopback(name)
            || address_of(name).is_some_and(is_bound)
            || self
                .hosts
                .iter()
                .any(|allowed| allowed == host || allowed == name)
    }
}

/// `host` or `host:port` in lower case, or `None` when it is anything else.
fn authority(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.to_lowercase();
    let parsed: Authority = text.parse().ok()?;
    let is_plain = !text.contains('@') && !parsed.host().is_empty();
    let has_sane_port = text.len() == parsed.host().len() || parsed.port_u16().is_some();
    (is_plain && has_sane_port).then_some(text)
}

fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn address_of(name: &str) -> Option<IpAddr> {
    name.parse().ok()
}

fn is_loopback(name: &str) -> bool {
    name == "localhost" || address_of(name).is_some_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn check(uri: &str, pairs: &[(http::HeaderName, &str)]) -> Result<(), Stranger> {
        let text = "[server]\nallowed_hosts = [\"exai.example.com\"]\n\
                    allowed_origins = [\"https://app.example.com\"]\n";
        let config = Config::from_toml(text).unwrap();
        let origins = Origins::new(&config.server, &["192.0.2.7:80".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        origins.check(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn only_our_own_names_are_accepted_as_host() {
        let table = [
            ("localhost", Ok(())),
            ("LocalHost:8079", Ok(())),
            ("127.0.0.1:9", Ok(())),
            ("[::1]:9", Ok(())),
            ("exai.example.com", Ok(())),
            ("exai.example.com:443", Ok(())),
            ("192.0.2.7:80", Ok(())),
            ("evil.example.com", Err(Stranger::Host)),
            ("localhost.evil.example", Err(Stranger::Host)),
            ("10.244.0.5:8080", Err(Stranger::Host)),
            ("user@localhost", Err(Stranger::Malformed)),
            ("localhost:port", Err(Stranger::Malformed)),
            ("", Err(Stranger::Malformed)),
        ];
        for (host, wanted) in table {
            assert_eq!(check("/mcp", &[(HOST, host)]), wanted, "{host}");
        }
        assert_eq!(check("/mcp", &[]), Err(Stranger::Malformed));
        let twice = [(HOST, "localhost"), (HOST, "localhost")];
        assert_eq!(check("/mcp", &twice), Err(Stranger::Malformed));
        let other = check("http://evil.example/mcp", &[(HOST, "localhost")]);
        assert_eq!(other, Err(Stranger::Malformed));
        assert_eq!(
            check("http://localhost/mcp", &[(HOST, "localhost")]),
            Ok(())
        );
    }

    #[test]
    fn a_foreign_origin_is_refused_though_the_host_is_good() {
        let table = [
            ("http://localhost:6274", Ok(())),
            ("http://127.0.0.1:1", Ok(())),
            ("http://[::1]:1", Ok(())),
            ("https://app.example.com", Ok(())),
            ("http://app.example.com", Err(Stranger::Origin)),
            ("https://app.example.com:444", Err(Stranger::Origin)),
            ("null", Err(Stranger::Origin)),
            ("http://evil.example", Err(Stranger::Origin)),
            ("http://localhost.evil.example", Err(Stranger::Origin)),
            ("http://evil.example#localhost", Err(Stranger::Origin)),
            ("http://localhost@evil.example", Err(Stranger::Origin)),
            ("file://localhost", Err(Stranger::Origin)),
            ("", Err(Stranger::Origin)),
        ];
        for (origin, wanted) in table {
            let pairs = [(HOST, "localhost"), (ORIGIN, origin)];
            assert_eq!(check("/mcp", &pairs), wanted, "{origin}");
        }
    }
}
