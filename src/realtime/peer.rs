//! What is known of a peer: its address and its name.

use crate::realtime::text::Text;
use crate::sys::address::Address;
use crate::sys::sync::{AtomicBool, Ordering};

/// The one peer of a port. Empty texts without one.
#[derive(Default)]
pub(crate) struct PeerStatus {
    address: Text,
    pub name: PeerName,
}

impl PeerStatus {
    /// The network thread, or the thread that makes the port: there is a peer, and its name is not known.
    pub(crate) fn come(&self, address: Option<Address>) {
        self.address
            .set(&address.map(|address| address.text()).unwrap_or_default());
        self.name.forget();
    }

    /// Network thread: there is no peer any more.
    pub(crate) fn leave(&self) {
        self.come(None);
    }

    /// Control threads: returns the address.
    pub(crate) fn address(&self) -> String {
        self.address.get()
    }
}

/// The name that a peer has told. At most one notification of it waits.
#[derive(Default)]
pub(crate) struct PeerName {
    text: Text,
    /// A notification waits.
    announced: AtomicBool,
}

impl PeerName {
    /// Network thread: the peer told a name. `announce` adds a notification, if there is room.
    pub(crate) fn set(&self, name: &str, announce: impl FnOnce() -> bool) {
        self.text.set(name);
        // Before the notification is there to be taken.
        if !self.announced.swap(true, Ordering::AcqRel) && !announce() {
            self.announced.store(false, Ordering::Release);
        }
    }

    /// Network thread: it is another peer's from now on.
    pub(crate) fn forget(&self) {
        self.text.set("");
        self.announced.store(false, Ordering::Release);
    }

    /// Control threads: the notification was taken. The name that is read after this is not older.
    pub(crate) fn notification_taken(&self) {
        self.announced.swap(false, Ordering::AcqRel);
    }

    /// Control threads: returns the name.
    pub(crate) fn get(&self) -> String {
        self.text.get()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn at_most_one_notification_waits() {
        let name = PeerName::default();
        let mut count = 0;
        for text in ["one", "two"] {
            name.set(text, || {
                count += 1;
                true
            });
        }
        assert_eq!((name.get().as_str(), count), ("two", 1));
        name.notification_taken();
        // There was no room for this one, so the next is announced.
        name.set("three", || false);
        let mut announced = false;
        name.set("four", || {
            announced = true;
            true
        });
        assert!(announced);
        name.forget();
        assert_eq!(name.get(), "");
    }
}
