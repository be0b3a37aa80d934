//! The clients of a server. Any thread finds a client by its id in constant time.
//!
//! An id is a slot and a generation, plus one. The low bits index the table; the high bits count how often the slot was
//! used. A slot retires after its last generation, so an id is never reused during the life of a port.
//!
//! Ports that share an address have the same ids, and one of them may allow more clients than another had room for. So
//! the table of such a port grows, by segments that are never moved.

use crate::realtime::config::MOST_CLIENTS;
use crate::realtime::peer::PeerName;
use crate::sys::address::Address;
use crate::sys::sync::{AtomicU32, AtomicU64, Ordering, fence};
use crate::sys::touched;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::OnceLock;

/// The bits of the largest table's slots.
const MOST_BITS: u32 = MOST_CLIENTS.trailing_zeros();

/// Any thread may read it. Only the network thread writes it.
pub(crate) struct ClientTable {
    /// The slots that the port was made with.
    first: Segment,
    layout: Layout,
    /// Each has as many as all before it.
    further: [OnceLock<Segment>; MOST_BITS as usize],
    /// The bits of a slot of the first segment.
    first_bits: u32,
}

/// How ids are made of slots and generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// The bits of an id, less one, that are its slot.
    mask: u32,
    slot_bits: u32,
}

impl Layout {
    const fn new(slot_bits: u32) -> Self {
        Self {
            mask: (1 << slot_bits) - 1,
            slot_bits,
        }
    }

    /// Ids start at 1: the first client of a server is number 1.
    #[inline]
    fn slot(self, id: u32) -> u32 {
        id.wrapping_sub(1) & self.mask
    }

    fn id(self, slot: u32, generation: u32) -> u32 {
        (generation << self.slot_bits | slot) + 1
    }

    fn last_generation(self) -> u32 {
        u32::MAX >> self.slot_bits
    }
}

struct Segment {
    slots: Box<[Slot]>,
    /// By slot. They are made when the first client tells its name.
    names: OnceLock<Box<[PeerName]>>,
}

impl Segment {
    fn new(slots: u32) -> Self {
        let empty = || Slot {
            id: AtomicU32::new(0),
            words: Default::default(),
        };
        Self {
            slots: touched((0..slots).map(|_| empty()).collect()),
            names: OnceLock::new(),
        }
    }
}

struct Slot {
    /// The id of the client in this slot, or 0. The words are consistent while the id stays the same.
    id: AtomicU32,
    /// The IPv6 address (IPv4 is mapped), then port and zone or [`UNIX`], then how many clients came before.
    words: [AtomicU64; 4],
}

impl Slot {
    /// The words of the client with this id, which was seen here; None if it leaves meanwhile.
    fn read(&self, id: u32) -> Option<[u64; 4]> {
        let words = [0, 1, 2, 3].map(|word: usize| self.words[word].load(Ordering::Relaxed));
        // The words are valid only if the id is still the same after they were read.
        fence(Ordering::Acquire);
        (self.id.load(Ordering::Relaxed) == id).then_some(words)
    }
}

/// In place of port and zone: a client of a Unix socket, which has no address.
const UNIX: u64 = u64::MAX;

impl ClientTable {
    /// A table that has room for so many clients.
    pub(crate) fn new(max_clients: u32) -> Self {
        let bits = slot_bits(max_clients);
        Self::with_layout(bits, Layout::new(bits))
    }

    /// The table of a port that shares its address. It has room for so many clients, and grows.
    fn shared(max_clients: u32) -> Self {
        Self::with_layout(slot_bits(max_clients), Layout::new(MOST_BITS))
    }

    /// A table that has room for so many clients, and grows where the port shares its address.
    pub(crate) fn of(max_clients: u32, shares: bool) -> Self {
        if shares {
            Self::shared(max_clients)
        } else {
            Self::new(max_clients)
        }
    }

    fn with_layout(first_bits: u32, layout: Layout) -> Self {
        Self {
            first: Segment::new(1 << first_bits),
            layout,
            further: [const { OnceLock::new() }; MOST_BITS as usize],
            first_bits,
        }
    }

    /// The further segment of a slot that is not in the first one, and its place there.
    #[cold]
    fn place(&self, slot: u32) -> (usize, usize) {
        let bits = slot.ilog2();
        ((bits - self.first_bits) as usize, (slot - (1 << bits)) as usize)
    }

