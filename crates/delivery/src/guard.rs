//! Where requests may go that users of the broker cause: not to the cluster itself, nor into the network it stands in.
//!
//! Whoever may subscribe an endpoint makes the broker send requests from where it stands. So an address is judged before
//! a connection is made, after the name was looked up and never again: the connection goes to the address that was judged.
//! What the operator configures (a mail server, a gateway, a platform's address) is not judged; it does not come from a user.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

use crate::limits::ADDRESSES_MAX;

/// What is allowed besides the public networks, and what is never allowed.
#[derive(Clone, Debug, Default)]
pub struct GuardSettings {
    /// Whether requests may go to this machine, as on a laptop they should.
    pub allow_loopback: bool,
    /// Networks and hosts that are allowed although they would not be.
    pub allow: Vec<Allowed>,
    /// Ports on which nodes of this cluster listen. Together with `own_addresses`: no request goes there, whatever is allowed.
    pub own_ports: BTreeSet<u16>,
    /// Addresses of the cluster's nodes. This machine's own need not be among them.
    pub own_addresses: BTreeSet<IpAddr>,
}

/// A network or a host that the operator allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// All addresses whose first bits are these.
    Network {
        /// The first address.
        address: IpAddr,
        /// How many bits count.
        bits: u8,
    },
    /// Whatever addresses this name has. In small letters.
    Host(String),
}

/// A text that is neither a network nor a host.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is neither an address, a network such as 10.0.0.0/8, nor a host's name")]
pub struct NotAllowed(String);

impl FromStr for Allowed {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        let refuse = || NotAllowed(text.to_owned());
        let width = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
        if let Ok(address) = text.parse::<IpAddr>() {
            let bits = width(address);
            return Ok(Self::Network { address, bits });
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| refuse())?;
            let bits: u8 = bits.parse().map_err(|_| refuse())?;
            if bits > width(address) {
                return Err(refuse());
            }
            return Ok(Self::Network { address, bits });
        }
        let is_name = !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
        is_name
            .then(|| Self::Host(text.to_ascii_lowercase()))
            .ok_or_else(refuse)
    }
}

impl Allowed {
    fn has_address(&self, candidate: IpAddr) -> bool {
        let Self::Network { address, bits } = self else {
            return false;
        };
        match (address, candidate) {
            (IpAddr::V4(network), IpAddr::V4(candidate)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
                u32::from(*network) & mask == u32::from(candidate) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(candidate)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or(0);
                u128::from(*network) & mask == u128::from(candidate) & mask
            }
            _ => false,
        }
    }
}

/// Whose address it is: what an operator configured is not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A user of the broker named it.
    User,
    /// The operator configured it.
    Operator,
}

/// Why there is no address to connect to.
#[derive(Debug, Error)]
pub enum NoAddress {
    /// The name cannot be looked up now.
    #[error("{host} cannot be looked up: {error}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the system said.
        error: io::Error,
    },
    /// The name has no address.
    #[error("{0} has no address")]
    Empty(String),
    /// No address of it is allowed.
    #[error("{host} is at {address}, {why}: an operator can allow it")]
    Refused {
        /// The name.
        host: String,
        /// One of its addresses.
        address: IpAddr,
        /// What that is.
        why: &'static str,
    },
}

/// Judges addresses.
#[derive(Clone, Debug, Default)]
pub struct Guard(GuardSettings);

impl Guard {
    /// With these settings.
    pub fn new(settings: GuardSettings) -> Self {
        Self(settings)
    }

