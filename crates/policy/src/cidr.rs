//! Ranges of IP addresses, as `10.0.0.0/24`.

use std::net::IpAddr;

/// Addresses with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Cidr {
    pub(crate) family: Family,
    /// How many bits are the same.
    pub(crate) bits: u8,
    /// Those bits, the others 0.
    pub(crate) network: u128,
}

/// Which internet protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const fn width(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl Cidr {
    /// Reads a range, or says what AWS's rules library says against it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some((address, bits)) = text.split_once('/').filter(|(address, bits)| {
            !address.is_empty() && !bits.is_empty() && !bits.contains('/')
        }) else {
            return Err("Malformed CIDR, one '/' required".to_owned());
        };
        let Ok(bits) = bits.parse::<i32>() else {
            return Err("Malformed CIDR, mask bits must be an integer".to_owned());
        };
        if bits < 0 {
            return Err("Malformed CIDR, mask bits must not be negative".to_owned());
        }
        let Some((family, number)) = address_number(address) else {
            let written = |found: char| found.is_ascii_hexdigit() || found == '.' || found == ':';
            let kind = if address.chars().all(written) {
                "Invalid"
            } else {
                "Nonstandard"
            };
            return Err(format!("{kind} IP address: {address}"));
        };
        match u8::try_from(bits) {
            Ok(bits) if bits <= family.width() => Ok(Self {
                family,
                bits,
                network: masked(number, family, bits),
            }),
            _ => Err(match family {
                Family::V4 => "IPv4 mask bits must be < 33".to_owned(),
                Family::V6 => "IPv6 mask bits must be < 129".to_owned(),
            }),
        }
    }

    /// A range, or one address, which is a range of all its bits.
    pub(crate) fn parse_or_address(text: &str) -> Result<Self, String> {
        match address_number(text) {
            Some((family, network)) => Ok(Self {
                family,
                bits: family.width(),
                network,
            }),
            None => Self::parse(text),
        }
    }

    pub(crate) fn contains(self, text: &str) -> bool {
        address_number(text).is_some_and(|(family, number)| {
            family == self.family && masked(number, family, self.bits) == self.network
        })
    }
}

/// An address as a number.
pub(crate) fn address_number(text: &str) -> Option<(Family, u128)> {
    match text.parse().ok()? {
        IpAddr::V4(address) => Some((Family::V4, u128::from(u32::from(address)))),
        IpAddr::V6(address) => Some((Family::V6, u128::from(address))),
    }
}

/// The first bits of an address, the others 0.
pub(crate) fn masked(number: u128, family: Family, bits: u8) -> u128 {
    let rest = u32::from(family.width() - bits);
    number
        .checked_shr(rest)
        .unwrap_or(0)
        .checked_shl(rest)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_its_addresses() {
        let cases = [
            ("10.0.0.0/24", "10.0.0.0", true),
            ("10.0.0.0/24", "10.0.0.255", true),
            ("10.0.0.0/24", "10.1.1.0", false),
            ("10.0.0.77/24", "10.0.0.1", true),
            ("0.0.0.0/0", "255.1.2.3", true),
            ("0.0.0.0/0", "::1", false),
            ("10.1.2.3/32", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.4", false),
            ("2001:db8::/32", "2001:0DB8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("::/0", "::1", true),
            ("::1/128", "0:0:0:0:0:0:0:1", true),
            ("10.0.0.0/8", "ten", false),
            ("10.0.0.0/8", "", false),
        ];
        for (range, address, wanted) in cases {
            let contains = Cidr::parse(range).map(|range| range.contains(address));
            assert_eq!(contains, Ok(wanted), "{range} {address}");
        }
    }

    /// The words are those of AWS's rules library (aws/event-ruler, CIDR).
    #[test]
    fn what_is_no_range() {
        let cases = [
            ("10.0.0.0", "Malformed CIDR, one '/' required"),
            ("10.0.0.0/8/8", "Malformed CIDR, one '/' required"),
            ("10.0.0.0/x", "Malformed CIDR, mask bits must be an integer"),
            (
                "10.0.0.0/-1",
                "Malformed CIDR, mask bits must not be negative",
            ),
            ("10.0.0.0/33", "IPv4 mask bits must be < 33"),
            ("::/129", "IPv6 mask bits must be < 129"),
            ("::/300", "IPv6 mask bits must be < 129"),
            ("10.0.0.300/8", "Invalid IP address: 10.0.0.300"),
            ("host.example/8", "Nonstandard IP address: host.example"),
        ];
        for (text, wanted) in cases {
            assert_eq!(Cidr::parse(text), Err(wanted.to_owned()), "{text}");
        }
    }
}