    /// The segment of an id, if it was made, and its place there.
    #[inline]
    fn segment(&self, id: u32) -> Option<(&Segment, usize)> {
        let slot = self.layout.slot(id);
        if (slot as usize) < self.first.slots.len() {
            return Some((&self.first, slot as usize));
        }
        let (segment, place) = self.place(slot);
        Some((self.further[segment].get()?, place))
    }

    /// The same, made if it was not.
    fn make_segment(&self, id: u32) -> (&Segment, usize) {
        if let Some(there) = self.segment(id) {
            return there;
        }
        let (segment, place) = self.place(self.layout.slot(id));
        let make = || Segment::new(1 << (self.first_bits + segment as u32));
        (self.further[segment].get_or_init(make), place)
    }

    #[inline]
    fn slot(&self, id: u32) -> Option<&Slot> {
        let (segment, place) = self.segment(id)?;
        Some(&segment.slots[place])
    }

    /// Whether a client with this id is connected.
    #[inline]
    pub(crate) fn contains(&self, id: u32) -> bool {
        id != 0 && self.slot(id).is_some_and(|slot| slot.id.load(Ordering::Acquire) == id)
    }

    /// The address of a client.
    pub(crate) fn address(&self, id: u32) -> Option<Address> {
        if !self.contains(id) {
            return None;
        }
        let [high, low, rest, _] = self.slot(id)?.read(id)?;
        if rest == UNIX {
            return Some(Address::UNNAMED);
        }
        let ip = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
        let port = (rest >> 32) as u16;
        let address = match ip.to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(IpAddr::V4(v4), port),
            None => SocketAddr::V6(SocketAddrV6::new(ip, port, 0, rest as u32)),
        };
        Some(Address::Ip(address))
    }

    /// Network thread: where the name of a client is kept.
    pub(crate) fn name_of(&self, id: u32) -> Option<&PeerName> {
        let (segment, place) = self.segment(id)?;
        let make = || (0..segment.slots.len()).map(|_| PeerName::default()).collect();
        segment.names.get_or_init(make).get(place)
    }

    /// The same, if any client told a name.
    pub(crate) fn known_name(&self, id: u32) -> Option<&PeerName> {
        let (segment, place) = self.segment(id)?;
        segment.names.get()?.get(place)
    }

    /// The name that a client told; empty if it told none.
    pub(crate) fn name(&self, id: u32) -> Option<String> {
        let name = self
            .contains(id)
            .then(|| self.known_name(id).map(PeerName::get).unwrap_or_default())?;
        // Another client may have taken the slot meanwhile.
        self.contains(id).then_some(name)
    }

    /// The ids of all clients, in the order in which they came. A client that comes or goes meanwhile may be left out.
    pub(crate) fn in_order(&self) -> Vec<u32> {
        let client = |slot: &Slot| {
            let id = slot.id.load(Ordering::Acquire);
            let [.., before] = slot.read(id).filter(|_| id != 0)?;
            Some((before, id))
        };
        let further = self.further.iter().filter_map(OnceLock::get);
        let slots = [&self.first].into_iter().chain(further);
        let slots = slots.flat_map(|segment| segment.slots.iter());
        let mut clients: Vec<(u64, u32)> = slots.filter_map(client).collect();
        clients.sort_unstable();
        clients.into_iter().map(|(_, id)| id).collect()
    }

    /// Network thread: a client comes that [`Ids`] has assigned an id to.
    pub(crate) fn enter(&self, client: NewClient, address: Address) {
        let NewClient { id, before } = client;
        let port = u64::from(address.port()) << 32;
        let (ip, rest) = match address {
            Address::Ip(SocketAddr::V4(v4)) => (v4.ip().to_ipv6_mapped(), port),
            Address::Ip(SocketAddr::V6(v6)) => (*v6.ip(), port | u64::from(v6.scope_id())),
            Address::Unix(_) => (Ipv6Addr::UNSPECIFIED, UNIX),
        };
        let (segment, place) = self.make_segment(id);
        let target = &segment.slots[place];
        let bits = ip.to_bits();
        let words = [(bits >> 64) as u64, bits as u64, rest, before];
        if let Some(name) = self.known_name(id) {
            name.forget();
        }
        // A reader that still has the former id must not see the new words with it.
        fence(Ordering::Release);
        for (word, value) in target.words.iter().zip(words) {
            word.store(value, Ordering::Relaxed);
        }
        target.id.store(id, Ordering::Release);
    }

    /// Network thread: a client goes. False: it had gone.
    pub(crate) fn leave(&self, id: u32) -> bool {
        let Some(slot) = self.slot(id).filter(|_| self.contains(id)) else {
            return false;
        };
        slot.id.store(0, Ordering::Release);
        true
    }
}

