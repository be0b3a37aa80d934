//! How long the network thread lives: as long as there are ports, or the host's own context. The first or last user may
//! come or go at any moment while the thread ends. None of them is left with a thread that does not come back.

use crate::realtime::event::Event;
use crate::sys::sync::{AtomicBool, AtomicU32, Ordering};

/// In place of a number of users: the thread ends and takes no more.
const ENDING: u32 = u32::MAX;

/// Who uses the network thread, and whether it runs.
pub(crate) struct Life {
    /// Ports there are, and the host's own context; `ENDING` when the thread has decided to end.
    users: AtomicU32,
    /// The thread has let go of everything.
    over: AtomicBool,
    /// Signalled when either changes in a way that a leaving port waits for.
    changed: Event,
}

impl Life {
    /// Of a thread that is started for a first user.
    pub(crate) fn with_one_user() -> Self {
        Self {
            users: AtomicU32::new(1),
            over: AtomicBool::new(false),
            changed: Event::default(),
        }
    }

    /// One more user, unless the thread is ending.
    pub(crate) fn join(&self) -> bool {
        let mut users = self.users.load(Ordering::Acquire);
        while users != ENDING {
            match self
                .users
                .compare_exchange(users, users + 1, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => {
                    self.changed.signal();
                    return true;
                }
                Err(other) => users = other,
            }
        }
        false
    }

    /// One user less; whether that was the last: then the thread is to be woken.
    pub(crate) fn leave(&self) -> bool {
        self.users.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// The only user leaves; false: there are others, and nothing happens.
    pub(crate) fn leave_alone(&self) -> bool {
        self.users
            .compare_exchange(1, 0, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// After the last user left: waits until the thread is over, or somebody has joined it again. Whether it is over.
    pub(crate) fn wait_over(&self) -> bool {
        self.changed.wait_for(None, || {
            let users = self.users.load(Ordering::Acquire);
            let revived = users != 0 && users != ENDING;
            (self.over.load(Ordering::Acquire) || revived).then_some(())
        });
        self.over.load(Ordering::Acquire)
    }

    /// The thread: may it end? After true nobody can join.
    pub(crate) fn may_end(&self) -> bool {
        self.users
            .compare_exchange(0, ENDING, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// The thread: whether there is no user.
    pub(crate) fn is_unused(&self) -> bool {
        self.users.load(Ordering::Acquire) == 0
    }

    /// The thread: it has let go of everything.
    pub(crate) fn tell_over(&self) {
        self.over.store(true, Ordering::Release);
        self.changed.signal();
    }
}
