//! The services that were found, for those who browse: each browser is told the differences to what it was told before.
//! So however often a service changes, nothing piles up.

use crate::realtime::event::Event;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;

/// A service that can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Up to 255 bytes.
    pub host: String,
    pub port: u16,
    /// Up to 63 bytes, as `midisock_connect` takes it.
    pub address: String,
}

/// By the name that is shown, up to 63 bytes.
pub(super) type List = BTreeMap<String, Found>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Found,
    /// Another address or port.
    Changed,
    Lost,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub kind: Kind,
    pub name: String,
    pub service: Found,
}

/// The list as it is now, which all browsers of the process share.
#[derive(Default)]
pub(super) struct Services {
    list: Mutex<List>,
    changed: Event,
}

impl Services {
    /// The discovery thread: replaces the list.
    pub(super) fn set(&self, list: List) {
        *self.list.lock() = list;
        self.changed.signal();
    }

    pub(super) fn wait<T>(&self, timeout: Option<Duration>, ready: impl FnMut() -> Option<T>) -> Option<T> {
        self.changed.wait_for(timeout, ready)
    }

    /// The next difference to what was told; it counts as told then if `take`.
    pub(super) fn next(&self, told: &mut List, take: bool) -> Option<Change> {
        let list = self.list.lock();
        let change = difference(told, &list)?;
        if take {
            match change.kind {
                Kind::Lost => {
                    told.remove(&change.name);
                }
                Kind::Found | Kind::Changed => {
                    told.insert(change.name.clone(), change.service.clone());
                }
            }
        }
        Some(change)
    }
}

fn difference(told: &List, list: &List) -> Option<Change> {
    let change = |kind, (name, service): (&String, &Found)| Change {
        kind,
        name: name.clone(),
        service: service.clone(),
    };
    if let Some(lost) = told.iter().find(|(name, _)| !list.contains_key(*name)) {
        return Some(change(Kind::Lost, lost));
    }
    if let Some(found) = list.iter().find(|(name, _)| !told.contains_key(*name)) {
        return Some(change(Kind::Found, found));
    }
    let changed = list.iter().find(|(name, service)| told.get(*name) != Some(service));
    changed.map(|changed| change(Kind::Changed, changed))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn found(port: u16) -> Found {
        Found {
            host: "studio.local".into(),
            port,
            address: "192.0.2.1".into(),
        }
    }

    fn list(entries: &[(&str, u16)]) -> List {
        entries
            .iter()
            .map(|(name, port)| ((*name).to_owned(), found(*port)))
            .collect()
    }

    #[test]
    fn each_browser_is_told_the_differences() {
        let services = Services::default();
        let mut told = List::new();
        let next = |told: &mut List| {
            services
                .next(told, true)
                .map(|change| (change.kind, change.name, change.service.port))
        };
        assert_eq!(next(&mut told), None);
        services.set(list(&[("a", 1), ("b", 2)]));
        assert!(services.next(&mut told, false).is_some());
        assert_eq!(next(&mut told), Some((Kind::Found, "a".into(), 1)));
        // What changed before it was told is not told twice.
        services.set(list(&[("b", 3), ("c", 4)]));
        assert_eq!(next(&mut told), Some((Kind::Lost, "a".into(), 1)));
        assert_eq!(next(&mut told), Some((Kind::Found, "b".into(), 3)));
        assert_eq!(next(&mut told), Some((Kind::Found, "c".into(), 4)));
        services.set(list(&[("b", 3), ("c", 5)]));
        assert_eq!(next(&mut told), Some((Kind::Changed, "c".into(), 5)));
        assert_eq!(next(&mut told), None);
        let mut other = List::new();
        assert_eq!(next(&mut other), Some((Kind::Found, "b".into(), 3)));
    }
}
