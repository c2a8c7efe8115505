//! Where webhooks may be: a URL's host is looked up when it is called, and the connection goes to an
//! address that was checked, so that a name cannot lead elsewhere in between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// A URL that can be called: http or https, a host, neither user nor password.
pub(super) fn read(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    let fits = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    fits.then_some(url)
}

/// Whether a URL's host is a public address, or a name, of which nobody knows yet.
pub(super) fn may_be_public(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse().map_or(true, is_public)
}

/// Looks names up, and leaves out the addresses that may not be called.
pub(super) struct Resolver {
    pub(super) private: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found
                .filter(|address| private || is_public(address.ip()))
                .collect();
            if allowed.is_empty() {
                return Err("the host has no public address".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the internet's, as far as the registries of special addresses say
/// (RFC 6890 and later).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

const fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 100 && b & 0xc0 == 64
        || a == 192 && b == 0 && c == 0
        || a == 192 && b == 88 && c == 99
        || a == 198 && b & 0xfe == 18
        || a >= 240)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // An IPv4 address in the clothes of another: mapped, or behind NAT64.
    let inner = address.to_ipv4_mapped().or_else(|| {
        let [.., high, low] = address.segments();
        let nat64 = address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        nat64.then(|| Ipv4Addr::new(a, b, c, d))
    });
    match inner {
        Some(inner) => is_public_v4(inner),
        // Global addresses are below 2000::/3; some of those are tunnels, benchmarks, documentation.
        None => {
            a & 0xe000 == 0x2000
                && a != 0x2002
                && !(a == 0x2001 && (b < 0x200 || b == 0xdb8))
                && a != 0x3fff
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_internet_is_called() {
        for public in [
            "8.8.8.8",
            "172.32.0.1",
            "2606:4700::1",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "127.0.0.1",
            "127.255.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn addresses_are_known_however_they_are_written() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f.1:80/",
            "http://2130706433/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://017700000001/",
        ] {
            let url = read(url).expect("a URL");
            assert!(!may_be_public(&url), "{url}");
        }
        for url in ["https://hooks.example/a?b=c", "http://1.1.1.1"] {
            assert!(read(url).is_some_and(|url| may_be_public(&url)), "{url}");
        }
        for url in [
            "",
            "hooks.example",
            "ftp://a.example",
            "file:///etc/passwd",
            "http://u:p@a.example",
            "http://",
        ] {
            assert!(read(url).is_none(), "{url}");
        }
    }
}
