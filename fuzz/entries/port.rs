//! A port with its socket and its threads, and a peer that does anything: nothing torn in either direction, nothing
//! held when the peer has gone, every message accounted for.

use super::bytes::Bytes;
use crate::ffi::config::{midisock_config, midisock_config_init};
use crate::ffi::message::*;
use crate::ffi::midisock_port;
use crate::ffi::port::*;
use crate::ffi::state::*;
use crate::midi::message;
use crate::midi::state::receiver_model::{Make, Receiver};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Far beyond what anything takes.
const DEADLINE: Duration = Duration::from_secs(20);

/// A port of the fuzzer's, for raw calls.
struct Port(*mut midisock_port);

impl Drop for Port {
    fn drop(&mut self) {
        // SAFETY: a live port of this struct's, not used after this.
        unsafe { midisock_close(self.0) };
    }
}

fn stats(port: &Port) -> midisock_stats {
    // SAFETY: counters are numbers.
    let mut stats: midisock_stats = unsafe { std::mem::zeroed() };
    // SAFETY: a live port, and a struct of that size.
    assert_eq!(
        unsafe { midisock_get_stats(port.0, &mut stats, size_of::<midisock_stats>()) },
        0
    );
    stats
}

/// Keeps the network thread from ending between two inputs.
fn keep_thread() {
    struct Kept(#[allow(dead_code)] *mut midisock_port);
    // SAFETY: nothing is ever done with it.
    unsafe impl Send for Kept {}
    // SAFETY: as above.
    unsafe impl Sync for Kept {}
    static KEPT: OnceLock<Kept> = OnceLock::new();
    KEPT.get_or_init(|| {
        let mut port = null_mut();
        // SAFETY: NULL host and config are the defaults; `port` is writable.
        assert_eq!(
            unsafe { midisock_listen(std::ptr::null(), 0, std::ptr::null(), &mut port) },
            0
        );
        Kept(port)
    });
}

/// What came out of the port.
struct Popped {
    receiver: Receiver,
    live: u64,
    made: u64,
}

impl Popped {
    /// Takes so many messages at most; whether there may be more.
    fn pop(&mut self, port: &Port, most: usize) -> bool {
        for _ in 0..most {
            // SAFETY: a message is numbers and a pointer.
            let mut popped: midisock_message = unsafe { std::mem::zeroed() };
            // SAFETY: a live port, popped from by this thread alone; `popped` is writable.
            if unsafe { midisock_pop(port.0, &mut popped) } != 0 {
                return false;
            }
            // SAFETY: valid until the next pop.
            let bytes = unsafe { std::slice::from_raw_parts(popped.data, popped.size as usize) };
            assert!(message::is_whole(bytes), "{bytes:02X?}");
            self.receiver.receive(bytes);
            if popped.flags & MIDISOCK_FLAG_SYNTHETIC == 0 {
                self.live += 1;
            } else {
                self.made += 1;
            }
        }
        true
    }
}

/// Runs one input.
pub fn run(data: &[u8]) {
    keep_thread();
    let mut bytes = Bytes(data);
    let what = bytes.byte();
    // SAFETY: a config is numbers and pointers.
    let mut config: midisock_config = unsafe { std::mem::zeroed() };
    // SAFETY: a struct of that size.
    unsafe { midisock_config_init(&mut config, size_of::<midisock_config>()) };
    config.in_queue_bytes = 4096;
    config.out_queue_bytes = 4096;
    config.max_message_bytes = 64;
    config.client_buffer_bytes = 2048;
    config.overflow = 1 + u32::from(what & 1);
    // A half-closed peer is kept for answers for so long at most.
    config.linger_ms = 2;
    config.greet = u32::from(what >> 1 & 1);
    config.wake = u32::from(what >> 2 & 1);
    let mut raw = null_mut();
    // SAFETY: NULL is the loopback; the config is initialised; `raw` is writable.
    assert_eq!(unsafe { midisock_listen(std::ptr::null(), 0, &config, &mut raw) }, 0);
    let port = Port(raw);
    // SAFETY: a live port.
    let number = unsafe { midisock_local_port(port.0) };
    let mut peer = Some(TcpStream::connect(("127.0.0.1", number)).unwrap());
    if let Some(peer) = &peer {
        peer.set_nonblocking(true).unwrap();
    }
    let mut popped = Popped {
        receiver: Receiver::new(Make {
            zeroes_lsb: false,
            one_number: false,
            mpe: false,
            steps: false,
            half_pedal: false,
            captures_sustained: false,
        }),
        live: 0,
        made: 0,
    };
    let mut came = Vec::new();
    while !bytes.is_empty() {
        let step = bytes.byte();
        let much = usize::from(step >> 4);
        match (step & 15, &mut peer) {
            (0..=2, Some(peer)) => {
                // Any bytes.
                let _ = peer.write(bytes.piece(1 + 4 * much));
            }
            (3 | 4, Some(peer)) => {
                for _ in 0..=much {
                    let _ = peer.write(&bytes.message());
                }
            }
            (5, Some(peer)) => {
                // More than the in queue holds.
                let burst = bytes.message().repeat(100 * (1 + much));
                let _ = peer.write(&burst);
            }
            (6, Some(peer)) => read(peer, &mut came, 64 << much),
            (7, Some(peer)) if much > 12 => {
                let _ = peer.shutdown(std::net::Shutdown::Write);
            }
            (8, _) if much > 13 => peer = None,
            (9, Some(stream)) if much > 13 => {
                let _ = socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
                peer = None;
            }
            (7..=10, _) => {
                popped.pop(&port, 1 + much);
            }
            (11 | 12, _) => {
                let message = bytes.message();
                for _ in 0..=much {
                    // SAFETY: a live port, pushed to by this thread alone; the bytes live through the call.
                    let result = unsafe { midisock_push(port.0, message.as_ptr(), message.len()) };
                    assert!([0, 2, -4, -3].contains(&result), "{result}");
                }
            }
            // SAFETY: a live port, popped from by this thread alone.
            (13, _) if much > 12 => unsafe { assert_eq!(midisock_skip(port.0), 0) },
            // SAFETY: a live port.
            (14, _) if much > 12 => unsafe { assert!(midisock_panic(port.0) >= 0) },
            // SAFETY: a live port.
            (15, _) if much > 12 => unsafe { assert!(midisock_reset(port.0) >= 0) },
            (_, _) => std::thread::yield_now(),
        }
    }
    // The peer ends, and what it left sounding with it.
    let until = Instant::now() + DEADLINE;
    let skipped = data.iter().any(|byte| byte & 15 == 13);
    if let Some(peer) = &mut peer {
        let _ = peer.shutdown(std::net::Shutdown::Write);
        loop {
            popped.pop(&port, usize::MAX);
            match peer.read(&mut [0; 0]).and_then(|_| read_some(peer, &mut came)) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
            assert!(Instant::now() < until, "the connection does not end");
        }
    }
    // SAFETY: a live port.
    while unsafe { midisock_client_count(port.0) } != 0 {
        popped.pop(&port, usize::MAX);
        assert!(Instant::now() < until, "the client does not go");
    }
    loop {
        popped.pop(&port, usize::MAX);
        let stats = stats(&port);
        let all = stats.messages_in <= popped.live + stats.dropped_in || skipped;
        if all && popped.receiver.held.is_empty() {
            if !skipped {
                assert_eq!(stats.messages_in, popped.live + stats.dropped_in);
            }
            break;
        }
        assert!(Instant::now() < until, "held at the end: {:?}", popped.receiver.held);
    }
    // What the peer read is whole messages; the last one may have been cut off where it read no further.
    let mut at = 0;
    while at < came.len() {
        let len = message::len_at(&came[at..]);
        let whole = &came[at..at + len];
        at += len;
        assert!(at == came.len() || message::is_whole(whole), "{whole:02X?}");
    }
}

fn read(peer: &mut TcpStream, came: &mut Vec<u8>, most: usize) {
    let before = came.len();
    while came.len() < before + most && read_some(peer, came).is_ok_and(|count| count != 0) {}
}

fn read_some(peer: &mut TcpStream, came: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut piece = [0; 1024];
    let count = peer.read(&mut piece)?;
    came.extend_from_slice(&piece[..count]);
    Ok(count)
}
