//! DNS names, and the names of services in them.

use crate::session::name::Name;
use std::fmt;

/// The longest label of a DNS name, in bytes.
pub(super) const MOST_LABEL: usize = 63;
/// The longest DNS name on the wire, without the root's byte.
const MOST_NAME: usize = 254;

/// A DNS name as on the wire, without the root: each label behind its length. Names that differ only in the case of
/// ASCII letters are equal (RFC 6762, section 16). No length byte is a letter, so whole names can be compared.
#[derive(Clone)]
pub(super) struct DnsName(Vec<u8>);

impl DnsName {
    pub(super) const fn root() -> Self {
        Self(Vec::new())
    }

    pub(super) fn of(labels: &[&[u8]]) -> Self {
        let mut name = Self::root();
        for label in labels {
            name.push(label);
        }
        name
    }

    /// Adds a label; false if it does not fit.
    pub(super) fn push(&mut self, label: &[u8]) -> bool {
        let fits = (1..=MOST_LABEL).contains(&label.len()) && self.0.len() + 1 + label.len() <= MOST_NAME;
        if fits {
            self.0.push(label.len() as u8);
            self.0.extend_from_slice(label);
        }
        fits
    }

    /// The bytes on the wire, without the root's.
    pub(super) fn wire(&self) -> &[u8] {
        &self.0
    }

    /// The same for equal names.
    pub(super) fn key(&self) -> Vec<u8> {
        self.0.to_ascii_lowercase()
    }

    pub(super) fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let (label, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            Some(label)
        })
    }

    /// The first label of a name that has this name behind it.
    pub(super) fn first_label_before(&self, suffix: &DnsName) -> Option<&[u8]> {
        let first = self.labels().next()?;
        self.0[1 + first.len()..]
            .eq_ignore_ascii_case(&suffix.0)
            .then_some(first)
    }

    /// The name as people write it, made fit to be shown, in at most so many bytes.
    pub(super) fn shown(&self, most_bytes: usize) -> String {
        let text: Vec<&[u8]> = self.labels().collect();
        Name::cleaned(&text.join(&b'.'), most_bytes)
    }
}

impl PartialEq for DnsName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for DnsName {}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown(1024).fmt(f)
    }
}

/// `_midisock._tcp.local`: the type of the services.
pub(super) fn service_type() -> DnsName {
    DnsName::of(&[b"_midisock", b"_tcp", b"local"])
}

/// The name under which a network's types of services are listed (RFC 6763, section 9).
pub(super) fn types() -> DnsName {
    DnsName::of(&[b"_services", b"_dns-sd", b"_udp", b"local"])
}

/// The service's name, as the `number`th of those that want it.
pub(super) fn instance(wanted: &str, number: u32) -> DnsName {
    let label = if number < 2 {
        cut(wanted, MOST_LABEL).to_owned()
    } else {
        let ending = format!(" ({number})");
        cut(wanted, MOST_LABEL - ending.len()).to_owned() + &ending
    };
    let mut name = DnsName::of(&[label.as_bytes()]);
    for label in service_type().labels() {
        name.push(label);
    }
    name
}

/// The name of a server that has none.
pub(super) fn default_name(host_name: &str) -> String {
    let ending = " midisock";
    let host = Name::cleaned(host_name.as_bytes(), MOST_LABEL - ending.len());
    match host.split('.').next() {
        Some(host) if !host.is_empty() => host.to_owned() + ending,
        _ => "midisock".to_owned(),
    }
}

/// A host name that no other responder has: that of the machine may be in the hands of another one, such as Avahi.
pub(super) fn host(host_name: &str, unique: u64) -> DnsName {
    let plain = host_name.split('.').next().unwrap_or_default();
    let plain: String = plain
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let ending = format!("midisock-{unique:016x}");
    let label = match cut(&plain, MOST_LABEL - ending.len() - 1) {
        "" => ending,
        plain => format!("{plain}-{ending}"),
    };
    DnsName::of(&[label.as_bytes(), b"local"])
}

/// The beginning of a text, cut between two characters.
fn cut(text: &str, most_bytes: usize) -> &str {
    let mut end = most_bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_equal_whatever_the_case() {
        let name = DnsName::of(&[b"Studio", b"_MIDIsock", b"_tcp", b"LOCAL"]);
        assert_eq!(name, instance("studio", 1));
        assert_ne!(name, instance("studios", 1));
        assert_eq!(name.first_label_before(&service_type()), Some(&b"Studio"[..]));
        assert_eq!(service_type().first_label_before(&service_type()), None);
        assert_eq!(DnsName::root().first_label_before(&service_type()), None);
    }

    #[test]
    fn labels_and_names_have_a_longest_size() {
        let mut name = DnsName::root();
        assert!(!name.push(b""));
        assert!(!name.push(&[b'x'; 64]));
        for _ in 0..3 {
            assert!(name.push(&[b'x'; 63]));
        }
        assert!(!name.push(&[b'x'; 62]));
        assert!(name.push(&[b'x'; 61]));
        assert_eq!(name.wire().len(), MOST_NAME);
    }

    #[test]
    fn further_services_of_a_name_are_numbered_and_still_fit() {
        let label = |name: &DnsName| name.shown(255).split("._midisock").next().unwrap().to_owned();
        assert_eq!(label(&instance("Bühne", 1)), "Bühne");
        assert_eq!(label(&instance("Bühne", 2)), "Bühne (2)");
        assert_eq!(label(&instance(&"x".repeat(63), 12)), "x".repeat(58) + " (12)");
        // Not in the middle of a character.
        assert_eq!(label(&instance(&"ü".repeat(31), 2)), "ü".repeat(29) + " (2)");
    }

    #[test]
    fn a_server_without_a_name_has_that_of_the_machine() {
        assert_eq!(default_name("studio.example"), "studio midisock");
        assert_eq!(default_name(""), "midisock");
        assert_eq!(default_name(&"x".repeat(200)).len(), 63);
        assert_eq!(
            host("stu dio\u{7}.example", 1).shown(99),
            "studio-midisock-0000000000000001.local"
        );
        assert_eq!(host("", 1).shown(99), "midisock-0000000000000001.local");
        assert_eq!(host(&"x".repeat(99), 1).labels().next().unwrap().len(), 63);
    }
}
