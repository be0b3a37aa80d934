//! DNS messages to bytes and back (RFC 1035, RFC 6762). Any bytes may come: a record that is not valid is left out, and
//! those beside it are read.

use super::names::DnsName;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) const TYPE_A: u16 = 1;
pub(super) const TYPE_PTR: u16 = 12;
pub(super) const TYPE_TXT: u16 = 16;
pub(super) const TYPE_AAAA: u16 = 28;
pub(super) const TYPE_SRV: u16 = 33;
pub(super) const TYPE_ANY: u16 = 255;

const CLASS_IN: u16 = 1;
const CLASS_ANY: u16 = 255;
/// In a record's class: it replaces what is known. In a question's class: the answer may be sent to the asker alone.
const TOP_BIT: u16 = 0x8000;

const RESPONSE: u16 = 0x8000;
const AUTHORITATIVE: u16 = 0x0400;
const TRUNCATED: u16 = 0x0200;
/// Other kinds of queries and errors: multicast DNS ignores such messages.
const OPCODE_AND_CODE: u16 = 0x780F;

const HEADER_BYTES: usize = 12;
/// The size of a message that is sent: with the headers of IPv6 and UDP it fits into a frame of Ethernet.
pub(super) const MOST_BYTES: usize = 1440;
/// Pointers followed in one name.
const MOST_JUMPS: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Ptr(DnsName),
    Txt(Vec<u8>),
    Srv { port: u16, host: DnsName },
}

impl Data {
    pub(super) fn kind(&self) -> u16 {
        match self {
            Self::A(_) => TYPE_A,
            Self::Aaaa(_) => TYPE_AAAA,
            Self::Ptr(_) => TYPE_PTR,
            Self::Txt(_) => TYPE_TXT,
            Self::Srv { .. } => TYPE_SRV,
        }
    }

    /// The address, if it has one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::A(ip) => Some((*ip).into()),
            Self::Aaaa(ip) => Some((*ip).into()),
            _ => None,
        }
    }

    /// The bytes of the record, without compression of names.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::A(ip) => ip.octets().to_vec(),
            Self::Aaaa(ip) => ip.octets().to_vec(),
            Self::Ptr(name) => [name.wire(), &[0]].concat(),
            Self::Txt(text) => text.clone(),
            // Priority and weight choose between servers of one name, of which there are none.
            Self::Srv { port, host } => [&[0; 4], &port.to_be_bytes()[..], host.wire(), &[0]].concat(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub name: DnsName,
    /// It replaces what is known of its name and type.
    pub flush: bool,
    /// In seconds; 0: it is withdrawn.
    pub ttl: u32,
    pub data: Data,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub name: DnsName,
    pub kind: u16,
}

impl Question {
    pub(super) fn asks(&self, kind: u16) -> bool {
        self.kind == kind || self.kind == TYPE_ANY
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub id: u16,
    pub is_response: bool,
    /// More known answers follow in another message.
    pub is_truncated: bool,
    pub questions: Vec<Question>,
    pub answers: Vec<Record>,
    pub authorities: Vec<Record>,
    pub additionals: Vec<Record>,
}

impl Message {
    /// None if these bytes are no message of multicast DNS.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes, at: 0 };
        let (id, flags) = (reader.u16()?, reader.u16()?);
        if flags & OPCODE_AND_CODE != 0 {
            return None;
        }
        let mut counts = [0; 4];
        for count in &mut counts {
            *count = reader.u16()?;
        }
        let mut message = Self {
            id,
            is_response: flags & RESPONSE != 0,
            is_truncated: flags & TRUNCATED != 0,
            ..Self::default()
        };
        // The records before a broken end are used.
        let _ = message.parse_sections(&mut reader, counts);
        Some(message)
    }

