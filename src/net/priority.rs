//! The realtime priority of a network thread: the highest that any of its ports asks for, or what its context says.

use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::shared::Shared;
use crate::sys;
use crate::sys::code::Code;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The priority that there is, and the one that is wanted.
#[derive(Default)]
pub(super) struct Priority {
    wanted: u32,
    /// With or without ports.
    least: u32,
    actual: u32,
    /// Why there is not what is wanted.
    error: Option<(Code, i32)>,
    /// The ports have changed.
    pub review: bool,
}

impl Priority {
    pub(super) fn new(least: u32) -> Self {
        Self {
            least,
            review: least != 0,
            ..Self::default()
        }
    }

    /// Brings the priority to what the ports ask for. The ones that have asked since are told if the system refuses; they
    /// work all the same.
    pub(super) fn update<'a>(&mut self, ports: impl Iterator<Item = &'a Arc<Shared>> + Clone) {
        self.review = false;
        let wanted = ports
            .clone()
            .map(|port| port.control.priority.wanted())
            .max()
            .unwrap_or(0)
            .max(self.least);
        let asking: Vec<&Arc<Shared>> = ports
            .clone()
            .filter(|port| port.control.priority.take_asked())
            .collect();
        // A port that asks again may have been given the right to it meanwhile.
        if wanted != self.wanted || !asking.is_empty() && self.error.is_some() {
            self.wanted = wanted;
            match sys::set_realtime_priority(wanted) {
                Ok(priority) => (self.actual, self.error) = (priority, None),
                // As it was: a lower one that was given before is better than none.
                Err(error) => self.error = Some((Code::of(&error), error.raw_os_error().unwrap_or(0))),
            }
        }
        for port in ports {
            port.counters
                .network
                .thread
                .priority
                .store(self.actual.into(), Ordering::Relaxed);
        }
        let Some((code, os_error)) = self.error else { return };
        for port in asking {
            if port.control.priority.wanted() > self.actual {
                port.control
                    .notifications
                    .announce(Notification::new(Kind::PriorityRefused).reason(code, os_error));
                port.signal();
            }
        }
    }
}
