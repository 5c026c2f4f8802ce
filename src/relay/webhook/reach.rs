//! Which addresses may be called: those of the public internet, and what the operator allows besides. Pure.
//!
//! A name is resolved by us, its addresses are judged here, and only one that has passed is connected to: no second
//! answer of a name server is ever believed, and no other notation of an address means anything, because what is
//! judged is the address itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// What is not public in IPv4: the special-purpose registry of IANA (RFC 6890 and its successors), multicast, what is
/// reserved, and the one public address at which a cloud tells its machines secrets.
const NOT_PUBLIC: [(Ipv4Addr, u8); 17] = [
    (Ipv4Addr::UNSPECIFIED, 8),            // this host
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // shared by a provider's customers; metadata of Alibaba
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // metadata of Azure
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local; metadata of most clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments; metadata of Oracle
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // relays of 6to4
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved
    (Ipv4Addr::BROADCAST, 32),             // broadcast
];

/// What is not public among the global unicast addresses of IPv6 (`2000::/3`); nothing outside of them is.
const NOT_PUBLIC_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments; Teredo, which holds an IPv4 address
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4, which holds an IPv4 address
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether anybody may be meant by this address.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let bits = v4.to_bits();
            !NOT_PUBLIC
                .iter()
                .any(|(net, length)| (bits ^ net.to_bits()).leading_zeros() >= u32::from(*length))
        }
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() {
        // An IPv4 address by way of a translator (RFC 6052), as name servers give it where there is no IPv4.
        return is_public(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)).into());
    }
    let bits = address.to_bits();
    let within = |net: &Ipv6Addr, length: u8| (bits ^ net.to_bits()).leading_zeros() >= u32::from(length);
    bits >> 125 == 1 && !NOT_PUBLIC_V6.iter().any(|(net, length)| within(net, *length))
}

/// Whether the operator allows this address.
fn is_allowed(address: IpAddr, allowed: &[IpNet]) -> bool {
    let canonical = address.to_canonical();
    allowed.iter().any(|net| net.contains(&address) || net.contains(&canonical))
}

/// Those of the addresses of a name that may be called. Without TLS (`secure`) nobody vouches for whoever answers:
/// then only what is allowed.
pub(super) fn may_call(
    addresses: impl IntoIterator<Item = IpAddr>,
    secure: bool,
    allowed: &[IpNet],
) -> Vec<IpAddr> {
    let passes = |address: &IpAddr| is_allowed(*address, allowed) || (secure && is_public(*address));
    by_turns(addresses.into_iter().filter(passes).collect())
}

