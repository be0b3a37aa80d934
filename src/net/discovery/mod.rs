//! Finding one another: DNS-SD over multicast DNS (RFC 6763, RFC 6762), service type `_midisock._tcp`.
//!
//! | file | what it is |
//! |---|---|
//! | [`thread`] | the one thread of all users in the process, from the first to the last |
//! | [`links`] | the network interfaces as they come and go, and their sockets |
//! | [`engine`] | the protocol without I/O: messages in and out, time is an argument |
//! | [`advertise`], [`service`] | services of this process: probing, announcing, answering, names that are taken |
//! | [`browse`], [`seen`] | services of the network: questions, and what is known for how long |
//! | [`list`] | what browsers are told |
//! | [`names`], [`packet`], [`traffic`] | DNS names and messages, what goes in and out |
//!
//! The rest of `net` calls [`advertise`](advertise()) for servers, and `ffi` makes a [`Browser`]. Nothing is sent to the
//! network, and no thread runs, unless somebody advertises or browses.

mod advertise;
mod browse;
mod engine;
#[cfg(all(test, not(loom)))]
mod engine_tests;
mod links;
mod list;
mod names;
mod packet;
mod seen;
mod service;
mod thread;
mod traffic;

pub(crate) use list::{Change, Kind};
pub(crate) use thread::Hold;

use crate::session::name::Name;
use crate::sys::address::Address;
use crate::sys::code::Code;
use list::List;
use parking_lot::Mutex;
use service::Wanted;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use thread::{Command, Control};

/// A server's advertisement, which its listener has. Dropping it withdraws it.
pub(crate) struct Advertisement {
    control: Arc<Control>,
    id: u64,
    name: Name,
    /// It is advertised.
    has_begun: bool,
}

/// Prepares to advertise a server: a hold on the thread for the server's port, and the advertisement for its listener. None
/// where nothing is reachable from the network.
pub(crate) fn advertise(addresses: &[Address], name: &Name) -> Result<Option<(Hold, Advertisement)>, Code> {
    if addresses.iter().all(is_local) {
        return Ok(None);
    }
    let hold = Hold::enter()?;
    let advertisement = Advertisement {
        control: Arc::clone(hold.control()),
        id: thread::next_id(),
        name: name.clone(),
        has_begun: false,
    };
    Ok(Some((hold, advertisement)))
}

fn is_local(address: &Address) -> bool {
    address.canonical().ip().is_none_or(|ip| ip.is_loopback())
}

impl Advertisement {
    /// The server listens: at these addresses, all on one port.
    pub(crate) fn begin(&mut self, addresses: impl Iterator<Item = Address>) {
        let addresses: Vec<Address> = addresses.collect();
        let Some(port) = addresses.first().map(Address::port) else {
            return;
        };
        self.has_begun = true;
        let wanted = Wanted {
            name: self.name.as_str().to_owned(),
            port,
            bound: addresses.iter().filter_map(Address::ip).collect::<Vec<IpAddr>>(),
        };
        self.control.submit(Command::Advertise(self.id, wanted));
    }

    pub(crate) fn rename(&mut self, name: &Name) {
        self.name.clone_from(name);
        if self.has_begun {
            self.control.submit(Command::Rename(self.id, name.as_str().to_owned()));
        }
    }
}

impl Drop for Advertisement {
    fn drop(&mut self) {
        if self.has_begun {
            self.control.submit(Command::Withdraw(self.id));
        }
    }
}

/// A handle that browses. Any number of them share what is found.
pub(crate) struct Browser {
    hold: Hold,
    /// What it was told.
    told: Mutex<List>,
}

impl Browser {
    pub(crate) fn new() -> Result<Self, Code> {
        let hold = Hold::enter()?;
        hold.control().submit(Command::StartBrowsing);
        Ok(Self {
            hold,
            told: Mutex::default(),
        })
    }

    /// The next change, if there is one.
    pub(crate) fn next(&self) -> Option<Change> {
        self.hold.control().services.next(&mut self.told.lock(), true)
    }

    /// Waits until there is a change; false: there was none in time.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        let services = &self.hold.control().services;
        let ready = || services.next(&mut self.told.lock(), false).map(drop);
        services.wait(timeout, ready).is_some()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.hold.control().submit(Command::StopBrowsing);
    }
}
