//! What a stream of MIDI 1.0 bytes means, written down as directly as possible: the reference that
//! the tests hold the parser and the message rules against.
//!
//! It shares no code and no structure with them. It looks at the whole stream at once: takes the
//! realtime bytes out, cuts what is left in front of every status byte, and judges each section
//! by itself; there is no state that runs along with the bytes.

use std::ops::RangeInclusive;

/// What a finished stream amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    /// The messages, in the order in which they become complete.
    pub messages: Vec<Vec<u8>>,
    /// Bytes that belong to no message.
    pub invalid: u64,
    /// System Exclusive messages that were too long.
    pub oversize: u64,
}

/// A byte and where it stands in the stream.
type Placed = (usize, u8);

/// A status byte (none for what comes before the first one) and the data bytes up to the next.
struct Section {
    status: Option<Placed>,
    data: Vec<Placed>,
}

const REALTIME: RangeInclusive<u8> = 0xF8..=0xFF;
const DATA: RangeInclusive<u8> = 0x00..=0x7F;

/// How many data bytes follow a status byte; `None` for those that start no message of a fixed
/// length. Transcribed from tables I to V of the specification's summary of MIDI messages.
fn data_bytes(status: u8) -> Option<usize> {
    match status {
        0x80..=0x8F => Some(2),
        0x90..=0x9F => Some(2),
        0xA0..=0xAF => Some(2),
        0xB0..=0xBF => Some(2),
        0xC0..=0xCF => Some(1),
        0xD0..=0xDF => Some(1),
        0xE0..=0xEF => Some(2),
        0xF1 => Some(1),
        0xF2 => Some(2),
        0xF3 => Some(1),
        0xF6 => Some(0),
        0xF8 | 0xFA | 0xFB | 0xFC | 0xFE | 0xFF => Some(0),
        _ => None,
    }
}

/// The meaning of a whole stream, from its first byte to its end.
pub fn meaning(stream: &[u8], max_message_bytes: usize) -> Meaning {
    meaning_with_frames(stream, max_message_bytes, |_| false)
}

/// The same for a receiver that takes some of the frames of the sender-time extension, which are then among the messages.
pub fn meaning_with_frames(stream: &[u8], max_message_bytes: usize, takes: impl Fn(&[u8]) -> bool) -> Meaning {
    let placed = stream.iter().copied().enumerate();
    let (realtime, others): (Vec<Placed>, Vec<Placed>) = placed.partition(|(_, byte)| REALTIME.contains(byte));

    // Messages by the place of the byte that completes them.
    let mut complete: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut out = Meaning::default();

    for (place, byte) in realtime {
        match data_bytes(byte) {
            Some(_) => complete.push((place, vec![byte])),
            None => out.invalid += 1,
        }
    }

    let sections = cut(&others);
    let taken: Vec<Option<Vec<u8>>> = sections
        .iter()
        .map(|section| frame(section).filter(|frame| takes(frame)))
        .collect();
    let is_hello = |frame: &Option<Vec<u8>>| frame.as_ref().is_some_and(|frame| frame[1] == 0x6D);
    let first_hello = taken.iter().position(is_hello).unwrap_or(usize::MAX);
    for (number, section) in sections.iter().enumerate() {
        let after_exclusive = number > 0 && status_of(&sections[number - 1]) == Some(0xF0);
        let eox = match sections.get(number + 1).and_then(|next| next.status) {
            Some((place, 0xF7)) => Some(place),
            _ => None,
        };
        let size = section.data.len() as u64;
        match status_of(section) {
            None => out.invalid += size,
            Some(0xF4) => {
                let frame = taken[number].clone().unwrap_or_default();
                if number < first_hello {
                    out.invalid += 1 + size - frame.len() as u64;
                }
                if let Some(data) = frame.len().checked_sub(2) {
                    complete.push((section.data[data].0, frame));
                }
            }
            Some(0xF0) => exclusive(section, eox, max_message_bytes, &mut complete, &mut out),
            Some(0xF7) if after_exclusive => out.invalid += size,
            Some(status) => match data_bytes(status) {
                None => out.invalid += 1 + size,
                Some(0) => {
                    complete.push((section.status.unwrap().0, vec![status]));
                    out.invalid += size;
                }
                Some(needed) => {
                    // Only channel messages may be repeated without their status byte.
                    let most = if status < 0xF0 { usize::MAX } else { 1 };
                    let found: Vec<&[Placed]> = section.data.chunks_exact(needed).take(most).collect();
                    for data in &found {
                        let message = [status].into_iter().chain(data.iter().map(|(_, byte)| *byte)).collect();
                        complete.push((data[needed - 1].0, message));
                    }
                    out.invalid += size - (found.len() * needed) as u64;
                    out.invalid += u64::from(found.is_empty());
                }
            },
        }
    }

    complete.sort_by_key(|(place, _)| *place);
    out.messages = complete.into_iter().map(|(_, message)| message).collect();
    out
}

/// The frame at the start of a section that starts with `F4`: as many bytes as its kind and the length of its name ask
/// for. `None` if it is unknown or there are fewer.
fn frame(section: &Section) -> Option<Vec<u8>> {
    if status_of(section) != Some(0xF4) {
        return None;
    }
    let data: Vec<u8> = section.data.iter().map(|(_, byte)| *byte).collect();
    let name_of = |place: usize| data.get(place).map(|count| 2 * usize::from(*count));
    let name = match data.first()? {
        1..=3 => 0,
        4 => name_of(1)?,
        0x6D if data.get(1) == Some(&0x73) => name_of(9)?,
        _ => return None,
    };
    let head = [0, 5, 7, 12, 2].get(usize::from(data[0])).copied().unwrap_or(10);
    let frame = data.get(..head + name).filter(|_| name <= 126)?;
    Some([&[0xF4], frame].concat())
}

/// A section that starts with `F0`; `eox` is where its EOX stands, if it has one.
fn exclusive(
    section: &Section,
    eox: Option<usize>,
    max_message_bytes: usize,
    complete: &mut Vec<(usize, Vec<u8>)>,
    out: &mut Meaning,
) {
    let mut message = vec![0xF0];
    message.extend(section.data.iter().map(|(_, byte)| *byte));
    if eox.is_some() {
        message.push(0xF7);
    }
    match eox {
        _ if message.len() > max_message_bytes => out.oversize += 1,
        Some(place) => complete.push((place, message)),
        None => out.invalid += message.len() as u64,
    }
}

fn status_of(section: &Section) -> Option<u8> {
    section.status.map(|(_, byte)| byte)
}

/// Cuts bytes without realtime in front of every status byte. The first section may have none.
fn cut(bytes: &[Placed]) -> Vec<Section> {
    let mut sections = vec![Section {
        status: None,
        data: Vec::new(),
    }];
    for &(place, byte) in bytes {
        if DATA.contains(&byte) {
            sections.last_mut().unwrap().data.push((place, byte));
        } else {
            sections.push(Section {
                status: Some((place, byte)),
                data: Vec::new(),
            });
        }
    }
    sections
}

/// Whether bytes are exactly one whole message with its status byte: a stream of nothing else
/// means this one message, and the same bytes.
pub fn is_whole(bytes: &[u8]) -> bool {
    let Meaning {
        messages,
        invalid,
        oversize,
    } = meaning(bytes, usize::MAX);
    invalid == 0 && oversize == 0 && messages == [bytes.to_vec()]
}
