//! The kinds of ports.

/// The kind of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Merged,
    Manual,
    Accepted,
    /// Of a socket that the caller brought.
    Adopted,
    Pair,
}

impl Role {
    pub(crate) fn is_server(self) -> bool {
        matches!(self, Role::Merged | Role::Manual)
    }

    /// The name of the port in lines of the log, until its address is known.
    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Client => "client",
            Role::Merged | Role::Manual => "server",
            Role::Accepted => "accepted port",
            Role::Adopted => "adopted port",
            Role::Pair => "pair",
        }
    }

    /// Whether messages go through the port itself. A manual server only accepts other ports.
    pub(crate) fn has_queues(self) -> bool {
        self != Role::Manual
    }
}
