//! Addresses from text.

use crate::sys::address::{Address, UnixPath};
use crate::sys::code::{Code, Failure};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Splits "host:port", "[ipv6]:port" or ":port"; an empty host stays empty. "unix:/path" is a host, and its port is 0.
pub(crate) fn split(address: &str) -> Option<(&str, u16)> {
    if let Some(path) = Address::unix_path(address) {
        return UnixPath::new(path).map(|_| (address, 0));
    }
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').filter(|inner| ip_v6(inner).is_some())?,
        None if host.contains([':', '[', ']']) => return None,
        None => host,
    };
    if !host.is_empty() && !is_host(host) {
        return None;
    }
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((host, port.parse().ok()?))
}

/// A host without the brackets that an IPv6 address may wear; None where it can be neither a name nor an address.
pub(crate) fn host(text: &str) -> Option<&str> {
    if let Some(path) = Address::unix_path(text) {
        return UnixPath::new(path).map(|_| text);
    }
    let bare = match text.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').filter(|inner| ip_v6(inner).is_some())?,
        None => text,
    };
    is_host(bare).then_some(bare)
}

/// Whether text is an IP address, or could be a host name: no white space or control characters, nothing that only
/// an address or a URL has, at most 253 bytes.
fn is_host(text: &str) -> bool {
    if text.is_empty() || text.len() > 253 {
        return false;
    }
    if text.contains(':') {
        return ip_v6(text).is_some();
    }
    text.chars()
        .all(|c| !c.is_whitespace() && !c.is_control() && !"/\\@[]?#%\"'<>,;".contains(c))
}

/// An IPv6 address, perhaps with a numeric or named zone.
fn ip_v6(text: &str) -> Option<Ipv6Addr> {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    if zone.is_empty()
        || !zone
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    {
        return None;
    }
    address.parse().ok()
}

/// The addresses of a host that needs no look-up: an IP address, or `localhost` (RFC 6761, section 6.3). None for any
/// other name. An error where the interface of an IPv6 address does not exist.
pub(crate) fn without_look_up(host: &str, port: u16) -> Option<Result<Vec<Address>, Failure>> {
    if let Some(path) = Address::unix_path(host) {
        let path = UnixPath::new(path).map(|path| vec![Address::Unix(path)]);
        return Some(path.ok_or(Failure::new(Code::Address)));
    }
    let is_localhost = |name: &str| name.eq_ignore_ascii_case("localhost");
    if is_localhost(host) || host.strip_suffix('.').is_some_and(is_localhost) {
        let loopback: [IpAddr; 2] = [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        return Some(Ok(loopback.map(|ip| SocketAddr::new(ip, port).into()).into()));
    }
    let address = match host.split_once('%') {
        None => SocketAddr::new(host.parse().ok()?, port),
        Some((ip, interface)) => {
            let ip = ip.parse().ok()?;
            match interface_index(interface) {
                Some(index) => SocketAddrV6::new(ip, port, 0, index).into(),
                None => return Some(Err(Failure::new(Code::Address))),
            }
        }
    };
    Some(Ok(vec![Address::Ip(address).canonical()]))
}

/// The index of an interface that is given by its name, or as a number.
fn interface_index(interface: &str) -> Option<u32> {
    crate::sys::interface_index(interface).or_else(|| interface.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits() {
        for (text, want) in [
            ("localhost:9080", Some(("localhost", 9080))),
            (":8080", Some(("", 8080))),
            ("127.0.0.1:0", Some(("127.0.0.1", 0))),
            ("[::1]:5000", Some(("::1", 5000))),
            ("[fe80::1%eth0]:5000", Some(("fe80::1%eth0", 5000))),
            ("host:65535", Some(("host", 65535))),
            ("unix:/run/midi.sock", Some(("unix:/run/midi.sock", 0))),
            ("unix:/a b:80", Some(("unix:/a b:80", 0))),
            ("unix:80", Some(("unix", 80))),
            ("unix:midi.sock", None),
            ("host:65536", None),
            ("host:-1", None),
            ("host:+1", None),
            ("host:", None),
            ("host", None),
            ("", None),
            ("::1:80", None),
            ("[::1]", None),
            ("[host]:80", None),
            ("[]:80", None),
            ("a b:80", None),
            ("host:8 0", None),
            ("http://host:80", None),
            ("[::1]x:80", None),
        ] {
            assert_eq!(split(text), want, "{text:?}");
        }
    }

    #[test]
    fn bare_hosts() {
        assert_eq!(host("[::1]"), Some("::1"));
        assert_eq!(host("::1"), Some("::1"));
        assert_eq!(host("a.example"), Some("a.example"));
        assert_eq!(host("unix:/tmp/x"), Some("unix:/tmp/x"));
        assert_eq!(host(&format!("unix:/{}", "x".repeat(120))), None);
        assert_eq!(host("unix:x"), None);
        assert_eq!(host("["), None);
        assert_eq!(host("a b"), None);
        assert_eq!(host(&"x".repeat(254)), None);
    }

    fn known(host: &str) -> Vec<Address> {
        without_look_up(host, 9).expect(host).expect(host)
    }

    fn ip(text: &str) -> Address {
        Address::Ip(text.parse().unwrap())
    }

    #[test]
    fn addresses_and_localhost_need_no_look_up() {
        assert_eq!(known("192.0.2.1"), [ip("192.0.2.1:9")]);
        assert_eq!(known("::1"), [ip("[::1]:9")]);
        assert_eq!(known("::ffff:127.0.0.1"), [ip("127.0.0.1:9")]);
        for name in ["localhost", "LocalHost", "localhost."] {
            assert_eq!(known(name), [ip("[::1]:9"), ip("127.0.0.1:9")]);
        }
        for name in ["localhost.example", "example", "localhost..", "1.2.3", "1.2.3.4.5", ""] {
            assert_eq!(without_look_up(name, 9), None, "{name}");
        }
    }

    #[test]
    fn an_interface_is_a_number_or_a_name() {
        let scoped = |index| {
            vec![Address::Ip(
                SocketAddrV6::new("fe80::1".parse().unwrap(), 9, 0, index).into(),
            )]
        };
        assert_eq!(known("fe80::1%7"), scoped(7));
        assert_eq!(
            without_look_up("fe80::1%no-such-interface", 9),
            Some(Err(Failure::new(Code::Address)))
        );
        assert_eq!(without_look_up("192.0.2.1%1", 9), None);
        #[cfg(target_os = "linux")]
        assert_eq!(known("fe80::1%lo"), scoped(crate::sys::interface_index("lo").unwrap()));
    }

    #[test]
    fn the_text_of_an_address_can_be_split_again() {
        let path = Address::Unix(UnixPath::new("/tmp/a:b").unwrap());
        for address in ["1.2.3.4:5", "[::1]:6", "[fe80::2]:7", "[fe80::2%3]:7"]
            .map(ip)
            .into_iter()
            .chain([path])
        {
            let text = address.text();
            let (host, port) = split(&text).unwrap();
            assert_eq!(without_look_up(host, port), Some(Ok(vec![address])));
        }
    }
}
