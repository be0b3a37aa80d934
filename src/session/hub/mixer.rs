//! What several ports send to one client becomes one stream. What several of them hold there is one thing.
//!
//! Both Note Ons of a note pass. A Note Off is withheld while another port still holds the note. Of controllers and
//! pedals the last value counts, so they pass. But where a port goes, or gives up a channel, only that is released which
//! no other port holds.
//! All Sound Off, Reset All Controllers and All Notes Off pass: the client has ended what other ports hold too, so
//! these are told.

use super::Member;
use super::trunk::{Branch, Trunk};
use crate::midi::channels::Channels;
use crate::midi::frame::{self, Frame};
use crate::midi::message::{self, is_note_off};
use crate::session::connection::{Connection, Phase};
use crate::session::effect::Keyed;
use crate::session::output::Flow;
use slab::Slab;

/// More than this is not taken from the ports at once: what the system does not take is rather left with them, where it
/// can still be dropped.
const MOST_BYTES: usize = 16 * 1024;

pub(super) fn connection<'a>(members: &'a Slab<Member>, branch: &Branch) -> Option<&'a Connection> {
    let member = members.get(branch.member)?;
    member.session.core.connections.at(branch.peer)
}

/// The connection of a client in the session of each of its ports.
pub(super) fn connections<'a>(members: &'a Slab<Member>, trunk: &'a Trunk) -> impl Iterator<Item = &'a Connection> {
    trunk.branches.iter().filter_map(|branch| connection(members, branch))
}

/// Moves what the ports have for a client to its socket, as much as is worth offering at once.
pub(super) fn mix(members: &mut Slab<Member>, trunk: &mut Trunk, now: u64) {
    let mut batch = Vec::new();
    for index in 0..trunk.branches.len() {
        let Branch { member, peer, .. } = trunk.branches[index];
        batch.clear();
        let room = room_for(connection(members, &trunk.branches[index]), trunk, now);
        if room != 0 {
            let unsent = members
                .get(member)
                .map_or(&[][..], |member| member.session.core.unsent(peer));
            batch.extend_from_slice(&unsent[..whole_messages(unsent, room)]);
        }
        let is_going = connection(members, &trunk.branches[index])
            .is_some_and(|connection| connection.output.flow == Flow::Finished);
        let open = members.get(member).map_or(Channels::ALL, Member::channels);
        let mut rest = &batch[..];
        while !rest.is_empty() {
            let (message, behind) = rest.split_at(message::len_at(rest));
            rest = behind;
            // What a port sends on a channel that it does not have any more is a release too.
            let is_releasing = is_going || !open.has(message);
            add(members, trunk, index, message, is_releasing, now);
        }
        let waits =
            connection(members, &trunk.branches[index]).is_some_and(|connection| !connection.output.buffer.is_empty());
        if let Some(member) = members.get_mut(member).filter(|_| waits) {
            // With less than all it knows that it has to wait, and what it may drop meanwhile.
            member.session.handle_sent(peer, now, batch.len());
        }
    }
    // The next time another port is the first.
    if trunk.branches.len() > 1 {
        trunk.branches.rotate_left(1);
    }
}

/// How many bytes may be taken from a port now.
fn room_for(connection: Option<&Connection>, trunk: &Trunk, now: u64) -> usize {
    match connection.map(|connection| connection.phase) {
        // The others keep the connection, so the client would keep for good what the port left on.
        Some(Phase::Closing { until, .. }) if until <= now => usize::MAX,
        _ if trunk.outgoing.blocked => 0,
        _ => MOST_BYTES.saturating_sub(trunk.outgoing.len()),
    }
}

/// The bytes of the messages at the beginning that begin within so many bytes.
fn whole_messages(bytes: &[u8], room: usize) -> usize {
    if bytes.len() <= room {
        return bytes.len();
    }
    let mut end = 0;
    while end < room {
        end += message::len_at(&bytes[end..]);
    }
    end
}

/// Adds a message of one port, or takes one of its frames.
fn add(members: &mut Slab<Member>, trunk: &mut Trunk, index: usize, message: &[u8], is_releasing: bool, now: u64) {
    if frame::begins(message) {
        // A port sends no other frames: the rest is said for all ports together.
        if let Some(Frame::Stamp(us)) = frame::decode(message) {
            trunk.branches[index].meant_us = Some(us);
        }
        return;
    }
    let others = trunk.branches.iter().enumerate().filter(|(other, _)| *other != index);
    if is_note_off(message) || is_releasing && is_release(message) {
        let holds = |connection: &Connection| {
            let has_gone = !connection.output.takes() && connection.output.buffer.is_empty();
            let received = connection.output.track.received();
            !has_gone && received.is_some_and(|received| received.releases(message))
        };
        let mut others = others.filter_map(|(_, branch)| connection(members, branch));
        if others.any(holds) {
            return;
        }
    } else if overrules(message) {
        for (_, branch) in others {
            let member = members.get_mut(branch.member);
            let connection = member.and_then(|member| member.session.core.connections.at_mut(branch.peer));
            if let Some(connection) = connection {
                connection.output.overruled(message);
            }
        }
    }
    if trunk.time.is_active() {
        let meant_us = trunk.branches[index].meant_us;
        trunk.outgoing.stamp(meant_us.unwrap_or((now / 1000) as u32));
    }
    trunk.outgoing.push(message);
}

/// Whether a message of a port that goes is one of its releases.
fn is_release(message: &[u8]) -> bool {
    matches!(
        *message,
        [0xB0..=0xBF, 64..=69, 0..=63] | [0xD0..=0xDF, 0] | [0xE0..=0xEF, 0, 64] | [0xFC]
    )
}

/// Whether a message ends or resets what other ports hold.
fn overrules(message: &[u8]) -> bool {
    matches!(*message, [0xB0..=0xBF, 120 | 121 | 123..=127, _] | [0xFF])
}
