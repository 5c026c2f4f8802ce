//! Who is asking: the real peer, unless that is a proxy the operator trusts; then the right-most
//! address of `X-Forwarded-For` that is not such a proxy. What stands further left was written by
//! the visitor and counts for nothing.
//!
//! Pure. IPv4 in IPv6's clothes (`::ffff:1.2.3.4`) is IPv4.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// The proxies whose word is believed.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Those of these networks.
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether this peer is one of them.
    pub fn trust(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|net| net.contains(&peer))
    }

    /// The client behind `peer`, given the `X-Forwarded-For` headers in the order they came.
    /// Something that is no address ends the search at the last proxy before it.
    pub fn client<'a>(&self, peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut client = peer.to_canonical();
        let mut hops = forwarded.rev().flat_map(|header| header.rsplit(','));
        while self.trust(client) {
            match hops.next().and_then(parse) {
                Some(hop) => client = hop,
                None => break,
            }
        }
        client
    }
}

/// An address as proxies write it: bare, in brackets, or with a port.
pub(super) fn parse(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = || hop.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || {
        let inner = hop.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse::<Ipv6Addr>().ok().map(IpAddr::from)
    };
    bare().or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

/// What counts as one address for limits: an IPv4 address, or the /64 that one IPv6 customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressKey(IpAddr);

impl From<IpAddr> for AddressKey {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn client(peer: &str, forwarded: &[&str]) -> IpAddr {
        let proxies = Proxies::new(vec![
            "127.0.0.0/8".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
            "::1/128".parse().unwrap(),
        ]);
        proxies.client(ip(peer), forwarded.iter().copied())
    }

    #[test]
    fn a_forged_header_of_a_stranger_counts_for_nothing() {
        assert_eq!(client("203.0.113.9", &["1.1.1.1"]), ip("203.0.113.9"));
        assert_eq!(client("203.0.113.9", &[]), ip("203.0.113.9"));
    }

    #[test]
    fn behind_a_trusted_proxy_the_right_most_stranger_counts() {
        assert_eq!(client("127.0.0.1", &["1.1.1.1, 198.51.100.7"]), ip("198.51.100.7"));
        assert_eq!(client("127.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.3"]), ip("198.51.100.7"));
        assert_eq!(client("127.0.0.1", &["1.1.1.1", "198.51.100.7"]), ip("198.51.100.7"));
        assert_eq!(client("127.0.0.1", &["10.0.0.2"]), ip("10.0.0.2"));
    }

    #[test]
    fn garbage_ends_the_search() {
        assert_eq!(client("127.0.0.1", &["1.1.1.1, unknown"]), ip("127.0.0.1"));
        assert_eq!(client("127.0.0.1", &["1.1.1.1, , 10.0.0.3"]), ip("10.0.0.3"));
        assert_eq!(client("127.0.0.1", &[""]), ip("127.0.0.1"));
    }

    #[test]
    fn forms_of_one_address_are_one_address() {
        for form in [
            "198.51.100.7",
            "198.51.100.7:4711",
            "::ffff:198.51.100.7",
            "[::ffff:198.51.100.7]:1",
        ] {
            assert_eq!(client("::ffff:127.0.0.1", &[form]), ip("198.51.100.7"), "{form}");
        }
        assert_eq!(client("::1", &["[2001:db8::1]"]), ip("2001:db8::1"));
    }

    #[test]
    fn one_ipv6_customer_is_one_key() {
        assert_eq!(
            AddressKey::from(ip("2001:db8:1:2::1")),
            AddressKey::from(ip("2001:db8:1:2:ffff::9"))
        );
        assert_ne!(AddressKey::from(ip("2001:db8:1:2::1")), AddressKey::from(ip("2001:db8:1:3::1")));
        assert_ne!(AddressKey::from(ip("1.2.3.4")), AddressKey::from(ip("1.2.3.5")));
    }

    proptest! {
        /// Whatever visitors put in front, what the trusted proxy saw stands.
        #[test]
        fn the_visitor_has_no_choice(forged in "\\PC{0,60}", seen: u32) {
            let seen = IpAddr::from(seen.to_be_bytes());
            let header = format!("{forged},{seen}");
            let found = client("127.0.0.1", &[&header]);
            let trusted = matches!(seen, IpAddr::V4(v4) if matches!(v4.octets()[0], 10 | 127));
            prop_assert!(trusted || found == seen);
        }
    }
}