    /// The addresses of a host that a connection may be made to, at most [`ADDRESSES_MAX`]. The name is looked up once, here.
    pub async fn resolve(
        &self,
        host: &str,
        port: u16,
        origin: Origin,
    ) -> Result<Vec<SocketAddr>, NoAddress> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => tokio::net::lookup_host((bare, port))
                .await
                .map_err(|error| NoAddress::Unresolved {
                    host: bare.to_owned(),
                    error,
                })?
                .collect(),
        };
        self.admit(bare, found, origin)
    }

    fn admit(
        &self,
        host: &str,
        found: Vec<SocketAddr>,
        origin: Origin,
    ) -> Result<Vec<SocketAddr>, NoAddress> {
        let mut admitted = Vec::new();
        let mut refused = None;
        for address in found {
            match self.judge(host, address, origin) {
                Ok(()) if admitted.len() < ADDRESSES_MAX => admitted.push(address),
                Ok(()) => {}
                Err(why) => refused = Some((address.ip(), why)),
            }
        }
        match (admitted.is_empty(), refused) {
            (false, _) => Ok(admitted),
            (true, None) => Err(NoAddress::Empty(host.to_owned())),
            (true, Some((address, why))) => Err(NoAddress::Refused {
                host: host.to_owned(),
                address,
                why,
            }),
        }
    }

    /// Whether a connection may be made, or why not.
    pub fn judge(&self, host: &str, to: SocketAddr, origin: Origin) -> Result<(), &'static str> {
        if origin == Origin::Operator {
            return Ok(());
        }
        let forms = forms(to.ip());
        if self.0.own_ports.contains(&to.port()) && forms.iter().any(|ip| self.is_own(*ip)) {
            return Err("a port of this cluster");
        }
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if self.0.allow.contains(&Allowed::Host(host)) {
            return Ok(());
        }
        for ip in forms {
            let is_listed = self.0.allow.iter().any(|allowed| allowed.has_address(ip));
            let is_laptop = self.0.allow_loopback && ip.is_loopback();
            if !is_listed && !is_laptop {
                special(ip).map_or(Ok(()), Err)?;
            }
        }
        Ok(())
    }

    /// Whether an address is one of this machine's, or of another node.
    fn is_own(&self, ip: IpAddr) -> bool {
        // Only an address of this machine can be bound to.
        ip.is_loopback()
            || ip.is_unspecified()
            || self.0.own_addresses.contains(&ip)
            || std::net::UdpSocket::bind((ip, 0)).is_ok()
    }
}

/// An address, or the addresses that it stands for. All of them are judged: an IPv4 address can be written as an IPv6 one in
/// several ways, and a machine or a router on the way may take it for what is in it.
fn forms(ip: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(v6) = ip else {
        return vec![ip];
    };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return vec![IpAddr::V4(v4)];
    }
    let mut forms = vec![ip];
    let octets = v6.octets();
    let v4 = |at: usize| {
        IpAddr::V4(Ipv4Addr::new(
            octets[at],
            octets[at + 1],
            octets[at + 2],
            octets[at + 3],
        ))
    };
    let is_plain = v6.is_loopback() || v6.is_unspecified();
    match v6.segments() {
        // ::a.b.c.d, and the translators' 64:ff9b::a.b.c.d and 64:ff9b:1::a.b.c.d.
        [0, 0, 0, 0, 0, 0, ..] if !is_plain => forms.push(v4(12)),
        [0x64, 0xff9b, ..] => forms.push(v4(12)),
        // 2002:aabb:ccdd::
        [0x2002, ..] => forms.push(v4(2)),
        _ => {}
    }
    forms
}

/// What is special about an address, if anything is (IANA's registries of special-purpose addresses).
fn special(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let what = match ip.octets() {
        [0, ..] => "an unspecified address",
        [127, ..] => "this machine",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "a private network",
        // Among them is a cloud's metadata service, 100.100.100.200.
        [100, 64..=127, ..] => "a carrier's private network",
        [169, 254, ..] => "a link-local address, as metadata services have",
        // And among these another's, 192.0.0.192.
        [192, 0, 0, _] => "a network for protocols",
        [168, 63, 129, 16] => "a cloud's metadata service",
        [198, 18..=19, ..] => "a network for benchmarks",
        [224..=239, ..] => "a multicast address",
        [240..=255, ..] => "a reserved address",
        _ => return None,
    };
    Some(what)
}

