//! The name of a port.

use crate::sys::code::Code;
use std::str::FromStr;

/// The longest name, in bytes.
const MOST_BYTES: usize = 63;

/// The name of a port; empty: none. It is UTF-8 without control characters, and short enough for every place that shows
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name(String);

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
}
