//! Addresses as text.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Splits "host:port", "[ipv6]:port" or ":port"; an empty host stays empty.
pub(crate) fn split(address: &str) -> Option<(&str, u16)> {
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

/// A host that needs no look-up.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

/// An address with IPv4 that was mapped into IPv6 told as IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        // With its zone.
        IpAddr::V6(_) => address,
    }
}

/// An address as notifications tell it, in a form that `split` takes.
pub(crate) fn text(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => v4.to_string(),
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("[{}%{}]:{}", v6.ip(), v6.scope_id(), v6.port()),
        SocketAddr::V6(v6) => format!("[{}]:{}", v6.ip(), v6.port()),
    }
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
        assert_eq!(host("["), None);
        assert_eq!(host("a b"), None);
        assert_eq!(host(&"x".repeat(254)), None);
    }

    #[test]
    fn what_is_told_can_be_read() {
        for address in ["1.2.3.4:5", "[::1]:6", "[fe80::2]:7"] {
            let address: SocketAddr = address.parse().unwrap();
            let told = text(address);
            let (host, port) = split(&told).unwrap();
            assert_eq!((host.parse::<IpAddr>().unwrap(), port), (address.ip(), address.port()));
        }
    }
}
