//! Peers that are no sessions: plain streams of bytes.

use super::music::{Mark, phrases};
use super::network::{Read, Socket};
use super::plan::Manner;
use super::random::Random;
use super::trace;
use super::world::World;
use std::collections::VecDeque;

pub(super) struct Raw {
    pub number: usize,
    pub manner: Manner,
    pub socket: Option<Socket>,
    /// A client's server, which is the same one each time it connects; else it connects by itself.
    pub serves: Option<usize>,
    /// How often it connects.
    pub lives: u64,
    pub period_ns: u64,
    unsent: VecDeque<u8>,
    running: u8,
    marks: u32,
    started: bool,
    finished: bool,
}

impl Raw {
    pub(super) fn new(number: usize, manner: Manner, serves: Option<usize>, random: &mut Random) -> Self {
        Self {
            number,
            manner,
            socket: None,
            serves,
            lives: if serves.is_some() { 0 } else { random.between(1, 6) },
            period_ns: random.pick(&[500_000, 3_000_000, 20_000_000]),
            unsent: VecDeque::new(),
            running: 0,
            marks: 0,
            started: false,
            finished: false,
        }
    }

    /// It has a new connection.
    pub(super) fn begin(&mut self, socket: Socket) {
        self.socket = Some(socket);
        self.unsent.clear();
        (self.running, self.started, self.finished) = (0, false, false);
    }

    /// It wakes, while there is something to do or, `sends` false, when all only goes on to its end.
    pub(super) fn wake(&mut self, world: &mut World, sends: bool) {
        let Some(socket) = self.socket else { return };
        let reads = match self.manner {
            Manner::Deaf => 0,
            Manner::ReadsSlowly if sends => world.random.below(100),
            _ => 1 << 20,
        };
        self.read(socket, reads as usize, world);
        if self.socket.is_none() {
            return;
        }
        if sends && !self.finished {
            self.compose(world);
        }
        self.write(socket, world);
        let closes = match self.manner {
            Manner::Closes => self.started,
            Manner::Foreign | Manner::Garbage => sends && world.random.chance(50),
            _ => sends && world.random.chance(15),
        };
        if self.manner == Manner::HalfCloses && self.started && sends && world.random.chance(200) && !self.finished {
            self.finished = true;
            trace!(world.now, "raw {} shuts down its sending side", self.number);
            let _ = world.network.finish_writing(socket, world.now);
        } else if closes {
            self.close(world);
        }
        self.started = true;
    }

    pub(super) fn close(&mut self, world: &mut World) {
        if let Some(socket) = self.socket.take() {
            trace!(world.now, "raw {} closes", self.number);
            world.network.close(socket, world.now);
        }
    }

    fn read(&mut self, socket: Socket, limit: usize, world: &mut World) {
        if limit == 0 {
            return;
        }
        loop {
            match world.network.read(socket, limit, world.now) {
                Read::Bytes(bytes) => {
                    trace!(world.now, "raw {} reads {:02X?}", self.number, bytes);
                    world.ends[socket.0].heard.extend_from_slice(&bytes);
                    if self.manner == Manner::ReadsSlowly {
                        return;
                    }
                }
                Read::Nothing => return,
                Read::End => {
                    trace!(world.now, "raw {} reads the end", self.number);
                    world.ends[socket.0].read_to_end = true;
                    return self.close(world);
                }
                Read::Error(error) => {
                    trace!(world.now, "raw {} reads error {error}", self.number);
                    return self.close(world);
                }
            }
        }
    }

    fn compose(&mut self, world: &mut World) {
        let random = &mut world.random;
        match self.manner {
            Manner::Foreign if !self.started => self.unsent.extend(b"GET /midi HTTP/1.1\r\nHost: x\r\n\r\n\x10"),
            Manner::Garbage => {
                let length = random.below(60);
                self.unsent.extend((0..length).map(|_| random.next() as u8));
            }
            Manner::Plays | Manner::HalfCloses | Manner::ReadsSlowly | Manner::Closes if random.chance(500) => {
                let bank = phrases(world.make);
                for _ in 0..random.between(1, 8) {
                    if random.chance(250) {
                        let mark = Mark {
                            source: 100 + self.number as u8 % 20,
                            client: 0,
                            number: self.marks,
                        };
                        self.marks += 1;
                        self.add(&mark.message(), false);
                        continue;
                    }
                    let shortens = random.chance(500);
                    for message in &bank[random.below(bank.len() as u64) as usize] {
                        self.add(message, shortens);
                    }
                }
            }
            _ => {}
        }
    }

    /// Adds a message, perhaps with running status.
    fn add(&mut self, message: &[u8], shortens: bool) {
        let status = message[0];
        let skip = usize::from(shortens && status < 0xF0 && status == self.running);
        self.unsent.extend(&message[skip..]);
        if status < 0xF8 {
            self.running = if status < 0xF0 { status } else { 0 };
        }
    }

    fn write(&mut self, socket: Socket, world: &mut World) {
        let bytes = self.unsent.make_contiguous();
        if bytes.is_empty() || self.finished {
            return;
        }
        match world.network.write(socket, bytes, world.now, &mut world.random) {
            Ok(count) => {
                trace!(world.now, "raw {} writes {:02X?}", self.number, &bytes[..count]);
                self.unsent.drain(..count);
            }
            Err(_) => self.unsent.clear(),
        }
    }
}
