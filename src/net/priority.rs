//! The realtime priority of the network thread: the highest that any port asks for.

use super::reactor::Reactor;
use crate::realtime::notifications::{Kind, Notification};
use crate::sys;
use crate::sys::code::Code;
use std::sync::atomic::Ordering;

impl Reactor {
    /// The ports have changed. `asking`: the key of one that is to be told if the system refuses what it asks for; it
    /// works all the same.
    pub(super) fn review_priority(&mut self, asking: Option<usize>) {
        let wanted = self.ports.iter().map(|(_, port)| port.priority).max();
        let wanted = wanted.unwrap_or(0);
        // Whoever asks again may have been given the right to it meanwhile.
        if wanted != self.priority_wanted || asking.is_some() && self.priority_error.is_some() {
            self.priority_wanted = wanted;
            self.priority = match sys::set_realtime_priority(wanted) {
                Ok(priority) => {
                    self.priority_error = None;
                    priority
                }
                // As it was: a lower one that was given before is better than none.
                Err(error) => {
                    self.priority_error = Some((Code::of(&error), error.raw_os_error().unwrap_or(0)));
                    self.priority
                }
            };
        }
        for (_, port) in &self.ports {
            port.shared
                .counters
                .priority
                .store(self.priority.into(), Ordering::Relaxed);
        }
        if let Some(key) = asking
            && let Some((code, os_error)) = self.priority_error
            && self.ports[key].priority > self.priority
        {
            let refused = Notification::new(Kind::PriorityRefused).reason(code, os_error);
            self.ports[key].shared.notifications.tell(refused);
            self.touch(key);
        }
    }
}
