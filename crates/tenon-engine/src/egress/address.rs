//! What an address is: who may be talked to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How an address is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Public,
    /// Opens in `tenon dev` or by the allow list.
    Loopback,
    /// Opens by the allow list; the name of the range.
    Private(&'static str),
    /// Never opens; the name of the range.
    Never(&'static str),
}

/// Hosts that hand out cloud credentials or lead to them.
const METADATA_NAMES: &[&str] = &[
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "metadata.azure.com",
    "metadata.tencentyun.com",
    "instance-data",
    "instance-data.ec2.internal",
];

/// Metadata services outside 169.254.0.0/16.
const METADATA_V4: &[Ipv4Addr] = &[
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba
    Ipv4Addr::new(168, 63, 129, 16),   // Azure wire server
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle
];

const METADATA_V6: &[Ipv6Addr] = &[
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), // Amazon
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),  // Google
];

/// Whether this name is a metadata service.
pub(super) fn is_metadata_name(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    METADATA_NAMES
        .iter()
        .any(|name| host.eq_ignore_ascii_case(name))
}

/// The address that packets really go to: IPv4 out of its IPv6 wrappings.
pub(super) fn unwrapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => embedded_v4(v6).map_or(address, IpAddr::V4),
    }
}

/// The class of an address, embedded IPv4 taken out first.
pub(super) fn classify(address: IpAddr) -> Class {
    match unwrapped(address) {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => classify_v6(v6),
    }
}

fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let last = Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]);
    match address.segments() {
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Mapped, translated (SIIT), compatible, NAT64.
        [0, 0, 0, 0, 0, 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0, 0, 0, 0, 0, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(last),
        // ISATAP.
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => Some(last),
        // 6to4.
        [0x2002, ..] => Some(Ipv4Addr::new(octets[2], octets[3], octets[4], octets[5])),
        _ => None,
    }
}

fn classify_v4(address: Ipv4Addr) -> Class {
    if METADATA_V4.contains(&address) {
        return Class::Never("a metadata service");
    }
    match address.octets() {
        [0, ..] => Class::Never("unspecified"),
        [127, ..] => Class::Loopback,
        [169, 254, ..] => Class::Never("link-local"),
        [224..=239, ..] => Class::Never("multicast"),
        [240..=255, ..] => Class::Never("reserved"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Class::Private("private"),
        [100, 64..=127, ..] => Class::Private("shared (carrier-grade NAT)"),
        [192, 0, 0, _] => Class::Private("reserved for protocols"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Class::Private("for documentation")
        }
        [198, 18..=19, ..] => Class::Private("for benchmarks"),
        _ => Class::Public,
    }
}

fn classify_v6(address: Ipv6Addr) -> Class {
    if METADATA_V6.contains(&address) {
        return Class::Never("a metadata service");
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Class::Never("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Loopback,
        [0xfe80..=0xfebf, ..] => Class::Never("link-local"),
        [0xff00..=0xffff, ..] => Class::Never("multicast"),
        [0xfec0..=0xfeff, ..] => Class::Private("site-local"),
        [0xfc00..=0xfdff, ..] => Class::Private("private"),
        [0x64, 0xff9b, 1, ..] => Class::Private("local NAT64"),
        [0x2001, 0, ..] => Class::Private("Teredo"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Class::Private("for documentation"),
        [0x2001, 2, 0, ..] => Class::Private("for benchmarks"),
        [0x100, 0, 0, 0, ..] => Class::Private("discarded"),
        [0x5f00, ..] => Class::Private("segment routing"),
        // Only 2000::/3 is given out to anybody.
        [0x2000..=0x3fff, ..] => Class::Public,
        _ => Class::Private("not global"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, classify, is_metadata_name};

    #[test]
    fn every_range_has_its_class() {
        let public = Class::Public;
        let cases = [
            ("8.8.8.8", public),
            ("172.15.255.255", public),
            ("172.32.0.1", public),
            ("100.63.255.255", public),
            ("100.128.0.1", public),
            ("2606:4700::1111", public),
            ("::ffff:8.8.8.8", public),
            ("64:ff9b::808:808", public),
            ("2002:808:808::1", public),
            ("127.0.0.1", Class::Loopback),
            ("127.255.255.254", Class::Loopback),
            ("::1", Class::Loopback),
            ("::ffff:127.0.0.1", Class::Loopback),
            ("::127.0.0.1", Class::Loopback),
            ("::ffff:0:127.0.0.1", Class::Loopback),
            ("64:ff9b::127.0.0.1", Class::Loopback),
            ("2002:7f00:1::", Class::Loopback),
            ("2606:4700::5efe:7f00:1", Class::Loopback),
            ("0.0.0.0", Class::Never("unspecified")),
            ("0.1.2.3", Class::Never("unspecified")),
            ("::", Class::Never("unspecified")),
            ("169.254.169.254", Class::Never("link-local")),
            ("::ffff:169.254.169.254", Class::Never("link-local")),
            ("64:ff9b::a9fe:a9fe", Class::Never("link-local")),
            ("2002:a9fe:a9fe::", Class::Never("link-local")),
            ("fe80::1", Class::Never("link-local")),
            ("100.100.100.200", Class::Never("a metadata service")),
            ("168.63.129.16", Class::Never("a metadata service")),
            ("fd00:ec2::254", Class::Never("a metadata service")),
            ("224.0.0.1", Class::Never("multicast")),
            ("ff02::1", Class::Never("multicast")),
            ("255.255.255.255", Class::Never("reserved")),
            ("10.0.0.1", Class::Private("private")),
            ("172.16.0.1", Class::Private("private")),
            ("192.168.1.1", Class::Private("private")),
            ("fd12::1", Class::Private("private")),
            ("fec0::1", Class::Private("site-local")),
            ("100.64.0.1", Class::Private("shared (carrier-grade NAT)")),
            ("2001:0:1::1", Class::Private("Teredo")),
            ("64:ff9b:1::a00:1", Class::Private("local NAT64")),
            ("4000::1", Class::Private("not global")),
        ];
        for (text, class) in cases {
            let address = text.parse().unwrap();
            assert_eq!(classify(address), class, "{text}");
        }
    }

    #[test]
    fn metadata_names_are_known_in_any_spelling() {
        assert!(is_metadata_name("metadata.google.internal"));
        assert!(is_metadata_name("METADATA.google.internal."));
        assert!(!is_metadata_name("metadata.example.com"));
    }
}