/// The bits of a slot where there are to be so many.
fn slot_bits(max_clients: u32) -> u32 {
    max_clients.clamp(1, MOST_CLIENTS).next_power_of_two().trailing_zeros()
}

/// A client that was assigned an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewClient {
    pub id: u32,
    /// How many clients came before it.
    before: u64,
}

/// Assigns ids. The network thread owns it.
pub(crate) struct Ids {
    free: std::collections::VecDeque<u32>,
    /// How often each slot was used.
    generations: Vec<u32>,
    /// How many clients have come.
    count: u64,
    layout: Layout,
}

impl Ids {
    /// The ids of a port's clients.
    pub(crate) fn new(table: &ClientTable) -> Self {
        let mut ids = Self {
            layout: table.layout,
            ..Self::shared()
        };
        (0..1 << table.first_bits).for_each(|_| ids.grow());
        ids
    }

    /// The ids of the clients of ports that share an address.
    pub(crate) fn shared() -> Self {
        Self {
            free: std::collections::VecDeque::new(),
            generations: Vec::new(),
            count: 0,
            layout: Layout::new(MOST_BITS),
        }
    }

    fn grow(&mut self) {
        self.free.push_back(self.generations.len() as u32);
        self.generations.push(0);
    }

    /// An id for a client. Returns None if no slot is free.
    pub(crate) fn assign(&mut self) -> Option<NewClient> {
        if self.free.is_empty() && self.layout.slot_bits == MOST_BITS && self.generations.len() < MOST_CLIENTS as usize
        {
            self.grow();
        }
        let slot = self.free.pop_front()?;
        let generation = &mut self.generations[slot as usize];
        let id = self.layout.id(slot, *generation);
        *generation += 1;
        let before = self.count;
        self.count += 1;
        Some(NewClient { id, before })
    }

    /// A client has gone. Its id is never assigned again.
    pub(crate) fn release(&mut self, id: u32) {
        let slot = self.layout.slot(id);
        if self.generations[slot as usize] < self.layout.last_generation() {
            self.free.push_back(slot);
        }
    }

    /// Inserts a client. Returns None if no slot is free.
    #[cfg(test)]
    pub(crate) fn insert(&mut self, table: &ClientTable, address: Address) -> Option<u32> {
        let client = self.assign()?;
        table.enter(client, address);
        Some(client.id)
    }

