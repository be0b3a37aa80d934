//! Addresses and lists of who may connect: any text, and what is understood is understood the same again.

use super::bytes::Bytes;
use crate::net::address;
use crate::session::allow::Allow;
use crate::sys::address::Address;
use std::net::IpAddr;

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let peer = match bytes.byte() & 3 {
        0 => IpAddr::from([127, 0, 0, 1]),
        1 => IpAddr::from(<[u8; 4]>::try_from(pad::<4>(bytes.piece(4))).unwrap()),
        2 => IpAddr::from([0, 0, 0, 0, 0, 0xFFFF, 0x7F00, 1]),
        _ => IpAddr::from(pad::<16>(bytes.piece(16))),
    };
    let text = String::from_utf8_lossy(bytes.0);

    if let Some((host, port)) = address::split(&text) {
        // The same text said another way.
        let again = if Address::is_unix_text(host) {
            host.to_owned()
        } else if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        assert_eq!(address::split(&again), Some((host, port)), "{text:?}");
        assert!(host.is_empty() || address::host(host) == Some(host), "{text:?}");
        // An address that needs no look-up is told in a form that means the same.
        if let Some(Ok(addresses)) = address::without_look_up(host, port) {
            for socket in addresses {
                let told = socket.to_string();
                let (host, port_again) = address::split(&told).expect(&told);
                let again = address::without_look_up(host, port_again);
                assert!(matches!(again, Some(Ok(again)) if again == [socket]), "{text:?} {told}");
            }
        }
    }
    if let Some(host) = address::host(&text) {
        assert_eq!(address::host(host), Some(host), "{text:?}");
    }

    // The C API's own way in: nothing is written beyond the capacity.
    if let Ok(c) = std::ffi::CString::new(text.as_bytes()) {
        let (mut host, mut port) = ([0x55 as std::ffi::c_char; 64], 0u16);
        let capacity = text.len() % 64;
        // SAFETY: the text is NUL-terminated, `host` has room for `capacity` bytes, `port` is writable.
        let result =
            unsafe { crate::ffi::port::midisock_parse_address(c.as_ptr(), host.as_mut_ptr(), capacity, &mut port) };
        assert!(host[capacity..].iter().all(|byte| *byte == 0x55), "{text:?}");
        if result == 0 {
            assert!(
                host[..capacity].contains(&0) && address::split(&text).is_some(),
                "{text:?}"
            );
        }
    }

    if let Ok(allow) = text.parse::<Allow>() {
        let permitted = allow.permits(peer);
        // Mapped or not, a peer is the same; and a list permits what one of its ranges permits.
        if let IpAddr::V4(v4) = peer {
            assert_eq!(
                allow.permits(IpAddr::V6(v4.to_ipv6_mapped())),
                permitted,
                "{text:?} {peer}"
            );
        }
        let one_of = text
            .split(',')
            .any(|range| range.parse::<Allow>().is_ok_and(|one| one.permits(peer)));
        assert_eq!(one_of, permitted, "{text:?} {peer}");
        for range in text.split(',').map(str::trim).filter(|range| !range.contains('/')) {
            let single = range.trim_start_matches('[').trim_end_matches(']');
            let single: IpAddr = single.parse().expect(single);
            assert!(allow.permits(single), "{text:?} {single}");
        }
    }
}

fn pad<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut padded = [0; N];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}
