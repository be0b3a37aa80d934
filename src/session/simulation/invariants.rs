//! What is so of every session between two calls.

use crate::session::Session;
use crate::session::port::BACKED_UP_BYTES;
use std::sync::atomic::Ordering;

/// More than any difference in state or release takes, and what one turn reads and adds.
const SLACK_BYTES: usize = 192 * 1024;

impl Session {
    /// Whether a connection counts as a client.
    pub(super) fn by_client(&self, peer: usize) -> bool {
        self.server
            .as_ref()
            .is_some_and(|server| server.by_client.values().any(|other| other.0 == peer))
    }

    /// What it has to do, for a failure that is hard to understand.
    pub(super) fn what_is_next(&self) -> String {
        let port = |port: &crate::session::port::Port| {
            format!(
                "port {:?}, backed up {}, {} peers, owes {}, next scheduled {:?}",
                port.life,
                port.backed_up,
                port.peers.len(),
                !port.owed.is_empty(),
                port.schedule.next_ns()
            )
        };
        let connection = |connection: &crate::session::connection::Connection| {
            let output = &connection.output;
            let waits = (output.buffer.len(), connection.input.backlog.len());
            format!(
                "{:?}, {:?}, blocked {}, {waits:?} bytes wait",
                connection.phase, output.flow, output.blocked
            )
        };
        let ports: Vec<_> = self.core.ports.iter().map(|(_, one)| port(one)).collect();
        let connections: Vec<_> = self.core.connections.iter().map(|(_, one)| connection(one)).collect();
        format!(
            "again {}, timeout {:?}, {ports:?}, {connections:?}",
            self.core.again,
            self.core.poll_timeout()
        )
    }

    pub(super) fn check_invariants(&self, now: u64) {
        for (key, connection) in &self.core.connections {
            let port = self.core.ports.get(connection.port.0).expect("a connection has a port");
            let config = port.config();
            let limit = if port.repairs() {
                config.delivery.client_buffer_bytes as usize
            } else {
                BACKED_UP_BYTES
            };
            let waits = connection.output.buffer.len();
            assert!(waits <= limit + SLACK_BYTES, "{waits} bytes wait for peer {key}");
            let backlog = connection.input.backlog.len();
            let bound = connection.input.reads_to_end || backlog <= SLACK_BYTES;
            assert!(bound, "{backlog} bytes of peer {key} wait");
        }
        for (key, port) in &self.core.ports {
            let departed = port.owed.departed.iter();
            let backlogs = departed.filter(|departed| departed.backlog.is_some()).count();
            assert!(
                backlogs <= port.config().server.max_clients.max(1) as usize,
                "port {key}: {backlogs} backlogs"
            );
            for peer in &port.peers {
                assert!(
                    self.core.connections.contains(peer.0),
                    "port {key}: {peer:?} is no connection"
                );
            }
        }
        if let Some(server) = &self.server {
            if let Some(port) = self.core.ports.get(server.port.0) {
                let count = port.shared.clients.count.load(Ordering::Relaxed) as usize;
                assert_eq!(count, server.by_client.len(), "clients");
                assert!(count <= port.config().server.max_clients as usize);
            }
        }
        let overdue = self.core.poll_timeout().filter(|at| *at <= now);
        assert_eq!(overdue, None, "a deadline that has come is still there");
    }
}