fn special_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let first = ip.segments()[0];
    let what = match first {
        _ if ip.is_unspecified() => "an unspecified address",
        _ if ip.is_loopback() => "this machine",
        _ if first & 0xfe00 == 0xfc00 => "a private network",
        _ if first & 0xffc0 == 0xfe80 => "a link-local address",
        _ if first & 0xffc0 == 0xfec0 => "a private network",
        _ if first & 0xff00 == 0xff00 => "a multicast address",
        // 2001::/23 is for protocols; 2001::/32 in it, Teredo, hides an IPv4 address.
        0x2001 if ip.segments()[1] < 0x200 => "a network for protocols",
        _ => return None,
    };
    Some(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(settings: GuardSettings, host: &str, to: &str) -> Result<(), &'static str> {
        Guard::new(settings).judge(host, to.parse().unwrap(), Origin::User)
    }

    #[test]
    fn public_addresses_pass_and_special_ones_do_not() {
        for good in [
            "1.1.1.1:80",
            "172.32.0.1:443",
            "100.128.0.1:80",
            "[2606:4700::1111]:443",
            "[64:ff9b::101:101]:443",
            "[2002:101:101::1]:80",
        ] {
            assert_eq!(judge(GuardSettings::default(), "h", good), Ok(()), "{good}");
        }
        for bad in [
            "0.0.0.0:80",
            "0.1.2.3:80",
            "127.0.0.1:80",
            "127.8.8.8:80",
            "10.1.2.3:80",
            "172.16.0.1:80",
            "172.31.255.255:80",
            "192.168.1.1:80",
            "100.64.0.1:80",
            "100.100.100.200:80",
            "169.254.169.254:80",
            "168.63.129.16:80",
            "192.0.0.192:80",
            "198.19.0.1:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "[::]:80",
            "[::1]:80",
            "[fe80::1]:80",
            "[febf::1]:80",
            "[fec0::1]:80",
            "[fd00:ec2::254]:80",
            "[fc00::1]:80",
            "[ff02::1]:80",
            "[2001::1]:80",
            "[::ffff:127.0.0.1]:80",
            "[::ffff:169.254.169.254]:80",
            "[::ffff:10.0.0.1]:80",
            "[::10.0.0.1]:80",
            "[64:ff9b::a00:1]:80",
            "[64:ff9b:1::7f00:1]:80",
            "[2002:a9fe:a9fe::]:80",
        ] {
            assert!(judge(GuardSettings::default(), "h", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_is_a_setting_and_nothing_else_is_opened_by_it() {
        let laptop = || GuardSettings {
            allow_loopback: true,
            ..GuardSettings::default()
        };
        for good in ["127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(judge(laptop(), "localhost", good), Ok(()), "{good}");
        }
        for bad in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "169.254.169.254:80"] {
            assert!(judge(laptop(), "localhost", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_operator_allows_networks_and_hosts() {
        let settings = || GuardSettings {
            allow: vec![
                "10.1.0.0/16".parse().unwrap(),
                "fd00::/8".parse().unwrap(),
                "Hooks.Internal".parse().unwrap(),
                "192.168.0.7".parse().unwrap(),
            ],
            ..GuardSettings::default()
        };
        for (host, good) in [
            ("a", "10.1.2.3:80"),
            ("a", "[::ffff:10.1.2.3]:80"),
            ("a", "[fd12::1]:80"),
            ("a", "192.168.0.7:80"),
            ("hooks.internal", "172.16.0.1:80"),
            ("HOOKS.internal.", "172.16.0.1:80"),
        ] {
            assert_eq!(judge(settings(), host, good), Ok(()), "{host} {good}");
        }
        for (host, bad) in [
            ("a", "10.2.0.1:80"),
            ("a", "192.168.0.8:80"),
            ("x.hooks.internal", "172.16.0.1:80"),
            ("a", "[fc00::1]:80"),
        ] {
            assert!(judge(settings(), host, bad).is_err(), "{host} {bad}");
        }
        let all: Allowed = "0.0.0.0/0".parse().unwrap();
        assert!(all.has_address("10.0.0.1".parse().unwrap()));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "a b", "::/129", "http://a"] {
            assert!(bad.parse::<Allowed>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_clusters_own_ports_are_never_allowed() {
        let settings = || GuardSettings {
            allow_loopback: true,
            allow: vec!["0.0.0.0/0".parse().unwrap(), "me".parse().unwrap()],
            own_ports: [4566].into(),
            own_addresses: ["203.0.113.7".parse().unwrap()].into(),
        };
        for bad in [
            "127.0.0.1:4566",
            "127.3.3.3:4566",
            "[::1]:4566",
            "0.0.0.0:4566",
            "203.0.113.7:4566",
            "[::ffff:203.0.113.7]:4566",
        ] {
            assert_eq!(
                judge(settings(), "me", bad),
                Err("a port of this cluster"),
                "{bad}"
            );
        }
        assert_eq!(judge(settings(), "me", "127.0.0.1:4567"), Ok(()));
        assert_eq!(judge(settings(), "me", "203.0.113.8:4566"), Ok(()));
    }

    #[tokio::test]
    async fn a_name_is_looked_up_and_its_bad_addresses_are_left_out() {
        let guard = Guard::default();
        let refused = guard.resolve("localhost", 80, Origin::User).await;
        assert!(
            matches!(refused, Err(NoAddress::Refused { .. })),
            "{refused:?}"
        );
        let by_operator = guard.resolve("localhost", 80, Origin::Operator).await;
        assert!(by_operator.unwrap().iter().all(|at| at.ip().is_loopback()));
        let literal = guard.resolve("[::1]", 80, Origin::User).await;
        assert!(matches!(literal, Err(NoAddress::Refused { .. })));
        let mixed = vec![
            "10.0.0.1:80".parse().unwrap(),
            "1.1.1.1:80".parse().unwrap(),
        ];
        let admitted = guard.admit("h", mixed, Origin::User).unwrap();
        assert_eq!(admitted, ["1.1.1.1:80".parse().unwrap()]);
        let none = guard.admit("h", Vec::new(), Origin::User);
        assert!(matches!(none, Err(NoAddress::Empty(_))));
    }
}