/// The families by turns, beginning with that of the first: where one of them leads nowhere the other is tried soon
/// (as RFC 8305 has it).
fn by_turns(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let first = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (one, other): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut turns = Vec::new();
    loop {
        match (one.next(), other.next()) {
            (None, None) => return turns,
            (next, after) => turns.extend(next.into_iter().chain(after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn a_family_that_leads_nowhere_does_not_take_all_the_time() {
        let found = [
            "2001:4860::1",
            "2001:4860::2",
            "2001:4860::3",
            "8.8.8.8",
            "8.8.4.4",
        ]
        .map(ip);
        let tried = [
            "2001:4860::1",
            "8.8.8.8",
            "2001:4860::2",
            "8.8.4.4",
            "2001:4860::3",
        ]
        .map(ip);
        assert_eq!(may_call(found, true, &[]), tried);
    }

    /// Of each range the first address and the last; a single one counts as both.
    const REFUSED: &[&str] = &[
        "0.0.0.0 0.255.255.255",
        "10.0.0.0 10.255.255.255",
        "100.64.0.0 100.127.255.255",
        "100.100.100.200",
        "127.0.0.0 127.255.255.255",
        "127.0.0.1",
        "168.63.129.16",
        "169.254.0.0 169.254.255.255",
        "169.254.169.254",
        "172.16.0.0 172.31.255.255",
        "192.0.0.0 192.0.0.255",
        "192.0.0.192",
        "192.0.2.0 192.0.2.255",
        "192.88.99.0 192.88.99.255",
        "192.168.0.0 192.168.255.255",
        "198.18.0.0 198.19.255.255",
        "198.51.100.0 198.51.100.255",
        "203.0.113.0 203.0.113.255",
        "224.0.0.0 239.255.255.255",
        "240.0.0.0 255.255.255.255",
        ":: ::1",
        "::7f00:1",
        "::ffff:127.0.0.1 ::ffff:127.255.255.255",
        "::ffff:10.1.2.3",
        "::ffff:169.254.169.254",
        "::ffff:0:7f00:1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.1.2.3",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1:: 64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
        "100:: 100::ffff:ffff:ffff:ffff",
        "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:: 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        "2002:: 2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
        "3fff:: 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        "4000::",
        "5f00::1",
        "fc00:: fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80:: febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "fec0::1",
        "ff00:: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ];

    /// Just beside what is refused, and some that people use.
    const PUBLIC: &[&str] = &[
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "203.0.114.0",
        "223.255.255.255",
        "8.8.8.8",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2000::",
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "2003::",
        "2606:4700:4700::1111",
        "3ffe:ffff::",
        "3fff:1000::",
    ];

    #[test]
    fn nothing_that_is_special_is_public() {
        for text in REFUSED.iter().flat_map(|range| range.split(' ')) {
            assert!(!is_public(ip(text)), "{text}");
        }
        for text in PUBLIC {
            assert!(is_public(ip(text)), "{text}");
        }
    }

    #[test]
    fn of_the_addresses_of_a_name_those_remain_that_may_be_called() {
        let mixed = || ["10.0.0.7", "8.8.8.8", "::1"].map(ip);
        assert_eq!(may_call(mixed(), true, &[]), [ip("8.8.8.8")]);
        assert_eq!(may_call(["10.0.0.7", "::1"].map(ip), true, &[]), [] as [IpAddr; 0]);
        let allowed = ["10.0.0.0/24".parse().unwrap()];
        assert_eq!(may_call(mixed(), true, &allowed), [ip("10.0.0.7"), ip("8.8.8.8")]);
        assert_eq!(may_call(mixed(), false, &allowed), [ip("10.0.0.7")], "without TLS only those");
        assert_eq!(
            may_call([ip("::ffff:10.0.0.7")], true, &allowed).len(),
            1,
            "it is the same address"
        );
        assert!(
            may_call([ip("64:ff9b::10.0.0.7")], true, &allowed).is_empty(),
            "this is another way"
        );
    }

    proptest! {
        #[test]
        fn an_address_is_judged_alike_in_all_its_notations(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let judged = is_public(v4.into());
            prop_assert_eq!(is_public(v4.to_ipv6_mapped().into()), judged);
            let translated = Ipv6Addr::from_bits((0x64_ff9b << 96) | u128::from(bits));
            prop_assert_eq!(is_public(translated.into()), judged);
            prop_assert!(!is_public(v4.to_ipv6_compatible().into()), "nobody is reached by this form");
        }

        #[test]
        fn nothing_is_public_that_the_library_calls_special(bits: u32, wide: u128) {
            let v4 = Ipv4Addr::from_bits(bits);
            let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast()
                || v4.is_documentation() || v4.is_multicast() || v4.is_unspecified();
            prop_assert!(!(special && is_public(v4.into())), "{v4}");
            let v6 = Ipv6Addr::from_bits(wide);
            let special = v6.is_loopback() || v6.is_multicast() || v6.is_unspecified()
                || v6.is_unique_local() || v6.is_unicast_link_local();
            prop_assert!(!(special && is_public(v6.into())), "{v6}");
        }

        #[test]
        fn without_tls_nothing_is_called_that_is_not_allowed(bits: u32) {
            prop_assert!(may_call([Ipv4Addr::from_bits(bits).into()], false, &[]).is_empty());
        }
    }
}
