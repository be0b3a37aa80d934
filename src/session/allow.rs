//! Who may connect: a list of addresses and CIDR ranges (RFC 4632, RFC 4291).

use crate::sys::code::Code;
use std::net::IpAddr;
use std::str::FromStr;

/// The ranges of `midisock_config.allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allow {
    ranges: Vec<Range>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    /// With the bits beyond the prefix cleared, IPv4 as itself.
    network: IpAddr,
    prefix: u8,
}

impl Allow {
    /// Whether a peer may connect. IPv4 that came mapped into IPv6 counts as IPv4.
    pub(crate) fn permits(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.ranges
            .iter()
            .any(|range| masked(peer, range.prefix) == Some(range.network))
    }
}

/// An address with only its first `prefix` bits left; None where it has no so many.
fn masked(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(v4) if prefix <= 32 => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) if prefix <= 128 => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
        _ => return None,
    })
}

impl FromStr for Allow {
    type Err = Code;

    fn from_str(text: &str) -> Result<Self, Code> {
        let ranges = text
            .split(',')
            .map(|range| range.trim().parse())
            .collect::<Result<_, _>>()?;
        Ok(Self { ranges })
    }
}

impl FromStr for Range {
    type Err = Code;

    fn from_str(text: &str) -> Result<Self, Code> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address = address
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'))
            .unwrap_or(address);
        let given: IpAddr = address.parse().map_err(|_| Code::Address)?;
        let width = if given.is_ipv4() { 32 } else { 128 };
        let mut prefix = match bits {
            None => width,
            Some(bits) if !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().map_err(|_| Code::Address)?
            }
            Some(_) => return Err(Code::Address),
        };
        let mut network = given;
        if prefix > width {
            return Err(Code::Address);
        }
        let mapped = match given {
            IpAddr::V6(v6) if prefix >= 96 => v6.to_ipv4_mapped(),
            _ => None,
        };
        if let Some(v4) = mapped {
            network = IpAddr::V4(v4);
            prefix -= 96;
        }
        let network = masked(network, prefix).ok_or(Code::Address)?;
        Ok(Self { network, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(list: &str, peer: &str) -> bool {
        list.parse::<Allow>().unwrap().permits(peer.parse().unwrap())
    }

    #[test]
    fn ranges() {
        for (list, peer, want) in [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("127.0.0.0/8", "127.9.9.9", true),
            ("10.0.0.7/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("::/0", "8.8.8.8", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("::ffff:10.0.0.0/104", "10.1.1.1", true),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("fe80::/10", "fe80::1", true),
            ("fe80::/10", "fec0::1", false),
            ("192.168.1.128/25", "192.168.1.127", false),
            ("192.168.1.128/25", "192.168.1.128", true),
            ("1.2.3.4 , ::1", "::1", true),
            ("[::1]", "::1", true),
        ] {
            assert_eq!(permits(list, peer), want, "{list:?} {peer}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for list in [
            "",
            ",",
            "127.0.0.1,",
            "localhost",
            "1.2.3.4/33",
            "::1/129",
            "1.2.3.4/",
            "1.2.3.4/+8",
            "1.2.3/8",
        ] {
            assert_eq!(list.parse::<Allow>(), Err(Code::Address), "{list:?}");
        }
    }
}
