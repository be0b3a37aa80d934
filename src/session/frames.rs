//! Sender time: the frames that connections send, and what the port is told of its peers' names and clocks.

use super::connection::{Connection, Phase};
use super::core::Core;
use super::effect::{Keyed, Peer, PortKey};
use super::name::Name;
use super::port::notification;
use crate::realtime::config::Timing;
use crate::realtime::notifications::Kind;
use crate::sys::clock::ms;
use crate::timing::peer_clock::Change;
use std::sync::atomic::Ordering;

/// How often the figures of all peers of a port are taken together, at most.
const FIGURES_MS: u32 = 100;
/// When to look again after a measurement that could not be sent.
const RETRY_MS: u32 = 100;

/// A port's own connection stands: says hello, where the port is configured to.
pub(super) fn say_hello(core: &mut Core, peer: Peer, now: u64) {
    let Some(connection) = core.connections.at_mut(peer) else {
        return;
    };
    let Some(port) = core.ports.at(connection.port) else {
        return;
    };
    if port.config().timing != Timing::Sender {
        return;
    }
    let hello = connection.input.time.ask(&port.times.name);
    connection.output.push_frame(&hello, now);
    core.effects.write(peer, connection);
}

/// Sends what frames of a peer ask for, and measures its clock if it is time. Tells what came of it.
pub(super) fn exchange_times(core: &mut Core, peer: Peer, now: u64) {
    let Some(connection) = core.connections.at_mut(peer) else {
        return;
    };
    if !connection.input.time.take_changed(now) {
        return;
    }
    let key = connection.port;
    let Some(port) = core.ports.at_mut(key) else { return };
    if connection.is_live() {
        send_frames(connection, &port.times.name, now);
        core.effects.write(peer, connection);
    }
    if !port.times.in_use {
        port.times.in_use = true;
        port.shared.set_tells_times(true);
    }
    // First: who hears that a clock is locked finds its figures.
    renew_figures(core, peer, now);
    tell_changes(core, peer, now);
}

/// Tells of names and clocks that have changed.
fn tell_changes(core: &mut Core, peer: Peer, now: u64) {
    let Some(connection) = core.connections.at_mut(peer) else {
        return;
    };
    let Some(port) = core.ports.at(connection.port) else {
        return;
    };
    let notifications = &port.shared.control.notifications;
    let client = port.client_of(connection);
    let tell = |kind| notification(kind, now).client(client).address(connection.address);
    let time = &mut connection.input.time;
    let mut changed = false;
    if let Some(name) = time.take_name(now) {
        changed = true;
        let announce = || notifications.announce(tell(Kind::ClientNamed));
        port.shared.set_peer_name(client, name.as_str(), announce);
    }
    match time.take_change() {
        Change::None => {}
        change => {
            changed = true;
            let locked = change == Change::Locked;
            notifications.announce(tell(if locked { Kind::ClockLocked } else { Kind::ClockLost }));
        }
    }
    if changed {
        let key = connection.port;
        core.changed(key);
    }
}

/// The port's figures are the worst of its peers'.
fn renew_figures(core: &mut Core, peer: Peer, now: u64) {
    let Some(connection) = core.connections.at_mut(peer) else {
        return;
    };
    let Some(port) = core.ports.at_mut(connection.port) else {
        return;
    };
    let (mut error_ns, mut transit_ns) = connection.input.time.figures(now);
    let figures = &port.shared.counters.sender;
    if port.peers.len() <= 1 {
        // It is the only one.
    } else if now >= port.times.figures_ns + ms(FIGURES_MS) {
        port.times.figures_ns = now;
        for other in &port.peers {
            let other = core.connections.at_mut(*other);
            let (error, transit) = other.map_or((0, 0), |other| other.input.time.figures(now));
            (error_ns, transit_ns) = (error_ns.max(error), transit_ns.max(transit));
        }
    } else {
        error_ns = error_ns.max(figures.clock_error_ns.load(Ordering::Relaxed));
        transit_ns = transit_ns.max(figures.transit_ns.load(Ordering::Relaxed));
    }
    figures.clock_error_ns.store(error_ns, Ordering::Relaxed);
    figures.transit_ns.store(transit_ns, Ordering::Relaxed);
}

/// A connection leaves its port.
pub(super) fn forget_times(core: &mut Core, peer: Peer, now: u64) {
    let key = core.connections.at(peer).map(|connection| connection.port);
    let port = key.and_then(|key| core.ports.at_mut(key));
    let Some(port) = port.filter(|port| port.times.in_use) else {
        return;
    };
    let active = |other: &&Peer| {
        let connection = core.connections.at(**other).filter(|_| **other != peer);
        connection.is_some_and(|connection| connection.is_live() && connection.input.time.is_active())
    };
    let Some(other) = port.peers.iter().find(active).copied() else {
        port.times.in_use = false;
        port.shared.set_tells_times(false);
        let figures = &port.shared.counters.sender;
        figures.clock_error_ns.store(0, Ordering::Relaxed);
        figures.transit_ns.store(0, Ordering::Relaxed);
        return;
    };
    port.times.figures_ns = 0;
    renew_figures(core, other, now);
}

/// When a connection's clock is to be measured next.
pub(super) fn next_exchange_ns(connection: &Connection, now: u64) -> Option<u64> {
    let at = connection.input.time.next_ping_ns()?;
    let sends = connection.phase == Phase::Open && connection.output.takes();
    // One that could not be sent is tried again.
    sends.then(|| if at <= now { now + ms(RETRY_MS) } else { at })
}

/// A port has another name.
pub(super) fn set_name(core: &mut Core, key: PortKey, name: Name, now: u64) {
    let Some(port) = core.ports.at_mut(key) else { return };
    if port.times.name == name {
        return;
    }
    port.times.name = name;
    for peer in port.peers.clone() {
        if let Some(connection) = core.connections.at_mut(peer) {
            connection.input.time.name_changed();
        }
        exchange_times(core, peer, now);
    }
}

/// Adds the frames that wait to a connection's buffer, as far as the peer reads.
fn send_frames(connection: &mut Connection, name: &Name, now: u64) {
    let (time, output) = (&mut connection.input.time, &mut connection.output);
    if !output.takes() {
        return;
    }
    if let Some(answer) = time.take_answer(name) {
        output.push_frame(&answer, now);
    }
    output.tell_times();
    // A peer that does not read gets no more than that: nothing piles up for it.
    if output.blocked {
        return;
    }
    let frames = [time.take_new_name(name), time.take_pong(now), time.take_ping(now)];
    for frame in frames.into_iter().flatten() {
        output.push_frame(&frame, now);
    }
}
