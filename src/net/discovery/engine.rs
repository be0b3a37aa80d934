//! Multicast DNS without I/O: messages go in and out, and time is an argument. See RFC 6762 and RFC 6763.

use super::advertise::Advertiser;
use super::browse::Browse;
use super::list::List;
use super::packet::Message;
use super::service::Wanted;
use super::traffic::{Link, PORT, Random, Transmit};
use std::collections::VecDeque;
use std::net::SocketAddr;

pub(super) struct Engine {
    links: Vec<Link>,
    advertiser: Advertiser,
    /// None while nobody browses.
    browse: Option<Browse>,
    out: VecDeque<Transmit>,
    random: Random,
}

impl Engine {
    pub(super) fn new(host_name: String, mut random: Random) -> Self {
        let _ = random.next();
        Self {
            links: Vec::new(),
            advertiser: Advertiser::new(host_name, random.clone()),
            browse: None,
            out: VecDeque::new(),
            random,
        }
    }

    /// A link has come, or its addresses have changed.
    pub(super) fn set_link(&mut self, link: Link, now: u64) {
        match self.links.iter_mut().find(|known| known.index == link.index) {
            Some(known) => *known = link.clone(),
            None => {
                self.links.push(link.clone());
                if let Some(browse) = &mut self.browse {
                    browse.add_link(link.index, now);
                }
            }
        }
        self.advertiser.set_link(&link, now);
    }

    /// A link has gone.
    pub(super) fn remove_link(&mut self, index: u32) {
        self.links.retain(|link| link.index != index);
        self.advertiser.remove_link(index);
        if let Some(browse) = &mut self.browse {
            browse.remove_link(index);
        }
    }

    pub(super) fn advertise(&mut self, id: u64, wanted: Wanted, now: u64) {
        self.advertiser.add(id, wanted, &self.links, now);
    }

    pub(super) fn rename(&mut self, id: u64, name: String, now: u64) {
        self.advertiser.rename(id, name, now);
    }

    pub(super) fn withdraw(&mut self, id: u64) {
        self.advertiser.remove(id, &mut self.out);
    }

    pub(super) fn withdraw_all(&mut self) {
        self.advertiser.remove_all(&mut self.out);
    }

    pub(super) fn start_browsing(&mut self, now: u64) {
        let mut browse = Browse::new(self.random.clone());
        for link in &self.links {
            browse.add_link(link.index, now);
        }
        self.browse = Some(browse);
    }

    pub(super) fn stop_browsing(&mut self) {
        self.browse = None;
    }

    pub(super) fn handle_packet(&mut self, link: u32, from: SocketAddr, bytes: &[u8], now: u64) {
        if !self.links.iter().any(|known| known.index == link) {
            return;
        }
        let Some(message) = Message::parse(bytes) else { return };
        if !message.is_response {
            self.advertiser.handle_query(link, from, &message, now, &mut self.out);
        } else if from.port() == PORT {
            self.advertiser.handle_response(link, &message, now);
            if let Some(browse) = &mut self.browse {
                browse.handle_response(link, &message, now);
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: u64) {
        if self.advertiser.next_timeout().is_some_and(|at| at <= now) {
            self.advertiser.handle_timeout(now, &mut self.out);
        }
        let is_due = |browse: &&mut Browse| browse.next_timeout().is_some_and(|at| at <= now);
        if let Some(browse) = self.browse.as_mut().filter(is_due) {
            browse.handle_timeout(now, &mut self.out);
        }
    }

    /// When to call `handle_timeout`.
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        let browse = self.browse.as_ref().and_then(Browse::next_timeout);
        self.advertiser.next_timeout().into_iter().chain(browse).min()
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    /// The services that are found, if that has changed.
    pub(super) fn poll_list(&mut self) -> Option<List> {
        self.browse.as_mut()?.take_list()
    }

    #[cfg(test)]
    pub(super) fn name(&self, id: u64) -> String {
        self.advertiser.name(id)
    }
}
