//! Tells a MIDI peer from a program that speaks something else, by the first bytes that it sends.
//!
//! A web page can make a browser connect to a server on loopback, and what the browser sends parses as notes. HTTP, TLS,
//! STUN, TURN and SSH all begin with three or more bytes below 80. MIDI begins with a status byte; one or two stray data
//! bytes before it are tolerated, as a client that joins a running stream may send them.

use crate::sys::address::Address;

/// How long a silent client may still turn out to be a browser before it is announced, in ms. On loopback a browser's
/// request comes with the connection.
const PATIENCE_MS: u32 = 50;
const PATIENCE_ON_LOOPBACK_MS: u32 = 10;

/// How long to wait for the first bytes of a client; 0: it is no browser, which cannot connect to a Unix socket.
pub(super) fn patience_ms(address: Option<Address>) -> u32 {
    match address {
        Some(Address::Unix(_)) => 0,
        Some(Address::Ip(address)) if address.ip().is_loopback() => PATIENCE_ON_LOOPBACK_MS,
        _ => PATIENCE_MS,
    }
}

/// So many data bytes before the first status byte are no MIDI.
const MOST_DATA_BYTES: usize = 2;

/// How far the first bytes have been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sniffer {
    data_bytes: usize,
}

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No status byte yet, and not enough data bytes to tell.
    Undecided,
    Midi,
    Foreign,
}

impl Sniffer {
    /// Takes the next of the first bytes.
    pub(super) fn see(&mut self, bytes: &[u8]) -> Verdict {
        let run = bytes.iter().take_while(|byte| **byte < 0x80).take(MOST_DATA_BYTES + 1);
        let run = run.count();
        self.data_bytes += run;
        if self.data_bytes > MOST_DATA_BYTES {
            Verdict::Foreign
        } else if run < bytes.len() {
            Verdict::Midi
        } else {
            Verdict::Undecided
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the pieces, the verdict is the same.
    fn verdict(bytes: &[u8]) -> Verdict {
        let whole = Sniffer::default().see(bytes);
        let mut sniffer = Sniffer::default();
        let mut by_bytes = Verdict::Undecided;
        for byte in bytes {
            by_bytes = sniffer.see(&[*byte]);
            if by_bytes != Verdict::Undecided {
                break;
            }
        }
        assert_eq!(whole, by_bytes, "{bytes:02x?}");
        whole
    }

    #[test]
    fn midi_begins_with_a_status_byte() {
        for bytes in [
            &[0x90, 60, 64][..],
            &[0xF8],
            &[0xF0, 1, 2],
            &[60, 0x90],
            &[60, 64, 0x90, 1, 1],
        ] {
            assert_eq!(verdict(bytes), Verdict::Midi);
        }
    }

    #[test]
    fn other_protocols_do_not() {
        let stun = [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
        let turn = [0, 3, 0, 0x10];
        for bytes in [
            b"GET / HTTP/1.1\r\n",
            &b"POST"[..],
            b"PRI * HTTP/2.0",
            b"SSH-2.0-",
            &[22, 3, 1, 2],
            &stun,
            &turn,
        ] {
            assert_eq!(verdict(bytes), Verdict::Foreign, "{bytes:02x?}");
        }
    }

    #[test]
    fn two_data_bytes_tell_nothing() {
        assert_eq!(verdict(&[]), Verdict::Undecided);
        assert_eq!(verdict(&[22, 3]), Verdict::Undecided);
    }
}
