//! What one turn of the network thread does, and what it leaves for the next.

use super::driven::Driven;
use crate::realtime::config::Config;
use crate::realtime::flush::Flushed;
use crate::realtime::shared::Role;
use crate::sys::code::Code;

/// A flush is asked for in the middle of a turn: what fell due since the turn began is waited for.
#[test]
fn a_flush_covers_what_was_due_when_it_was_asked_for() {
    let mut driven = Driven::new(Role::Client, &Config::default());
    let peer = driven.connect();
    assert_eq!(driven.push(1500, 0, &[0xB0, 7, 1]), Code::Ok);
    driven.settle();
    driven.at(1000);
    driven.callers_at(2000);
    let ticket = driven.shared().control.flush.ask();
    driven.settle();
    // A flush without a timeout has its answer at once.
    assert!(driven.shared().control.flush.is_seen(ticket));
    assert_eq!(driven.outcome(ticket), Some(Flushed::Handed));
    assert_eq!(driven.volumes(peer), "1");
}