    /// Removes a client. Its id is never assigned again.
    #[cfg(test)]
    pub(crate) fn remove(&mut self, table: &ClientTable, id: u32) {
        if table.leave(id) {
            self.release(id);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn ip(text: &str) -> Address {
        Address::Ip(text.parse().unwrap())
    }

    #[test]
    fn ids_are_never_zero_nor_reused() {
        let table = ClientTable::new(2);
        let mut ids = Ids::new(&table);
        let address = ip("1.2.3.4:5");
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let a = ids.insert(&table, address).unwrap();
            let b = ids.insert(&table, address).unwrap();
            assert!(ids.insert(&table, address).is_none());
            assert!(a != 0 && b != 0 && seen.insert(a) && seen.insert(b));
            assert!(table.contains(a) && table.contains(b));
            ids.remove(&table, a);
            assert!(!table.contains(a) && table.contains(b));
            ids.remove(&table, b);
        }
    }

    #[test]
    fn a_slot_without_generations_left_is_retired() {
        let table = ClientTable::new(MANY);
        let mut ids = Ids::new(&table);
        let address = ip("[::1]:5");
        let last = table.layout.last_generation();
        ids.generations[0] = last - 1;
        let id = ids.insert(&table, address).unwrap();
        assert_eq!(table.layout.slot(id), 0);
        ids.remove(&table, id);
        assert!(!ids.free.contains(&0));
    }

    const MANY: u32 = 65536;

    #[test]
    fn addresses_are_found() {
        let table = ClientTable::new(8);
        let mut ids = Ids::new(&table);
        let addresses = ["1.2.3.4:5", "[::1]:6", "[fe80::1%7]:65535"].map(ip);
        for address in addresses.into_iter().chain([Address::UNNAMED]) {
            let id = ids.insert(&table, address).unwrap();
            assert_eq!(table.address(id), Some(address));
            ids.remove(&table, id);
            assert_eq!(table.address(id), None);
        }
        assert!(!table.contains(0) && !table.contains(u32::MAX));
    }

    #[test]
    fn clients_are_listed_in_the_order_in_which_they_came() {
        let table = ClientTable::new(4);
        let mut ids = Ids::new(&table);
        let address = Address::Ip("1.2.3.4:5".parse().unwrap());
        let mut there = std::collections::VecDeque::new();
        assert!(table.in_order().is_empty());
        for turn in 0..100 {
            there.push_back(ids.insert(&table, address).unwrap());
            assert_eq!(table.in_order(), Vec::from(there.clone()));
            // Now the first goes, now the last but one, so that a later client gets an earlier slot.
            let gone = if turn % 3 == 0 {
                0
            } else {
                there.len().saturating_sub(2)
            };
            if there.len() > 2 {
                ids.remove(&table, there.remove(gone).unwrap());
            }
            assert_eq!(table.in_order(), Vec::from(there.clone()));
        }
    }

    #[test]
    fn a_client_has_the_name_that_it_told() {
        let table = ClientTable::new(1);
        let mut ids = Ids::new(&table);
        let first = ids.insert(&table, ip("1.2.3.4:5")).unwrap();
        assert_eq!(table.name(first).as_deref(), Some(""));
        table.name_of(first).unwrap().set("drums", || true);
        assert_eq!(table.name(first).as_deref(), Some("drums"));
        ids.remove(&table, first);
        assert_eq!(table.name(first), None);
        let second = ids.insert(&table, ip("1.2.3.4:5")).unwrap();
        assert_eq!(table.name(second).as_deref(), Some(""));
    }

    /// A look-up reads one slot, whatever the id and however many clients there are. Its cost does not depend on them.
    #[test]
    fn a_client_is_found_in_its_own_slot() {
        let table = ClientTable::new(MANY);
        let mut ids = Ids::new(&table);
        let address = Address::Ip("1.2.3.4:5".parse().unwrap());
        let all: Vec<u32> = (0..MANY).map(|_| ids.insert(&table, address).unwrap()).collect();
        let slots: std::collections::HashSet<u32> = all.iter().map(|id| table.layout.slot(*id)).collect();
        assert_eq!(slots.len(), all.len(), "no two clients share a slot");
        assert!(
            all.iter()
                .all(|id| table.slot(*id).unwrap().id.load(Ordering::Relaxed) == *id)
        );
        assert!(
            all.iter()
                .all(|id| table.contains(*id) && table.address(*id) == Some(address))
        );
        assert_eq!(table.in_order(), all);
    }

    #[test]
    fn the_table_of_a_port_that_shares_grows_and_has_the_same_ids_as_another() {
        let (small, large) = (ClientTable::shared(1), ClientTable::shared(100));
        let mut ids = Ids::shared();
        let mut there = std::collections::VecDeque::new();
        for turn in 0..MANY + 10 {
            let client = ids.assign();
            let Some(client) = client else {
                assert_eq!(there.len(), MANY as usize, "a place is free");
                break;
            };
            let address = Address::Ip(SocketAddr::new(IpAddr::V6(Ipv6Addr::from_bits(turn.into())), 1));
            for table in [&small, &large] {
                assert!(!table.contains(client.id));
                table.enter(client, address);
                assert_eq!(table.address(client.id), Some(address));
            }
            there.push_back(client.id);
            if turn % 3 == 0 && turn < 3000 {
                let gone = there.pop_front().unwrap();
                assert!(small.leave(gone) && large.leave(gone) && !small.leave(gone));
                ids.release(gone);
            }
        }
        assert_eq!(small.in_order(), Vec::from(there.clone()));
        assert_eq!(large.in_order(), Vec::from(there));
    }
}
