//! Tells an HTTP request from MIDI by its first bytes: a web page can make a browser post to a loopback server, and a
//! body parses as notes. So do the random bytes with which TLS begins, where the page asks for https.

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// They may still become a request.
    Undecided,
    Http,
    Midi,
}

/// Methods of RFC 9110, PATCH of RFC 5789, and the preface of HTTP/2 (RFC 9113).
const METHODS: [&[u8]; 10] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
    b"PRI ",
];

/// The first record of TLS (RFC 8446, section 5.1): of the handshake's, with a version from 3.0 to 3.4.
const TLS: [&[u8]; 5] = [&[22, 3, 0], &[22, 3, 1], &[22, 3, 2], &[22, 3, 3], &[22, 3, 4]];

pub(crate) fn first(bytes: &[u8]) -> First {
    let mut beginnings = METHODS.iter().chain(&TLS);
    if beginnings.clone().any(|beginning| bytes.starts_with(beginning)) {
        First::Http
    } else if beginnings.any(|beginning| beginning.starts_with(bytes)) {
        First::Undecided
    } else {
        First::Midi
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_messages() {
        assert_eq!(first(b""), First::Undecided);
        assert_eq!(first(b"P"), First::Undecided);
        assert_eq!(first(b"POST"), First::Undecided);
        assert_eq!(first(b"POST /x HTTP/1.1\r\n"), First::Http);
        assert_eq!(first(b"GET "), First::Http);
        assert_eq!(first(b"GETX"), First::Midi);
        assert_eq!(first(&[0x90, 60, 64]), First::Midi);
        assert_eq!(first(&[0x47, 0x90]), First::Midi, "a stray data byte is no request");
        assert_eq!(first(&[22, 3]), First::Undecided);
        assert_eq!(first(&[22, 3, 1, 2, 0]), First::Http);
        assert_eq!(first(&[22, 3, 5]), First::Midi);
    }
}
