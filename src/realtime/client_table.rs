//! The clients of a server. Any thread finds a client by its id in constant time.
//!
//! An id is a slot and a generation, plus one. The low bits index the table; the high bits count how often the slot was
//! used. A slot retires after its last generation, so an id is never reused during the life of a port.

use crate::realtime::config::MOST_CLIENTS;
use crate::realtime::peer::PeerName;
use crate::sys::address::Address;
use crate::sys::sync::{AtomicU32, AtomicU64, Ordering, fence};
use crate::sys::touched;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::OnceLock;

/// Any thread may read it. Only the network thread writes it, through [`Ids`].
pub(crate) struct ClientTable {
    slots: Box<[Slot]>,
    slot_bits: u32,
    /// By slot. They are made when the first client tells its name.
    names: OnceLock<Box<[PeerName]>>,
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
    pub(crate) fn new(max_clients: u32) -> Self {
        let empty = || Slot {
            id: AtomicU32::new(0),
            words: Default::default(),
        };
        let slots = max_clients.clamp(1, MOST_CLIENTS).next_power_of_two();
        Self {
            slots: touched((0..slots).map(|_| empty()).collect()),
            slot_bits: slots.trailing_zeros(),
            names: OnceLock::new(),
        }
    }

    /// Ids start at 1: the first client of a server is number 1.
    #[inline]
    fn index(&self, id: u32) -> usize {
        id.wrapping_sub(1) as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn slot(&self, id: u32) -> &Slot {
        &self.slots[self.index(id)]
    }

    /// Whether a client with this id is connected.
    #[inline]
    pub(crate) fn contains(&self, id: u32) -> bool {
        id != 0 && self.slot(id).id.load(Ordering::Acquire) == id
    }

    /// The address of a client.
    pub(crate) fn address(&self, id: u32) -> Option<Address> {
        if !self.contains(id) {
            return None;
        }
        let [high, low, rest, _] = self.slot(id).read(id)?;
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
        let make = || (0..self.slots.len()).map(|_| PeerName::default()).collect();
        self.names.get_or_init(make).get(self.index(id))
    }

    /// The same, if any client told a name.
    pub(crate) fn known_name(&self, id: u32) -> Option<&PeerName> {
        self.names.get()?.get(self.index(id))
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
        let mut clients: Vec<(u64, u32)> = self.slots.iter().filter_map(client).collect();
        clients.sort_unstable();
        clients.into_iter().map(|(_, id)| id).collect()
    }
}

/// Assigns ids. The network thread owns it.
pub(crate) struct Ids {
    free: std::collections::VecDeque<u32>,
    /// How often each slot was used.
    generations: Vec<u32>,
    /// How many clients have come.
    count: u64,
}

impl Ids {
    pub(crate) fn new(table: &ClientTable) -> Self {
        let slots = table.slots.len() as u32;
        Self {
            free: (0..slots).collect(),
            generations: vec![0; slots as usize],
            count: 0,
        }
    }

    /// Inserts a client. Returns None if no slot is free.
    pub(crate) fn insert(&mut self, table: &ClientTable, address: Address) -> Option<u32> {
        let slot = self.free.pop_front()?;
        let generation = &mut self.generations[slot as usize];
        let id = (*generation << table.slot_bits | slot) + 1;
        *generation += 1;
        let port = u64::from(address.port()) << 32;
        let (ip, rest) = match address {
            Address::Ip(SocketAddr::V4(v4)) => (v4.ip().to_ipv6_mapped(), port),
            Address::Ip(SocketAddr::V6(v6)) => (*v6.ip(), port | u64::from(v6.scope_id())),
            Address::Unix(_) => (Ipv6Addr::UNSPECIFIED, UNIX),
        };
        let target = table.slot(id);
        let bits = ip.to_bits();
        let words = [(bits >> 64) as u64, bits as u64, rest, self.count];
        self.count += 1;
        if let Some(name) = table.known_name(id) {
            name.forget();
        }
        // A reader that still has the former id must not see the new words with it.
        fence(Ordering::Release);
        for (word, value) in target.words.iter().zip(words) {
            word.store(value, Ordering::Relaxed);
        }
        target.id.store(id, Ordering::Release);
        Some(id)
    }

    /// Removes a client. Its id is never assigned again.
    pub(crate) fn remove(&mut self, table: &ClientTable, id: u32) {
        let slot = table.slot(id);
        if slot.id.load(Ordering::Relaxed) != id {
            return;
        }
        slot.id.store(0, Ordering::Release);
        let index = table.index(id);
        if self.generations[index] < u32::MAX >> table.slot_bits {
            self.free.push_back(index as u32);
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
        let last = u32::MAX >> table.slot_bits;
        ids.generations[0] = last - 1;
        let id = ids.insert(&table, address).unwrap();
        assert_eq!(table.index(id), 0);
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
        let slots: std::collections::HashSet<usize> = all.iter().map(|id| table.index(*id)).collect();
        assert_eq!(slots.len(), all.len(), "no two clients share a slot");
        assert!(all.iter().all(|id| table.slot(*id).id.load(Ordering::Relaxed) == *id));
        assert!(
            all.iter()
                .all(|id| table.contains(*id) && table.address(*id) == Some(address))
        );
        assert_eq!(table.in_order(), all);
    }
}
