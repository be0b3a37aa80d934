//! The name of a port.

use crate::sys::code::Code;
use std::str::FromStr;

/// The longest name, in bytes.
const MOST_BYTES: usize = 63;

/// The name of a port; empty: none. It is UTF-8 without control characters, and short enough for every place that shows
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// The name that a peer gave itself, as far as it can be shown anywhere: what could break a line, move the cursor or
    /// turn text around is replaced, and what is too long is cut between two characters.
    pub(crate) fn of_peer(bytes: &[u8]) -> Self {
        Self(Self::cleaned(bytes, MOST_BYTES))
    }

    /// The same for any text from the network, in at most so many bytes.
    pub(crate) fn cleaned(bytes: &[u8], most_bytes: usize) -> String {
        let mut name = String::new();
        for character in String::from_utf8_lossy(bytes).chars() {
            let shown = if is_misleading(character) {
                char::REPLACEMENT_CHARACTER
            } else {
                character
            };
            if name.len() + shown.len_utf8() > most_bytes {
                break;
            }
            name.push(shown);
        }
        name
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character is a control, separates lines or paragraphs, or formats bidirectional text.
fn is_misleading(character: char) -> bool {
    let format = matches!(
        character,
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || format
}

impl FromStr for Name {
    type Err = Code;

    fn from_str(text: &str) -> Result<Self, Code> {
        if text.len() > MOST_BYTES || text.chars().any(char::is_control) {
            return Err(Code::InvalidArgument);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn names_are_short_and_have_no_control_characters() {
        for good in ["", "a", "Bühne links", "琴", &"x".repeat(63), &"ü".repeat(31)] {
            assert_eq!(good.parse(), Ok(Name(good.to_owned())), "{good:?}");
        }
        let long = ["x".repeat(64), "ü".repeat(32), "x".repeat(100_000)];
        let control = ["\n", "a\tb", "\u{7f}", "\u{80}", "a\u{9f}", "\u{1b}[2J"];
        for bad in long.iter().map(String::as_str).chain(control) {
            assert_eq!(bad.parse::<Name>(), Err(Code::InvalidArgument), "{bad:?}");
        }
    }

    #[test]
    fn names_of_peers_are_replaced_where_they_mislead_and_cut_between_characters() {
        for (bytes, shown) in [
            (&b""[..], ""),
            ("Bühne links".as_bytes(), "Bühne links"),
            (b"a\xFFb", "a\u{FFFD}b"),
            (b"\xC3", "\u{FFFD}"),
            (b"a\0b\n\x1B[2J\x7F", "a\u{FFFD}b\u{FFFD}\u{FFFD}[2J\u{FFFD}"),
            ("\u{61C}\u{200E}\u{200F}".as_bytes(), "\u{FFFD}\u{FFFD}\u{FFFD}"),
            (
                "\u{2027}\u{2028}\u{2029}\u{202A}".as_bytes(),
                "\u{2027}\u{FFFD}\u{FFFD}\u{FFFD}",
            ),
            ("\u{202E}\u{202F}".as_bytes(), "\u{FFFD}\u{202F}"),
            (
                "\u{2065}\u{2066}\u{2069}\u{206A}".as_bytes(),
                "\u{2065}\u{FFFD}\u{FFFD}\u{206A}",
            ),
            // Joiners and marks make no harm.
            ("👩\u{200D}🎤".as_bytes(), "👩\u{200D}🎤"),
            (&[0xFF; 63], &"\u{FFFD}".repeat(21)),
            ("ü".repeat(40).as_bytes(), &"ü".repeat(31)),
        ] {
            assert_eq!(Name::of_peer(bytes).as_str(), shown, "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_of_a_peer_make_a_name(
            bytes in prop_oneof![vec(any::<u8>(), 0..80), any::<String>().prop_map(String::into_bytes)],
        ) {
            let name = Name::of_peer(&bytes);
            prop_assert_eq!(name.as_str().parse(), Ok(name.clone()));
            prop_assert!(!name.as_str().chars().any(is_misleading));
            prop_assert_eq!(Name::of_peer(name.as_str().as_bytes()), name, "cleaning again changes nothing");
        }

        #[test]
        fn a_name_that_is_good_comes_from_a_peer_as_it_is(text in "[a-zA-Z0-9 äöü琴♪]{0,15}") {
            let name = Name::of_peer(text.as_bytes());
            prop_assert_eq!(name.as_str(), &text);
        }
    }
}