    /// None where the message ends too early, or where it cannot be told where a record ends.
    fn parse_sections(&mut self, reader: &mut Reader<'_>, counts: [u16; 4]) -> Option<()> {
        for _ in 0..counts[0] {
            self.questions.extend(reader.question()?);
        }
        let records = [&mut self.answers, &mut self.authorities, &mut self.additionals];
        for (section, count) in records.into_iter().zip(&counts[1..]) {
            for _ in 0..*count {
                section.extend(reader.record()?);
            }
        }
        Some(())
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(*taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    /// Moves past a name. The inner option is None if the name is not valid but ends where it says.
    fn name(&mut self) -> Option<Option<DnsName>> {
        let name = name_at(self.bytes, self.at);
        loop {
            let [length] = self.take()?;
            match length {
                0 => return Some(name),
                1..=63 => self.at += usize::from(length),
                0xC0.. => {
                    self.at += 1;
                    return Some(name);
                }
                _ => return None,
            }
        }
    }

    fn question(&mut self) -> Option<Option<Question>> {
        let (name, kind, class) = (self.name()?, self.u16()?, self.u16()?);
        let is_internet = matches!(class & !TOP_BIT, CLASS_IN | CLASS_ANY);
        Some(name.filter(|_| is_internet).map(|name| Question { name, kind }))
    }

    fn record(&mut self) -> Option<Option<Record>> {
        let (name, kind, class) = (self.name()?, self.u16()?, self.u16()?);
        let (ttl, size) = (u32::from_be_bytes(self.take()?), usize::from(self.u16()?));
        let start = self.at;
        self.at = start.checked_add(size).filter(|end| *end <= self.bytes.len())?;
        if class & !TOP_BIT != CLASS_IN {
            return Some(None);
        }
        let data = data_at(self.bytes, kind, start, size);
        Some(name.zip(data).map(|(name, data)| Record {
            name,
            flush: class & TOP_BIT != 0,
            ttl,
            data,
        }))
    }
}

/// The data of a record; None if its type is of no interest here, or if it is not valid.
fn data_at(bytes: &[u8], kind: u16, start: usize, size: usize) -> Option<Data> {
    let data = &bytes[start..start + size];
    match kind {
        TYPE_A => <[u8; 4]>::try_from(data).ok().map(|octets| Data::A(octets.into())),
        TYPE_AAAA => <[u8; 16]>::try_from(data).ok().map(|octets| Data::Aaaa(octets.into())),
        TYPE_PTR => name_at(bytes, start).map(Data::Ptr),
        TYPE_TXT => Some(Data::Txt(data.to_vec())),
        TYPE_SRV if size > 6 => Some(Data::Srv {
            port: u16::from_be_bytes([data[4], data[5]]),
            host: name_at(bytes, start + 6)?,
        }),
        _ => None,
    }
}

/// The name that begins there, its pointers followed.
fn name_at(bytes: &[u8], mut at: usize) -> Option<DnsName> {
    let mut name = DnsName::root();
    let mut jumps = 0;
    loop {
        let length = *bytes.get(at)?;
        match length {
            0 => return Some(name),
            1..=63 => {
                let end = at + 1 + usize::from(length);
                if !name.push(bytes.get(at + 1..end)?) {
                    return None;
                }
                at = end;
            }
            0xC0.. => {
                let to = usize::from(u16::from_be_bytes([length & 0x3F, *bytes.get(at + 1)?]));
                jumps += 1;
                // Pointers lead backwards, so that no name has a loop.
                if to >= at || jumps > MOST_JUMPS {
                    return None;
                }
                at = to;
            }
            _ => return None,
        }
    }
}

/// Where a record stands in a message.
#[derive(Clone, Copy)]
pub(super) enum Section {
    Answer = 1,
    Authority = 2,
    Additional = 3,
}

/// A message that is being written. Sections are filled in their order.
pub(super) struct Writer {
    bytes: Vec<u8>,
    counts: [u16; 4],
    flags: u16,
    /// Where names, and ends of names, begin.
    names: HashMap<Vec<u8>, u16>,
}

impl Writer {
    fn new(id: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[..2].copy_from_slice(&id.to_be_bytes());
        Self {
            bytes,
            counts: [0; 4],
            flags,
            names: HashMap::new(),
        }
    }

    pub(super) fn query() -> Self {
        Self::new(0, 0)
    }

    pub(super) fn response(id: u16) -> Self {
        Self::new(id, RESPONSE | AUTHORITATIVE)
    }

    /// Adds a question; false if there is no room.
    pub(super) fn question(&mut self, question: &Question) -> bool {
        self.put(0, |writer| {
            writer.name(&question.name);
            writer.u16(question.kind);
            writer.u16(CLASS_IN);
        })
    }

    /// Adds a record; false if there is no room.
    pub(super) fn record(&mut self, section: Section, record: &Record) -> bool {
        self.put(section as usize, |writer| {
            writer.name(&record.name);
            writer.u16(record.data.kind());
            writer.u16(if record.flush { CLASS_IN | TOP_BIT } else { CLASS_IN });
            writer.bytes.extend(record.ttl.to_be_bytes());
            let at = writer.bytes.len();
            writer.u16(0);
            match &record.data {
                Data::Ptr(name) => writer.name(name),
                data => writer.bytes.extend(data.bytes()),
            }
            let size = (writer.bytes.len() - at - 2) as u16;
            writer.bytes[at..at + 2].copy_from_slice(&size.to_be_bytes());
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts == [0; 4]
    }

    /// The message; `truncated`: more known answers follow in another one.
    pub(super) fn finish(mut self, truncated: bool) -> Vec<u8> {
        let flags = self.flags | if truncated { TRUNCATED } else { 0 };
        self.bytes[2..4].copy_from_slice(&flags.to_be_bytes());
        for (count, bytes) in self.counts.iter().zip(self.bytes[4..HEADER_BYTES].chunks_exact_mut(2)) {
            bytes.copy_from_slice(&count.to_be_bytes());
        }
        self.bytes
    }

    fn put(&mut self, section: usize, write: impl FnOnce(&mut Self)) -> bool {
        let before = self.bytes.len();
        write(self);
        if self.bytes.len() > MOST_BYTES {
            self.bytes.truncate(before);
            self.names.retain(|_, at| usize::from(*at) < before);
            return false;
        }
        self.counts[section] += 1;
        true
    }

    fn u16(&mut self, value: u16) {
        self.bytes.extend(value.to_be_bytes());
    }

    /// A name, whose end points to where it was written before.
    fn name(&mut self, name: &DnsName) {
        let mut rest = name.wire();
        while let Some(length) = rest.first() {
            let key = rest.to_ascii_lowercase();
            if let Some(at) = self.names.get(&key) {
                return self.u16(0xC000 | at);
            }
            // MOST_BYTES is less than what a pointer reaches.
            self.names.insert(key, self.bytes.len() as u16);
            let (label, after) = rest.split_at(1 + usize::from(*length));
            self.bytes.extend_from_slice(label);
            rest = after;
        }
        self.bytes.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn records() -> Vec<Record> {
        let (instance, host) = (names::instance("Bühne", 1), names::host("studio", 7));
        let record = |name: &DnsName, data| Record {
            name: name.clone(),
            flush: true,
            ttl: 120,
            data,
        };
        vec![
            record(&names::service_type(), Data::Ptr(instance.clone())),
            record(
                &instance,
                Data::Srv {
                    port: 9080,
                    host: host.clone(),
                },
            ),
            record(&instance, Data::Txt(b"\x03v=1".to_vec())),
            record(&host, Data::A(Ipv4Addr::new(192, 0, 2, 1))),
            record(&host, Data::Aaaa("2001:db8::1".parse().unwrap())),
        ]
    }

    fn written(records: &[Record]) -> Vec<u8> {
        let mut writer = Writer::response(9);
        assert!(writer.is_empty());
        for record in records {
            assert!(writer.record(Section::Answer, record));
        }
        writer.finish(false)
    }

    #[test]
    fn what_is_written_can_be_read() {
        let bytes = written(&records());
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.id, message.is_response), (9, true));
        assert_eq!(message.answers, records());
        let mut query = Writer::query();
        let question = Question {
            name: names::service_type(),
            kind: TYPE_PTR,
        };
        assert!(query.question(&question));
        assert!(query.record(Section::Answer, &records()[0]));
        assert!(query.record(Section::Authority, &records()[1]));
        let message = Message::parse(&query.finish(true)).unwrap();
        assert!(message.is_truncated && !message.is_response);
        assert_eq!(message.questions, [question]);
        assert_eq!(message.answers, records()[..1]);
        assert_eq!(message.authorities, records()[1..2]);
    }

    #[test]
    fn a_message_that_is_full_stays_as_it_is() {
        let mut writer = Writer::response(0);
        let mut count = 0;
        while writer.record(
            Section::Answer,
            &Record {
                name: names::instance(&format!("{count}"), 1),
                flush: false,
                ttl: 1,
                data: Data::Txt(vec![0; 100]),
            },
        ) {
            count += 1;
        }
        let bytes = writer.finish(false);
        assert!(bytes.len() <= MOST_BYTES);
        assert_eq!(Message::parse(&bytes).unwrap().answers.len(), count);
    }

    #[test]
    fn one_invalid_record_costs_no_other() {
        let good = written(&records()[..1]);
        let mut bytes = good[..HEADER_BYTES].to_vec();
        bytes[7] = 3;
        // A name that points to itself, then an address of five bytes.
        bytes.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4]);
        bytes.extend([1, b'x', 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 5, 1, 2, 3, 4, 5]);
        let offset = bytes.len() - HEADER_BYTES;
        let mut last = good[HEADER_BYTES..].to_vec();
        // The compressed end of the PTR's name has moved.
        let at = last.len() - 2;
        last[at + 1] += offset as u8;
        bytes.extend(last);
        assert_eq!(Message::parse(&bytes).unwrap().answers, records()[..1]);
    }

    #[test]
    fn names_with_loops_or_strange_labels_are_invalid() {
        let name = |bytes: &[u8]| {
            let mut reader = Reader { bytes, at: 0 };
            reader.name()
        };
        assert_eq!(name(&[1, b'a', 0]), Some(Some(DnsName::of(&[b"a"]))));
        assert_eq!(name(&[0xC0, 0]), Some(None));
        assert_eq!(name(&[1, b'a', 0xC0, 9]), Some(None));
        assert_eq!(name(&[0x40, 0]), None);
        assert_eq!(name(&[5, b'a']), None);
        assert_eq!(name(&[]), None);
        let long: Vec<u8> = std::iter::repeat_n([&[63][..], &[b'x'; 63]].concat(), 5)
            .flatten()
            .chain([0])
            .collect();
        assert_eq!(name(&long), Some(None));
    }

    #[test]
    fn other_kinds_of_messages_are_ignored() {
        let bytes = written(&records());
        for (at, bit) in [(2, 0x08), (3, 0x01)] {
            let mut other = bytes.clone();
            other[at] |= bit;
            assert_eq!(Message::parse(&other), None);
        }
        assert_eq!(Message::parse(&bytes[..11]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes in vec(any::<u8>(), 0..400)) {
            let _ = Message::parse(&bytes);
        }

        #[test]
        fn a_damaged_message_can_be_read(at in 0usize..200, byte: u8, end in 0usize..300) {
            let mut bytes = written(&records());
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(end);
            let _ = Message::parse(&bytes);
        }
    }
}
