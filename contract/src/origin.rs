//! Origins, and which addresses an edge may dial for one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::address::OriginAddress;
use crate::id::OriginId;
use crate::name::Name;

/// A server where applications run. Only edges ever learn its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Its id.
    pub id: OriginId,
    /// What people call it.
    pub name: Name,
    /// Where it listens.
    pub address: OriginAddress,
    /// Which addresses its name may resolve to.
    #[serde(default)]
    pub reach: Reach,
}

/// Which addresses an origin's name may resolve to. Public unicast ones always; link-local,
/// multicast, unspecified and metadata ones never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// Private networks: RFC 1918, RFC 6598, RFC 4193.
    #[serde(default)]
    pub private: bool,
    /// The edge's own machine: 127.0.0.0/8 and ::1.
    #[serde(default)]
    pub loopback: bool,
}

/// Where clouds tell a machine its own secrets, inside ranges that private origins may be in; most
/// others do so at a link-local address.
const METADATA_V4: [Ipv4Addr; 2] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254),
];

impl Reach {
    /// Whether the edge may dial this address for such an origin.
    #[must_use]
    pub fn permits(self, addr: IpAddr) -> bool {
        match addr.to_canonical() {
            IpAddr::V4(addr) => self.permits_v4(addr),
            IpAddr::V6(addr) => self.permits_v6(addr),
        }
    }

    fn permits_v4(self, addr: Ipv4Addr) -> bool {
        let [first, second, ..] = addr.octets();
        if addr.is_loopback() {
            return self.loopback;
        }
        if METADATA_V4.contains(&addr) {
            return false;
        }
        // 100.64.0.0/10 is shared address space (RFC 6598).
        if addr.is_private() || (first == 100 && (64..128).contains(&second)) {
            return self.private;
        }
        // 0.0.0.0/8 "this network", 169.254.0.0/16 link-local with the metadata services,
        // 224.0.0.0/4 multicast, 240.0.0.0/4 reserved with broadcast.
        !(first == 0 || addr.is_link_local() || first >= 224)
    }

    fn permits_v6(self, addr: Ipv6Addr) -> bool {
        if addr.is_loopback() {
            return self.loopback;
        }
        if METADATA_V6.contains(&addr) {
            return false;
        }
        if addr.is_unique_local() {
            return self.private;
        }
        // 64:ff9b::/96 and 2002::/16 hide an IPv4 address (RFC 6052, RFC 3056): judge that one.
        let parts = addr.segments();
        let embedded = |high: u16, low: u16| {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            Ipv4Addr::new(a, b, c, d)
        };
        if parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
            return self.permits_v4(embedded(parts[6], parts[7]));
        }
        if parts[0] == 0x2002 {
            return self.permits_v4(embedded(parts[1], parts[2]));
        }
        !(addr.is_unspecified() || addr.is_multicast() || addr.is_unicast_link_local())
            && (parts[0] & 0xe000) == 0x2000
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dials_only_what_the_record_allows() {
        let public = Reach::default();
        let inside = Reach {
            private: true,
            loopback: false,
        };
        let own = Reach {
            private: false,
            loopback: true,
        };
        let check = |addr: &str, expected: [bool; 3]| {
            let addr: IpAddr = addr.parse().unwrap();
            let seen = [public, inside, own].map(|reach| reach.permits(addr));
            assert_eq!(seen, expected, "{addr}");
        };
        check("93.184.216.34", [true; 3]);
        check("2606:2800:220::1", [true; 3]);
        check("10.1.2.3", [false, true, false]);
        check("100.64.0.1", [false, true, false]);
        check("100.100.100.200", [false; 3]);
        check("192.0.0.192", [false; 3]);
        check("fd20:ce::254", [false; 3]);
        check("64:ff9b::6464:64c8", [false; 3]);
        check("fd12::1", [false, true, false]);
        check("127.0.0.1", [false, false, true]);
        check("::1", [false, false, true]);
        check("::ffff:127.0.0.1", [false, false, true]);
        check("64:ff9b::7f00:1", [false, false, true]);
        for never in [
            "169.254.169.254",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "fe80::1",
            "ff02::1",
            "::",
            "fd00:ec2::254",
            "2002:a9fe:a9fe::1",
        ] {
            check(never, [false; 3]);
        }
    }
}
